"""The inspector: one HTML page that shows what became of every pixel of an image.

`write_page` makes the page of a `Result`; it needs no network and nothing beside it. `serve` keeps
Python behind the page, so that the image can be cut out again from there with other options.
"""

from trimatte.inspector.assembly import page, write_page
from trimatte.inspector.server import serve

__all__ = ["page", "serve", "write_page"]
