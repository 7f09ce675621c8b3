"""The command line's ``trimatte engines``: models and what runs them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from trimatte import engines
from trimatte.cli.parsing import UsageError, as_typed
from trimatte.cli.progress import add_terms, fetch, progress
from trimatte.engines.train import command as training
from trimatte.errors import ArgumentError
from trimatte.io.reading import read_image
from trimatte.pipeline.segmenter import network_input

__all__ = ["add_engines"]

Size = tuple[int, int]

_EXAMPLES = """\
examples:
  trimatte engines list                           the models that are known
  trimatte engines fetch u2net isnet-general-use  download weights now instead of at first use
  trimatte engines export modnet --checkpoint modnet.ckpt -o modnet.onnx
  trimatte engines export u2netp --seed 0 -o test.onnx --precision fp16
  trimatte engines quantize u2net --photos shots/*.jpg -o u2net-int8.onnx
  trimatte engines build u2net --precision fp16 --batch 1:8:32
  trimatte engines train photos/ --folder run     a network of your own, from images and masks
  trimatte engines train --recipe u2net-lite --data data/ --folder run
  trimatte engines cache --clear                  forget all engines built
"""

_EXPORT_NOTE = """\
The checkpoint is .pth, .pt, .ckpt, .safetensors or .npz; nothing in it is executed. PyTorch is not
needed. Without a checkpoint, --seed gives weights that know nothing: for tests and timing.
"""

_TRAIN_NOTE = """\
A data set is a folder with images/ and masks/ (or *-Image/ and *-Mask/, as DUTS has them), with
COCO's annotations/instances_*.json, or as ADE20K is laid out. What was trained is kept in --folder
every few minutes; the same command goes on where it stopped. Then, for `trimatte photo.jpg --model
mine.onnx --card u2net-lite`:

  trimatte engines export u2net-lite --checkpoint FOLDER/best.pt -o mine.onnx

A recipe names sets, shares and all else: --recipe u2net-lite trains that network to find anything
(the one that comes with trimatte is older), and docs/training.md says how to write one.

It needs PyTorch: pip install torch, or trimatte with its extra [train].
"""

_BUILD_NOTE = """\
A TensorRT engine is made for one kind of GPU, one version of TensorRT, one precision and one range
of batches and sizes. It is kept, and found again by every session that asks for the same; without
--batch and --size that is what `trimatte remove` asks for.
"""


def add_engines(commands: Any) -> None:
    """Adds the command and its own commands to the command line's."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(
        "engines",
        help="models and what runs them: list, fetch, export, build",
        description="Models, their weights, and the engines that run them.",
        epilog=_EXAMPLES,
        formatter_class=raw,
    )
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    listing = actions.add_parser("list", help="the models: size, licence, and where on disk")
    listing.add_argument("model", nargs="*", metavar="MODEL", help="only these, in full")
    listing.add_argument(
        "--licenses", action="store_true", help="terms of the weights and of what they learned from"
    )
    listing.set_defaults(run=_list)

    fetching = actions.add_parser("fetch", help="download weights, checked against their hash")
    fetching.add_argument(
        "model", nargs="+", metavar="MODEL", help="a name of `trimatte engines list`"
    )
    fetching.add_argument(
        "--accept-license", action="store_true", help="also those not free for every use"
    )
    fetching.set_defaults(run=_fetch)

    export = actions.add_parser(
        "export",
        help="make an ONNX file of a network and a checkpoint",
        description="Makes an ONNX file of a network and a checkpoint.",
        epilog=_EXPORT_NOTE,
        formatter_class=raw,
    )
    export.add_argument("network", metavar="NETWORK", help=", ".join(engines.NETWORKS))
    export.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help=".onnx (default, of models that are offered nowhere: where they are looked for)",
    )
    weights = export.add_mutually_exclusive_group(required=True)
    weights.add_argument("--checkpoint", type=Path, metavar="FILE", help="the weights")
    weights.add_argument("--seed", type=int, metavar="N", help="made-up weights")
    export.add_argument(
        "--precision",
        choices=["fp32", "fp16"],
        default="fp32",
        help="of its arithmetic (default: %(default)s)",
    )
    export.add_argument(
        "--storage",
        choices=["fp32", "fp16"],
        default="fp32",
        help="of the weights in the file; fp16 halves it and computes as before "
        "(default: %(default)s)",
    )
    export.add_argument(
        "--size",
        type=_size_or_any,
        metavar="HxW|any",
        default=argparse.SUPPRESS,
        help="of the input (default: the network's own)",
    )
    export.set_defaults(run=_export)

    quantize = actions.add_parser(
        "quantize",
        help="make a network of 8-bit whole numbers, several times as fast on most CPUs",
        description="Makes a network whose convolutions multiply whole numbers of 8 bits.",
    )
    _add_model(quantize)
    quantize.add_argument(
        "--photos",
        type=Path,
        nargs="+",
        required=True,
        metavar="IMAGE",
        help="of the kind that it will see; some ten, unlike each other",
    )
    quantize.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help=".onnx")
    quantize.set_defaults(run=_quantize)

    build = actions.add_parser(
        "build",
        help="build a TensorRT engine and keep it",
        description="Builds a TensorRT engine and keeps it.",
        epilog=_BUILD_NOTE,
        formatter_class=raw,
    )
    _add_model(build)
    build.add_argument(
        "--precision", choices=["fp32", "fp16"], help="of its arithmetic (default: the model's own)"
    )
    build.add_argument(
        "--batch",
        type=_batch,
        metavar="N[:N:N]",
        help="images in a batch, or the fewest, the most usual and the most (default: 1)",
    )
    build.add_argument(
        "--size",
        type=_sizes,
        metavar="HxW[:HxW:HxW]",
        help="of the images, or the least, the most usual and the most, where the model leaves it "
        "free",
    )
    build.add_argument(
        "--device", default="cuda", metavar="D", help="the GPU (default: %(default)s)"
    )
    build.add_argument(
        "--flavour",
        choices=["tensorrt", "tensorrt_rtx"],
        help="of TensorRT (default: the first that is installed)",
    )
    build.set_defaults(run=_build)

    train = actions.add_parser(
        "train",
        help="train a network on images and masks",
        description="Trains a network on images and masks.",
        epilog=_TRAIN_NOTE,
        formatter_class=raw,
    )
    training.add_arguments(train)
    train.set_defaults(run=_train)

    cache = actions.add_parser("cache", help="the engines that were built")
    cache.add_argument("--clear", action="store_true", help="delete them")
    cache.set_defaults(run=_cache)


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a name, or an .onnx file")
    add_terms(parser)


def _batch(text: str) -> tuple[int, int, int]:
    try:
        return engines.parse_batch(text)
    except ArgumentError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _size(text: str) -> Size:
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH, as 320x320")
    return int(height), int(width)


def _size_or_any(text: str) -> Size | None:
    return None if text == "any" else _size(text)


def _sizes(text: str) -> Size | tuple[Size, Size, Size]:
    sizes = [_size(part) for part in text.split(":")]
    if len(sizes) not in (1, 3):
        raise argparse.ArgumentTypeError(f"{text!r} is neither one size nor three")
    return sizes[0] if len(sizes) == 1 else (sizes[0], sizes[1], sizes[2])


def _list(arguments: argparse.Namespace) -> int:
    if arguments.model:
        try:
            cards = [*map(engines.find_card, arguments.model)]
        except ArgumentError as error:
            raise UsageError(as_typed(error, arguments)) from error
        for card in cards:
            print(f"{engines.describe(card)}\n  on disk: {engines.on_disk(card) or 'no'}")
        return 0
    for name, card in engines.cards().items():
        terms = f"{card.license}, commercial use: {_yes_no(card.commercial)}"
        learned = f"{card.training_data or 'not stated'} ({card.training_license or 'not stated'})"
        size = f"{card.size / 1e6:,.0f} MB" if card.size else "-"
        place = engines.on_disk(card) or "not on disk"
        facts = f"{card.title:24} {size:>8}  {card.license:12}  {place}"
        print(f"{name:26} {f'{terms}; trained on {learned}' if arguments.licenses else facts}")
    return 0


def _yes_no(value: bool | str) -> str:
    return value if isinstance(value, str) else "yes" if value else "no"


def _fetch(arguments: argparse.Namespace) -> int:
    for name in arguments.model:
        print(fetch(engines.find_card(name), arguments.accept_license))
    return 0


def _export(arguments: argparse.Namespace) -> int:
    options = {"size": arguments.size} if "size" in arguments else {}
    output = arguments.output
    if output is None:
        card = engines.cards().get(arguments.network)
        if arguments.seed is not None or card is None or card.urls:
            raise ArgumentError(
                "give -o FILE; only weights that are offered nowhere have a place of their own"
            )
        engines.models_folder().mkdir(parents=True, exist_ok=True)
        output = engines.models_folder() / f"{arguments.network}.onnx"
    path = engines.export(
        arguments.network,
        output,
        checkpoint=arguments.checkpoint,
        seed=arguments.seed,
        precision=arguments.precision,
        storage=arguments.storage,
        **options,
    )
    print(path)
    return 0


def _quantize(arguments: argparse.Namespace) -> int:
    card = engines.find_card(arguments.model, card=arguments.card)
    path = fetch(card, arguments.accept_license)
    if arguments.output.resolve() == path.resolve():
        raise ArgumentError("-o must be another file than the model")
    batches = (network_input(read_image(photo), card.input) for photo in arguments.photos)
    engines.write_model(engines.quantize(path, batches), arguments.output)
    print(arguments.output)
    return 0


def _build(arguments: argparse.Namespace) -> int:
    with progress() as report:
        path, sizes = _network(arguments, report)
        built = engines.build_engine(
            path,
            precision=arguments.precision,
            batch=arguments.batch,
            size=arguments.size or sizes,
            device=arguments.device,
            flavour=arguments.flavour,
            progress=report,
        )
    how = "was there" if built.from_cache else f"built in {built.seconds:.1f} s"
    where = built.path or "not kept: the cache cannot be written"
    print(f"{where}: {how}, {built.bytes / 1e6:.1f} MB")
    return 0


def _network(
    arguments: argparse.Namespace, report: engines.Progress
) -> tuple[Path, Size | tuple[Size, Size, Size] | None]:
    """The file of a network, and the sizes that its card asks for; a file need not have one."""
    path = Path(arguments.model)
    bare = path.suffix == ".onnx" and not path.with_suffix(".toml").is_file()
    if bare and arguments.card is None:
        return path, None
    card = engines.find_card(arguments.model, card=arguments.card)
    path = engines.fetch(card, accept_license=arguments.accept_license, progress=report)
    return path, card.input.sizes


def _train(arguments: argparse.Namespace) -> int:
    training.train(arguments)
    return 0


def _cache(arguments: argparse.Namespace) -> int:
    cache = engines.engine_cache()
    for engine in cache:
        print(f"{engine.path} {engine.bytes / 1e6:.1f} MB")
    if arguments.clear:
        print(f"{cache.clear() / 1e6:.1f} MB deleted in {cache.folder}")
    return 0
