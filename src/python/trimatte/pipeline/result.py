"""A cutout and everything that it was made from."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trimatte.arrays import FULL_SCALES, on_host
from trimatte.devices import DeviceArray
from trimatte.errors import ArgumentError, MetadataWarning, warn
from trimatte.io.metadata import Metadata
from trimatte.io.profiles import converted
from trimatte.io.writing import Compression, encode_image, to_pillow, write_image
from trimatte.ops.compositing import color_or_plate, composite, cutout
from trimatte.ops.cropping import SHOWS, Margin, crop_box, cropped
from trimatte.ops.screens import Screen
from trimatte.ops.unsureness import unsure_share
from trimatte.pipeline.routes import Route

__all__ = ["Result"]

Array = NDArray[Any]

_SIDE = 360  # pixels of the preview's longer side: some tens of kilobytes at most
_MOST_BYTES = 30_000
_QUALITIES = (85, 60, 30, 5)

# A checker that transparency shows over, whatever the notebook's own background.
_CHECKER = "background:repeating-conic-gradient(#cdcdcd 0 25%,#a8a8a8 0 50%) 0 0/16px 16px"


class Result:
    """A cutout and what it was made from.

    Arrays are NumPy's, copied from a GPU when they are asked for; of an image that was a GPU's
    array they are `DeviceArray`.

    Attributes:
        rgba: (H, W, 4) straight alpha, dtype of the image; colour is 0 where alpha is 0.
        alpha: (H, W) float32 in [0, 1].
        foreground: (H, W, 3), dtype of the image, spill removed.
        trimap: (H, W) uint8, 0 / 128 / 255.
        mask: the coarse mask the trimap was made from, (H, W); None where the trimap was given.
        engine: what ran the network that made the mask, and why it; None where none did.
        unsure: the share of the subject, in [0, 1], that the network was unsure of; None where none
            was asked.
        screen: what was learnt of the screen that was keyed out, or None.
        timings: seconds by stage, in order; on a GPU stages run on while the next is given to it,
            and the last one given here, "wait", is what was left of them. Of several images that
            the network saw at once each has its share of "segment", so that those of all images add
            up to what was spent; the time that an image waited for others is in none.
        device: where it ran: "cpu", "cuda:0".
        route: how it was cut out, by network, key, mask or trimap, and why so: a `Route`, with
            ``kind`` and ``why``.
        metadata: what was stored beside the pixels of the image (colours, EXIF, XMP, IPTC, text,
            resolution), which `image`, `save` and `encode` pass on.
    """

    def __init__(
        self,
        arrays: Mapping[str, Array | None],
        timings: dict[str, float],
        device: str = "cpu",
        *,
        on_host: bool = True,
        engine: str | None = None,
        screen: Screen | None = None,
        metadata: Metadata | None = None,
        route: Route | None = None,
        glance: Array | None = None,
    ) -> None:
        self._arrays = dict(arrays)
        self._on_host = on_host
        self.timings = timings
        self.device = device
        self.engine = engine
        self.screen = screen
        self._glance = glance  # at the network's mask: `trimatte.ops.unsureness`
        self.metadata: Metadata = Metadata() if metadata is None else metadata
        self.route: Route | None = route

    def _array(self, name: str) -> Any:
        array = self._arrays[name]
        if self._on_host and isinstance(array, DeviceArray):
            array = self._arrays[name] = array.to_host()
        return array

    @property
    def rgba(self) -> Array:
        """(H, W, 4) straight RGBA."""
        return self._array("rgba")

    @property
    def alpha(self) -> NDArray[np.float32]:
        """(H, W) float32 in [0, 1]."""
        return self._array("alpha")

    @property
    def foreground(self) -> Array:
        """(H, W, 3) straight colours without spill."""
        return self._array("foreground")

    @property
    def trimap(self) -> NDArray[np.uint8]:
        """(H, W) uint8: 0, 128, 255."""
        return self._array("trimap")

    @property
    def mask(self) -> Array | None:
        """(H, W) the coarse mask, or None."""
        return self._array("mask")

    @property
    def unsure(self) -> float | None:
        """The share of the subject, in [0, 1], that the network was unsure of: of what its mask has
        above 0.85, and from 0.15 to 0.85 over more than the width of a soft edge, the latter. None
        where no network was asked; of a cropped result that of the whole image.

        Good masks, also of fur, have less than a tenth. From a third on few are good: a larger
        network, or a mask of one's own, then does better. A network can be wrong and sure. The
        figure is found when it is asked for, in a fraction of a millisecond.
        """
        return None if self._glance is None else unsure_share(on_host(self._glance))

    @property
    def icc_profile(self) -> bytes | None:
        """The colour profile of the file read, or one that says the same as its PNG chunks; None:
        sRGB is assumed."""
        return self.metadata.profile

    @property
    def dropped(self) -> tuple[str, ...]:
        """A sentence on each thing that the file read had beside its pixels and that no cutout
        keeps, as the gain map of an HDR photograph, and on colours without a usable profile. What
        only some formats cannot hold is a MetadataWarning where they are written."""
        return self.metadata.dropped

    @property
    def image(self) -> Image.Image:
        """The cutout as a Pillow image, RGBA of 8 bits per channel (Pillow has no more);
        `rgba` and `save` keep the depth of the image. The metadata are in its ``info``; Pillow
        stores the EXIF where it is told to: ``image.save(path, exif=image.info["exif"])``."""
        return to_pillow(self.rgba, self.metadata)

    @property
    def nbytes(self) -> int:
        """Bytes of all its arrays."""
        return sum(array.nbytes for array in self._arrays.values() if array is not None)

    def save(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,
        *,
        compression: Compression = "fast",
        metadata: str = "keep",
    ) -> None:
        """Write the cutout: PNG, WebP (lossless), TIFF or GIF, by the suffix or by format.

        compression: ``"fast"``, ``"balanced"``, ``"small"`` or a level in 0..9: time for size.
        metadata: ``"keep"``: EXIF (GPS position and owner too), XMP, IPTC, text and resolution of
        the image are stored with it; ``"strip"``: only what says what the colours mean.

        Raises ArgumentError and warns MetadataWarning, as write_image does.
        """
        beside = self.metadata.under(metadata, "save")
        write_image(path, self.rgba, format, compression=compression, metadata=beside)

    def encode(
        self,
        format: str = "png",
        *,
        compression: Compression = "fast",
        metadata: str = "keep",
    ) -> bytes:
        """The cutout as the bytes of a file, as `save` would write it.

        Raises ArgumentError where the format cannot hold it, and warns MetadataWarning as
        write_image does.
        """
        beside = self.metadata.under(metadata, "encode")
        return encode_image(self.rgba, format, compression=compression, metadata=beside)

    def composite(self, background: Any, *, linear: bool = False) -> Array:
        """The cutout over a background: (H, W, 3) of the image's dtype, or (H, W, 4) where the
        background has an alpha channel.

        background: (r, g, b) in 0..255 or a colour's name, in sRGB, which becomes the same colour
        in the image's profile; or an image of the same size and dtype, in the image's own colours.

        Raises ArgumentError: background is neither, or a colour behind HDR.
        """
        color, plate = color_or_plate(background, "composite", None)
        if plate is None:
            return composite(self.foreground, self.alpha, self._own(color), linear=linear)
        if plate.ndim < 3 or plate.shape[2] < 4:
            return composite(self.foreground, self.alpha, plate, linear=linear)
        # Over a background that is not opaque (Porter and Duff): each colour by its share.
        alpha, rgba = on_host(self.alpha), on_host(plate)
        total = alpha + (1 - alpha) * (rgba[:, :, 3] / np.float32(FULL_SCALES[rgba.dtype.name]))
        share = np.divide(alpha, total, out=np.zeros_like(alpha), where=total > 0)
        colour = composite(on_host(self.foreground), share, rgba[:, :, :3], linear=linear)
        return cutout(colour, total)

    def _own(self, color: tuple[float, float, float]) -> tuple[float, float, float]:
        """A colour of sRGB in [0, 1] in the image's colours, in 0..255."""
        if self.metadata.hdr:
            raise ArgumentError(
                f"composite: background must be an image in the image's own colours, as these are "
                f"HDR ({self.metadata.hdr}), got a colour of sRGB"
            )
        pixel = np.asarray(color, np.float32)[None, None]
        own = converted(pixel, None, self.metadata.profile)
        if own is None:
            warn(
                "the background's colours were not converted to the image's: its colour profile is "
                "damaged",
                MetadataWarning,
            )
            own = pixel
        red, green, blue = 255 * own[0, 0]
        return red, green, blue

    def crop(self, margin: Margin = 0, *, threshold: float = SHOWS) -> Result:
        """What shows of the cutout, with a margin around it: pixels, or ``"5%"`` of its longer
        side. See `crop_box`; all arrays are cut alike, and are NumPy's.

        Raises ArgumentError: nothing shows, or an argument is not as `crop_box` takes it.
        """
        box = crop_box(self._array("alpha"), margin, threshold=threshold)
        height, width = (side.stop - side.start for side in box)
        arrays = {
            name: None if array is None else cropped(array, box)
            for name, array in self._arrays.items()
        }
        return Result(
            arrays,
            dict(self.timings),
            self.device,
            engine=self.engine,
            screen=self.screen,
            metadata=self.metadata.of_size(width, height),
            route=self.route,
            glance=self._glance,
        )

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        return _html(self)

    def __repr__(self) -> str:
        rgba = self._arrays["rgba"]
        assert rgba is not None
        height, width = rgba.shape[:2]
        total = sum(self.timings.values())
        return f"<trimatte.Result {width} x {height} {rgba.dtype}, {total:.2f} s on {self.device}>"


def _html(result: Result) -> str:
    """A `Result` as a fragment of HTML, with a reduced preview in it.

    The colour profile of the image goes along with the preview.
    """
    preview = to_pillow(on_host(result.rgba))  # pixels of a GPU are waited for
    width, height = preview.size
    preview.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    data = base64.b64encode(_webp(preview, result.icc_profile)).decode()
    total = sum(result.timings.values())
    stages = " · ".join(f"{name} {1000 * took:.0f}" for name, took in result.timings.items())
    facts = [
        f"{width} x {height} {result.rgba.dtype}, {total:.2f} s on {result.device}",
        f"{stages} ms",
        *([] if result.engine is None else [result.engine]),
        *([] if result.route is None else [str(result.route)]),
    ]
    lines = "<br>".join(map(html.escape, facts))
    return (
        f'<figure style="margin:0;max-width:{_SIDE}px">'
        f'<img alt="cutout, {width} x {height} pixels" width="{preview.width}" '
        f'height="{preview.height}" style="{_CHECKER}" src="data:image/webp;base64,{data}">'
        f'<figcaption style="font:12px/1.5 system-ui,sans-serif">{lines}</figcaption></figure>'
    )


def _webp(preview: Image.Image, icc_profile: bytes | None) -> bytes:
    """As good as fits; noise takes a lot."""
    for quality in _QUALITIES:
        file = io.BytesIO()
        preview.save(file, "webp", quality=quality, icc_profile=icc_profile or b"")
        if file.tell() <= _MOST_BYTES:
            break
    return file.getvalue()
