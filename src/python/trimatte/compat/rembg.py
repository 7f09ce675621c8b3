"""rembg's `remove` and `new_session`, done by trimatte: change the import and keep the program.

    from trimatte.compat.rembg import new_session, remove  # was: from rembg import ...

Arguments, their defaults and the kinds of results are those of rembg 2.0.86; the page "From rembg"
of the documentation has what is the same to the bit, what differs, and why. The main differences:
colours are straight (rembg darkens soft edges, its issue 474), depth and colour profile are kept,
what a call without a session loads stays loaded, and without a name the model is ``"u2net"``, as it
long was (the weights that rembg takes now are not free for commercial use).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trimatte.arrays import Array, choice, is_number
from trimatte.errors import ArgumentError, TrimapWarning, warn
from trimatte.io.metadata import Metadata
from trimatte.io.reading import load_picture
from trimatte.io.writing import encode_png, to_pillow
from trimatte.ops.compositing import cutout, limit_alpha
from trimatte.ops.matting import estimate_alpha, estimate_foreground
from trimatte.ops.trimap import make_trimap
from trimatte.pipeline.models import as_segmenter
from trimatte.pipeline.segmenter import Segmenter

__all__ = ["Session", "new_session", "remove", "sessions_names"]

Mask = NDArray[np.uint8]

_DEFAULT_MODEL = "u2net"

# rembg's names for what has another here; and those of an ONNX file of the caller's own, with the
# card of the model that is run alike.
_NAMES = {"bria-rmbg": "bria-rmbg-2.0"}
_CUSTOM = {
    "u2net_custom": "u2net",
    "dis_custom": "isnet-general-use",
    "ben_custom": "isnet-general-use",
}
_ABSENT = {
    "sam": "trimatte has no network that is told points or boxes",
    "birefnet-general-fp16": "take 'birefnet-general', or a file of your own as 'dis_custom'",
    "withoutbg": "trimatte does not run it",
    "atlascloud": "trimatte sends no image anywhere",
}

sessions_names: list[str] = [
    *("u2net", "u2netp", "u2net_human_seg", "u2net_cloth_seg", "silueta"),
    *("isnet-general-use", "isnet-anime", "bria-rmbg"),
    *("birefnet-general", "birefnet-general-lite", "birefnet-portrait", "birefnet-dis"),
    *("birefnet-hrsod", "birefnet-cod", "birefnet-massive"),
    *_CUSTOM,
]
"""rembg's names that `new_session` takes; it takes those of `trimatte engines list`, too."""

_CLOTHES = {
    "upper": ["upper body"],
    "lower": ["lower body"],
    "full": ["full body"],
    "attire": ["upper body", "lower body", "full body"],
}

# Of `post_process`, skimage's and SciPy's: a Gaussian of 2 pixels, cut off at four times that.
_SIGMA = 2.0
_REACH = 8
_ROWS = 64  # that are smoothed at once, within the processor's cache


class _Predicts(Protocol):
    """What `remove` takes as a session: this module's, or one of the caller's own."""

    def predict(self, img: Image.Image, *args: Any, **kwargs: Any) -> list[Image.Image]: ...


class Session:
    """A loaded network, as `new_session` makes it. model_name: what it was asked for by. segmenter:
    trimatte's own, which says what runs it, where, and why (``session.segmenter.engine``)."""

    def __init__(self, model_name: str, segmenter: Segmenter) -> None:
        self.model_name = model_name
        self.segmenter = segmenter

    def predict(self, img: Image.Image, *args: Any, **kwargs: Any) -> list[Image.Image]:
        """The masks of an image, of mode L and its size: one, but of ``u2net_cloth_seg`` three, or
        the one of ``cc`` (``cloth_category``): upper, lower, full or attire."""
        return [Image.fromarray(mask) for mask in self.masks(load_picture(img).pixels, **kwargs)]

    def masks(self, pixels: Array, **kwargs: Any) -> list[Mask]:
        """The masks of an array, (H, W) uint8 each."""
        category = kwargs.get("cc") or kwargs.get("cloth_category")
        if self.model_name != "u2net_cloth_seg":
            return [self.segmenter(pixels)]
        if category is not None:
            chosen = choice(_CLOTHES, category, "remove", "cloth_category")
            return [self.segmenter(pixels, classes=chosen)]
        return [
            self.segmenter(pixels, classes=_CLOTHES[name]) for name in ("upper", "lower", "full")
        ]

    def __repr__(self) -> str:
        return f"<trimatte.compat.rembg.Session {self.model_name}: {self.segmenter.engine}>"


def new_session(
    model_name: str = _DEFAULT_MODEL,
    *,
    sess_opts: None = None,
    providers: Sequence[Any] | None = None,
    model_path: str | os.PathLike[str] | None = None,
    device: str | None = None,
    runtime: str = "auto",
    precision: str | None = None,
    accept_license: bool | str = False,
) -> Session:
    """Loads a network, for `remove`.

    Args:
        model_name: one of `sessions_names`, or of ``trimatte engines list``, such as the
            ``"u2net-lite"`` that comes with trimatte. Weights are fetched once, and hashed; those
            that rembg has fetched are found.
        sess_opts: must be None: `trimatte.set_num_threads` says how many threads are used.
        providers: ONNX Runtime's names, the best first. With one for CUDA or TensorRT the GPU is
            used: it must be, where there is none for the CPU beside it. None: a GPU where there is
            one.
        model_path: the ONNX file of ``"u2net_custom"``, ``"dis_custom"`` or ``"ben_custom"``,
            wherever it lies.
        device, runtime, precision, accept_license: of a `trimatte.Segmenter`. device goes before
            providers.

    Returns:
        A `Session`; it can be shared between threads.

    Raises:
        ArgumentError: an argument is not what is listed above.
        EngineError: the weights cannot be had, their licence is not accepted, or no runtime can run
            the network.
    """
    name, card = _model(model_name, model_path)
    if sess_opts is not None:
        raise ArgumentError(
            "new_session: sess_opts must be None: the threads are those of "
            f"trimatte.set_num_threads, got {sess_opts!r:.80}"
        )
    segmenter = Segmenter(
        name,
        card=card,
        device=_device(providers) if device is None else device,
        runtime=runtime,
        precision=precision,
        accept_license=accept_license,
    )
    return Session(model_name, segmenter)


def remove(
    data: Any,
    alpha_matting: bool = False,
    alpha_matting_foreground_threshold: int = 240,
    alpha_matting_background_threshold: int = 10,
    alpha_matting_erode_size: int = 10,
    session: Session | Segmenter | _Predicts | None = None,
    only_mask: bool = False,
    post_process_mask: bool = False,
    decontaminate: bool = False,
    vitmatte: bool = False,
    vitmatte_model: str | None = None,
    bgcolor: Sequence[int] | None = None,
    force_return_bytes: bool = False,
    *,
    putalpha: bool = False,
    quality: str = "balanced",
    **kwargs: Any,
) -> Any:
    """Removes the background of an image.

    Args:
        data: the bytes of a file give those of a PNG file, a Pillow image gives one, an array an
            array: (H, W), (H, W, 3) or (H, W, 4), uint8, or else of any depth that trimatte takes.
        alpha_matting: solve for the opacity around the mask, and for the colours of the foreground
            (`estimate_alpha`, `estimate_foreground`), not only to put the mask into the alpha
            channel.
        alpha_matting_foreground_threshold, alpha_matting_background_threshold: the mask is sure
            above and below these, in 0..255.
        alpha_matting_erode_size: side of the square that both sure sides are eroded by; 0: a cross
            of 3 x 3.
        session: of `new_session`, a `trimatte.Segmenter`, or whatever has a ``predict`` that gives
            the masks of a Pillow image. None: a shared one.
        only_mask: the mask, in grey, is the result; nothing is made of it but by
            post_process_mask.
        post_process_mask: smooth the mask and make it black and white.
        decontaminate: estimate the colours of the foreground with the mask for opacity, instead of
            leaving those of the photo. Without meaning to alpha_matting, which does so anyway.
        vitmatte: must be False.
        vitmatte_model: without meaning.
        bgcolor: (R, G, B, A) in 0..255, put behind the cutout, with 8 bits.
        force_return_bytes: the result is the bytes of a PNG file, whatever data is.
        putalpha: keep the photo's colours as they are, also where nothing shows of them.
        quality: of `estimate_alpha`. ``"balanced"`` comes nearer to true opacity than PyMatting's
            solve, which rembg takes, ``"exact"`` nearer to that solve.
        kwargs: ``cc`` or ``cloth_category`` of ``u2net_cloth_seg``; without a session, those of
            `new_session`.

    Returns:
        RGBA in the kind and depth of data, straight colours; of only_mask grey of 8 bits. Several
        masks give several cutouts, one below the other.

    Raises:
        ArgumentError: an argument is not what is listed above; it is a ValueError, as rembg's is.
        EngineError: as of `new_session`.

    Warns:
        TrimapWarning: nothing is sure foreground, or background: then no opacity can be solved for,
            and the mask is taken for it, with decontaminate.
    """
    if vitmatte:
        raise ArgumentError(
            "remove: vitmatte must be False: take alpha_matting=True, or a network of your own by "
            "trimatte.engines.TrimapNetwork"
        )
    names = ("cc", "cloth_category")
    clothes: dict[str, Any] = {name: kwargs.pop(name) for name in names if name in kwargs}
    predicts = _session(session, kwargs)
    pixels, metadata = _read(data)
    beside = None if only_mask else metadata
    masks = _masks(predicts, pixels, clothes)
    if post_process_mask:
        masks = [post_process(mask) for mask in masks]
    results: list[Array] = []
    for mask in masks:
        trimap = None
        if alpha_matting and not only_mask:
            thresholds = alpha_matting_background_threshold, alpha_matting_foreground_threshold
            trimap = _trimap(mask, *thresholds, alpha_matting_erode_size)
        if only_mask:
            results.append(mask)
        elif putalpha and trimap is None:
            results.append(_put(pixels, mask))
        else:
            unmixes = decontaminate or alpha_matting
            results.append(_cutout(pixels, mask, trimap, unmixes, quality))
    result = np.concatenate(results)
    if bgcolor is not None and not only_mask:
        result = _over(result, bgcolor)
    if force_return_bytes or isinstance(data, (bytes, bytearray, memoryview)):
        return encode_png(result, metadata=beside)
    if isinstance(data, Image.Image):
        return to_pillow(result, beside)
    return result


def post_process(mask: Mask) -> Mask:
    """A mask smoothed and made black and white, as rembg does it: opened by a cross of 3 x 3,
    blurred by a Gaussian of 2 pixels, and white where that is 127 or more.

    mask: (H, W) uint8. Returns one like it, to the bit what skimage's `opening` and SciPy's
    `gaussian_filter` make of it.
    """
    opened = _cross(_cross(mask, np.minimum), np.maximum)
    offsets = np.arange(-_REACH, _REACH + 1)
    weights = np.exp(-0.5 / _SIGMA**2 * offsets**2)
    weights /= weights.sum()
    framed = np.pad(opened, _REACH, mode="symmetric")  # SciPy's "reflect"
    result = np.empty_like(mask)
    for first in range(0, len(mask), _ROWS):
        rows = framed[first : first + _ROWS + 2 * _REACH].astype(np.float64)
        smooth = _correlated(_correlated(rows, weights).T, weights).T
        result[first : first + _ROWS] = np.where(smooth < 127, 0, 255)
    return result


# --- sessions ---


def _model(
    model_name: str, model_path: str | os.PathLike[str] | None
) -> tuple[str | os.PathLike[str], str | None]:
    """The model of a Segmenter, and the card that it is run by if it is a file."""
    if not isinstance(model_name, str):
        raise ArgumentError(f"new_session: model_name must be a name, got {model_name!r:.80}")
    if model_name in _ABSENT:
        raise ArgumentError(
            f"new_session: model_name must not be {model_name!r}: {_ABSENT[model_name]}"
        )
    if model_name in _CUSTOM:
        if model_path is None:
            raise ArgumentError(f"new_session: model_path must be given with {model_name!r}")
        return Path(model_path).expanduser(), _CUSTOM[model_name]
    if model_path is not None:
        raise ArgumentError(
            f"new_session: model_path must be left out but with {', '.join(_CUSTOM)}, got "
            f"{model_path!r:.80}"
        )
    return _NAMES.get(model_name, model_name), None


def _device(providers: Sequence[Any] | None) -> str:
    """The device that ONNX Runtime's providers ask for; each is a name, or that and its options."""
    if providers is None:
        return "auto"
    listed = not isinstance(providers, str) and np.iterable(providers)
    names = [each[0] if isinstance(each, tuple) else each for each in providers] if listed else []
    if not names or not all(isinstance(name, str) for name in names):
        raise ArgumentError(
            f"new_session: providers must be a list of names, got {providers!r:.80}"
        )
    on_gpu = any(name.startswith(("CUDA", "Tensorrt", "NvTensorRTRTX")) for name in names)
    if not on_gpu:
        return "cpu"
    return "auto" if "CPUExecutionProvider" in names else "cuda"


def _session(session: Any, options: dict[str, Any]) -> Any:
    """What makes the masks; options: what else `remove` was given."""
    if session is None and set(options) <= {"providers", "device", "runtime"}:
        options = dict(options)
        providers = options.pop("providers", None)
        options.setdefault("device", _device(providers))
        options = {"runtime": "auto", "precision": None, "accept_license": False} | options
        return Session(_DEFAULT_MODEL, as_segmenter(_DEFAULT_MODEL, card=None, **options))
    if options:
        raise ArgumentError(f"remove: these arguments are not known: {', '.join(sorted(options))}")
    if isinstance(session, Segmenter):
        return Session(session.card.name, session)
    if not hasattr(session, "predict"):
        raise ArgumentError(
            f"remove: session must be one of new_session, or a Segmenter, got {session!r:.80}"
        )
    return session


def _masks(session: Any, pixels: Array, clothes: dict[str, Any]) -> list[Mask]:
    if isinstance(session, Session):
        return session.masks(pixels, **clothes)
    masks = [np.asarray(mask) for mask in session.predict(to_pillow(pixels), **clothes)]
    if not masks or any(m.shape != pixels.shape[:2] or m.dtype != np.uint8 for m in masks):
        raise ArgumentError(
            f"remove: session must give masks of {pixels.shape[:2]} and mode L, got "
            f"{[(m.shape, m.dtype.name) for m in masks]}"
        )
    return masks


# --- images ---


def _read(data: Any) -> tuple[Array, Metadata]:
    """The pixels, (H, W, 3) or (H, W, 4), and the colour profile; rembg keeps no EXIF, and nobody
    who comes from there expects a GPS position in what is passed on."""
    if isinstance(data, (bytes, bytearray, memoryview, Image.Image, np.ndarray)):
        pixels, metadata = load_picture(data)
        return pixels, metadata.under("strip", "remove")
    raise ArgumentError(
        f"remove: data must be bytes, a Pillow image or a NumPy array, got {type(data).__name__}"
    )


def _trimap(mask: Mask, background: Any, foreground: Any, erode_size: Any) -> Array | None:
    """The trimap of rembg's rule; None, with a warning, where one side has nothing sure."""
    for name, value in (("background", background), ("foreground", foreground)):
        if not is_number(value):
            raise ArgumentError(
                f"remove: alpha_matting_{name}_threshold must be a number, got {value!r:.80}"
            )
    # Beyond 255 they mean what 255, above which nothing is, does: rembg's manual says 270.
    low, high = (min(max(float(value), 0.0), 255.0) for value in (background, foreground))
    if low > high:
        raise ArgumentError(
            "remove: alpha_matting_background_threshold must not be above "
            f"alpha_matting_foreground_threshold, got {background!r:.80} and {foreground!r}"
        )
    limits = low / 255, high / 255
    if erode_size == 0:
        # A disk of radius 1 is that cross; beyond the image is background.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrimapWarning)
            trimap = make_trimap(np.pad(mask, 1), 1, thresholds=limits)[1:-1, 1:-1]
    else:
        trimap = make_trimap(mask, erode_size, shape="rembg", thresholds=limits)
    for side, value in (("foreground", 255), ("background", 0)):
        if not np.any(trimap == value):
            warn(
                f"remove: no sure {side} is left by the thresholds and the erosion: the mask is "
                "taken for the opacity",
                TrimapWarning,
            )
            return None
    return trimap


def _cutout(pixels: Array, mask: Mask, trimap: Array | None, unmixes: bool, quality: str) -> Array:
    """Straight RGBA. trimap: what opacity is solved by; None: the mask is it. unmixes: whether the
    background is taken out of the colours."""
    rgb = pixels[:, :, :3]
    alpha = mask if trimap is None else estimate_alpha(rgb, trimap, quality=quality)
    foreground = estimate_foreground(rgb, alpha) if unmixes else rgb
    if pixels.shape[2] == 4:
        opacity = alpha if alpha.dtype == np.float32 else np.divide(alpha, 255, dtype=np.float32)
        alpha = limit_alpha(opacity, pixels)
    return cutout(foreground, alpha)


def _put(pixels: Array, mask: Mask) -> Array:
    """The pixels with the mask for their alpha, instead of their own."""
    alpha = cutout(pixels, mask)[:, :, 3]  # in the pixels' depth
    return np.dstack([pixels[:, :, :3], alpha])


def _over(rgba: Array, bgcolor: Any) -> Array:
    """The cutout over a colour, RGBA."""
    picture = to_pillow(rgba)
    try:
        behind = Image.new("RGBA", picture.size, tuple(bgcolor))
    except (TypeError, ValueError):
        raise ArgumentError(
            f"remove: bgcolor must be (R, G, B, A) in 0..255, got {bgcolor!r:.80}"
        ) from None
    return np.asarray(Image.alpha_composite(behind, picture))


# --- the smoothing of masks ---


def _cross(mask: Mask, extreme: np.ufunc) -> Mask:
    """The least or greatest of each pixel and its four neighbours."""
    framed = np.pad(mask, 1, mode="edge")
    result = extreme(framed[:-2, 1:-1], framed[2:, 1:-1])
    for part in (framed[1:-1, :-2], framed[1:-1, 2:], framed[1:-1, 1:-1]):
        extreme(result, part, out=result)
    return np.asarray(result)


def _correlated(framed: Array, weights: Array) -> Array:
    """SciPy's correlate1d along columns that are framed, with symmetric weights, in its order of
    additions: on that the last bit depends."""
    length = len(framed) - 2 * _REACH
    result = framed[_REACH:-_REACH] * weights[_REACH]
    pair = np.empty_like(result)
    for before in range(_REACH):
        after = 2 * _REACH - before
        np.add(framed[before : before + length], framed[after : after + length], out=pair)
        pair *= weights[before]
        result += pair
    return result
