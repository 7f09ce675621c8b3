"""From images to cutouts: networks, the whole chain of one image, and many images at once."""
