"""What an image can come from, and how a message names it."""

from __future__ import annotations

import errno
import inspect
import io
import os
import re
import stat
from typing import Any, BinaryIO, Union

from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from trimatte.errors import ArgumentError

__all__ = [
    "PATH_ERRORS",
    "Array",
    "ImageSource",
    "Spooled",
    "cause_of",
    "is_path",
    "measurable",
    "name_of",
    "opened",
    "rest_of",
    "shortened",
]


Array = NDArray[Any]

ImageSource = Union[
    str, "os.PathLike[str]", bytes, bytearray, memoryview, BinaryIO, Image.Image, Array
]
"""What an image can be given as: a path, an encoded file's bytes, an open binary file,
a Pillow image, or an array (anything with ``__array_interface__``)."""

# What a name can make the system raise: ValueError of a NUL in it, RuntimeError of a ring of links.
PATH_ERRORS = (OSError, ValueError, RuntimeError)

# Of the web, of buckets and of data; after Path it has one slash less.
_ADDRESS = re.compile(r"(?:https?|ftps?|sftp|file|s3|gs):/|data:\w+/", re.IGNORECASE)

_NONBLOCKING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def is_path(source: object) -> bool:
    """True for what read_image would open as a file by its name."""
    return isinstance(source, (str, os.PathLike))


def measurable(source: Any) -> Any:
    """The source, or of a file object one that a header can be read of, and then the rest."""
    return Spooled(source) if hasattr(source, "read") and not is_path(source) else source


class Spooled(io.BytesIO):
    """The rest of a file object in memory, by the same name."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            super().__init__(rest_of(file))
        except (TypeError, ValueError, OSError) as error:  # as read_image has it
            raise ArgumentError(
                f"read_image: cannot read {name_of(file)}: {cause_of(error)}"
            ) from error
        self.name = getattr(file, "name", None)


def opened(path: str | os.PathLike[str]) -> BinaryIO:
    """An ordinary file. To open a pipe might be to wait for ever, and to read a device too."""
    descriptor = os.open(path, os.O_RDONLY | _NONBLOCKING)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError("it is not an ordinary file; open it, and give the file object")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def rest_of(file: Any) -> bytes:
    """What is left to be read of a file object."""
    try:
        data = file.read()
    except UnicodeDecodeError:
        raise TypeError("it is open as text; open it in binary mode ('rb')") from None
    if inspect.iscoroutine(data):
        data.close()  # or Python warns that nobody awaited it
        raise TypeError("its read() is asynchronous; give the bytes of 'await file.read()'")
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError(
        f"its read() gave {type(data).__name__}, not bytes; open it in binary mode ('rb')"
    )


def name_of(source: object) -> str:
    if isinstance(source, (str, os.PathLike)):
        return shortened(repr(os.fsdecode(source)))
    if isinstance(source, Image.Image):
        return f"the Pillow image of mode {source.mode}"
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"the {len(source)} bytes given"
    name = getattr(source, "name", None)
    return shortened(repr(name)) if isinstance(name, str) else "the file object"


def shortened(name: str, most: int = 300) -> str:
    """A name of which so much is left as tells it from others."""
    return name if len(name) <= most else f"{name[: most // 2]}...{name[-most // 2 :]}"


def cause_of(error: BaseException) -> str:
    if isinstance(error, OSError) and _ADDRESS.match(str(error.filename)):
        return "addresses are not fetched; give a file"
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or of a kind that Pillow does not know"
    if isinstance(error, UnicodeError):
        return "its name cannot be written in the system's encoding"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
