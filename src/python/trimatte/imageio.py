"""Images in and out of files: the public functions of `trimatte.io`."""

from trimatte.io.frames import (
    FRAME_FORMATS,
    Frames,
    ImageFrame,
    encode_frames,
    read_frames,
    write_frames,
)
from trimatte.io.masks import read_mask
from trimatte.io.reading import read_image
from trimatte.io.sources import ImageSource
from trimatte.io.writing import (
    COMPRESSION,
    FORMATS,
    Compression,
    encode_image,
    encode_png,
    write_image,
)

__all__ = [
    "COMPRESSION",
    "FORMATS",
    "FRAME_FORMATS",
    "Compression",
    "Frames",
    "ImageFrame",
    "ImageSource",
    "encode_frames",
    "encode_image",
    "encode_png",
    "read_frames",
    "read_image",
    "read_mask",
    "write_frames",
    "write_image",
]
