"""One call from an image to its cutout, in the kind of the input."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, BinaryIO, overload

from PIL import Image

from trimatte.arrays import Array
from trimatte.devices import DeviceArray
from trimatte.errors import ArgumentError
from trimatte.io.sources import ImageSource, is_path
from trimatte.io.writing import Compression, check_output
from trimatte.pipeline.remover import Remover

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from trimatte.pipeline.options import RemoverOptions

__all__ = ["remove"]


@overload
def remove(
    image: bytes | bytearray | memoryview | BinaryIO,
    *,
    mask: ImageSource | None = ...,
    trimap: ImageSource | None = ...,
    format: str | None = ...,
    compression: Compression | None = ...,
    **options: Unpack[RemoverOptions],
) -> bytes: ...
@overload
def remove(
    image: str | os.PathLike[str] | Image.Image,
    *,
    mask: ImageSource | None = ...,
    trimap: ImageSource | None = ...,
    **options: Unpack[RemoverOptions],
) -> Image.Image: ...
@overload
def remove(
    image: Array,
    *,
    mask: ImageSource | None = ...,
    trimap: ImageSource | None = ...,
    **options: Unpack[RemoverOptions],
) -> Array: ...
@overload
def remove(
    image: DeviceArray,
    *,
    mask: ImageSource | None = ...,
    trimap: ImageSource | None = ...,
    **options: Unpack[RemoverOptions],
) -> DeviceArray: ...
def remove(
    image: Any,
    *,
    mask: ImageSource | None = None,
    trimap: ImageSource | None = None,
    format: str | None = None,
    compression: Compression | None = None,
    **options: Unpack[RemoverOptions],
) -> Any:
    """Cuts the foreground out of an image and returns the cutout in the kind of the input.

    Args:
        image: as in a call of a `Remover`.
        mask: as in a call of a `Remover`.
        trimap: as in a call of a `Remover`.
        format: of the file whose bytes are returned: ``"png"`` (the default), ``"webp"`` or
            ``"tiff"``.
        compression: of that file, see `Result.save`; by default ``"fast"``.
        options: keywords of `Remover`. The models of the last calls stay loaded.

    Returns:
        For an array an (H, W, 4) array of its dtype; for a Pillow image or a path a Pillow image
        (RGBA, 8 bits); for bytes or a binary file object the bytes of a file.

    Raises:
        ArgumentError: as `Remover` and its call do.
        EngineError: as `Remover` and its call do.
    """
    gives_bytes = isinstance(image, (bytes, bytearray, memoryview)) or hasattr(image, "read")
    file: dict[str, Any] = {"format": format, "compression": compression}
    file = {name: value for name, value in file.items() if value is not None}
    if gives_bytes:
        check_output("remove", **file)
    elif file:
        raise ArgumentError(
            f"remove: {' and '.join(file)} must be left out where no file's bytes are returned; "
            "they are for an image given as bytes or as a file object"
        )
    result = Remover(**options)(image, mask=mask, trimap=trimap)
    if gives_bytes:
        return result.encode(**file)
    if isinstance(image, Image.Image) or is_path(image):
        return result.image
    return result.rgba
