"""The command line's ``trimatte demo``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from trimatte.cli.options import UsageError
from trimatte.cli.parsing import reader
from trimatte.demo import scene
from trimatte.errors import ArgumentError
from trimatte.io.writing import to_pillow, write_image
from trimatte.ops.keying import chroma_key
from trimatte.pipeline.remover import Remover

__all__ = ["add_demo"]

Array = NDArray[Any]


def add_demo(commands: Any) -> None:
    """Adds the command to the command line's."""
    demo = commands.add_parser(
        "demo",
        help="make up a green-screen photograph with hair and cut it out",
        description="Draws a green-screen photograph with hair, cuts it out, and writes scene.png, "
        "trimap.png, alpha.png, cutout.png, composite.png and demo.png, which shows them all.",
    )
    demo.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("trimatte-demo"),
        metavar="DIR",
        help="folder (default: %(default)s)",
    )
    demo.add_argument(
        "--height", type=_SIZE, default=540, metavar="N", help="lines (default: %(default)s)"
    )
    demo.add_argument(
        "--width", type=_SIZE, default=960, metavar="N", help="columns (default: %(default)s)"
    )
    demo.add_argument(
        "--seed", type=int, default=0, metavar="N", help="other hair (default: %(default)s)"
    )
    demo.set_defaults(run=_demo)


def _size(text: str) -> int:
    value = int(text)
    if not 32 <= value <= 8192:
        raise ValueError(text)
    return value


_SIZE = reader(_size, "a whole number in 32..8192")


def _demo(arguments: argparse.Namespace) -> int:
    folder: Path = arguments.output
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--output: {str(folder)!r} is not a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"--output: cannot make {str(folder)!r}: {error.strerror}") from error

    drawn = scene(arguments.height, arguments.width, arguments.seed)
    result = Remover(model=None)(drawn.image)
    composite = result.composite(_dusk(*drawn.alpha.shape))
    pictures = {
        "scene": drawn.image,
        "trimap": result.trimap,
        "alpha": result.rgba[:, :, 3],
        "cutout": result.rgba,
        "composite": composite,
    }
    for name, pixels in pictures.items():
        write_image(folder / f"{name}.png", pixels)
    write_image(folder / "demo.png", _contact_sheet(pictures))

    hard = chroma_key(drawn.image, dtype=np.float32)
    lines, columns = drawn.alpha.shape
    print(f"{folder.resolve()}: {', '.join(f'{name}.png' for name in pictures)}, demo.png")
    print(f"{columns} x {lines} pixels, {float((result.trimap == 128).mean()):.1%} of them unknown")
    for stage, seconds in result.timings.items():
        print(f"  {stage:<10} {1000 * seconds:8.1f} ms")
    print(f"  {'total':<10} {1000 * sum(result.timings.values()):8.1f} ms")
    print("sum of absolute differences (SAD) from the true alpha, in thousands:")
    print(f"  hard key   {_sad(hard, drawn.alpha):8.2f}")
    print(f"  result     {_sad(result.alpha, drawn.alpha):8.2f}")
    return 0


def _sad(alpha: Array, truth: Array) -> float:
    return float(np.abs(alpha - truth).sum(dtype=np.float64)) / 1000


def _dusk(height: int, width: int) -> NDArray[np.uint8]:
    """A background without any green to hide behind: violet above, warm below."""
    above, below = np.array([58.0, 44.0, 92.0]), np.array([244.0, 172.0, 128.0])
    ramp = np.linspace(0, 1, height)[:, None, None] ** 1.5
    rows = (above + (below - above) * ramp + 0.5).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(rows, (height, width, 3)))


def _contact_sheet(pictures: dict[str, Array]) -> NDArray[np.uint8]:
    """The pictures side by side in two rows, with their names; transparency over a chequer."""
    height, width = pictures["scene"].shape[:2]
    columns = 640
    lines = round(columns * height / width)
    margin, caption = 12, 28
    step = (columns + margin, lines + caption + margin)
    sheet = Image.new("RGB", (3 * step[0] + margin, 2 * step[1] + margin), (30, 30, 32))
    draw = ImageDraw.Draw(sheet)
    hair = np.s_[height * 5 // 16 : height * 9 // 16, width // 2 : width * 3 // 4]
    cells = {**pictures, "detail of the composite": pictures["composite"][hair]}
    for i, (name, pixels) in enumerate(cells.items()):
        corner = margin + i % 3 * step[0], margin + i // 3 * step[1]
        draw.text((corner[0], corner[1] + 6), name, fill=(225, 225, 225))
        picture = to_pillow(pixels).resize((columns, lines), Image.Resampling.BICUBIC)
        place = (corner[0], corner[1] + caption)
        if picture.mode == "RGBA":
            sheet.paste(_chequer(lines, columns), place)
            sheet.paste(picture, place, picture)
        else:
            sheet.paste(picture, place)
    return np.array(sheet)


def _chequer(height: int, width: int) -> Image.Image:
    y, x = np.indices((height, width)) // 12
    return Image.fromarray(np.where((x + y) % 2 == 0, 205, 160).astype(np.uint8)).convert("RGB")
