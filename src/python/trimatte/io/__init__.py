"""Images in and out of files, bytes and Pillow; arrays on this side, encoded bytes on that."""
