"""The defaults that the command line's help states are those that apply."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import pytest

from trimatte import Remover
from trimatte.cli import options
from trimatte.cli.main import _parser
from trimatte.cli.options import (
    KEY_BAND,
    KEYED_ONLY_WITH,
    LOOKS_FOR_SCREEN,
    MASK_BAND,
    key_remover,
    network_remover,
    remover_options,
)
from trimatte.inspector.view import MAX_PIXELS
from trimatte.ops.key_rules import KEY_DEFAULTS
from trimatte.pipeline.options import RemoverOptions
from trimatte.pipeline.segmenter import BUILT_IN_MODEL


def parsers(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, Any]]:
    """A parser and those of its commands, by name."""
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command, below in action.choices.items():
                yield from parsers(below, f"{name} {command}")


PARSERS = dict(parsers(_parser()[0], "trimatte"))
OPTIONS = {
    f"{name} {action.option_strings[-1]}": (parser, action)
    for name, parser in PARSERS.items()
    for action in parser._actions
    if action.option_strings and action.nargs != 0
}


def help_of(option: str) -> str:
    parser, action = OPTIONS[option]
    return str(parser._get_formatter()._expand_help(action))


def parsed(*words: str) -> argparse.Namespace:
    return _parser()[0].parse_args(words)


def options_of(*words: str) -> dict[str, Any]:
    return {"model": "auto"} | remover_options(parsed(*words))


@pytest.mark.parametrize("option", OPTIONS)
def test_a_default_that_the_parser_has_is_the_one_in_the_help(option: str) -> None:
    default = OPTIONS[option][1].default
    if default in (None, [], argparse.SUPPRESS):
        return
    words = " ".join(default) if isinstance(default, list) else f"{default}"
    words = f"{default:g}" if isinstance(default, float) else words
    assert f"(default: {words})" in help_of(option)


def test_matte_and_only_mask_state_no_default_for_a_required_output() -> None:
    assert OPTIONS["trimatte matte --output"][1].required
    for option in ("--output", "--only-mask"):
        flag = next(a for a in PARSERS["trimatte matte"]._actions if option in a.option_strings)
        assert "default" not in flag.help


def test_the_help_says_of_what_the_defaults_are() -> None:
    bands = {
        "key": KEY_BAND,
        "remove": f"{MASK_BAND}; before a screen, {KEY_BAND}",
        "serve": f"{MASK_BAND}; before a screen, {KEY_BAND}",
        "matte": f"{MASK_BAND}; a trimap has none",
        "inspect": f"{MASK_BAND}; of a key, {KEY_BAND}",
        "video": f"{KEY_BAND}; of a network's mask, {MASK_BAND}",
    }
    for command, band in bands.items():
        assert f"(default: {band})" in help_of(f"trimatte {command} --radius")
    for option in ("--alpha", "--trimap-out", "--format"):
        assert "folder" in help_of(f"trimatte remove {option}")
        assert "folder" not in help_of(f"trimatte matte {option}")
    described = [group.description for group in PARSERS["trimatte inspect"]._action_groups]
    assert f"Nothing is keyed without {KEYED_ONLY_WITH}." in described


def test_inspect_runs_the_network_that_its_help_names_unless_it_keys() -> None:
    words = help_of("trimatte inspect --model")
    assert f"(default: {LOOKS_FOR_SCREEN}; none, but a key, where " in words
    assert Remover(**options_of("inspect", "photo.jpg")).recipe.key is None
    given = {
        "--key-color": "auto",
        "--method": "plate",
        "--tolerance": "20",
        "--softness": "5",
        "--transfer": "linear",
    }
    for option, value in given.items():
        assert option in words
        keyed = options_of("inspect", "photo.jpg", option, value)
        assert Remover(**keyed).recipe.key is not None


def test_the_other_defaults_of_inspect_and_of_keys() -> None:
    assert MAX_PIXELS == 4_000_000
    assert "(default: 4 million)" in help_of("trimatte inspect --max-pixels")
    for position, option in enumerate(("--tolerance", "--softness")):
        words = help_of(f"trimatte key {option}")
        for method in ("difference", "ffmpeg", "obs"):
            assert f"{KEY_DEFAULTS[method][position]:g}" in words.partition("(default: ")[2]
    for method in KEY_DEFAULTS:
        key = Remover(model=None, method=method).recipe.key
        assert key is not None
        assert key.color == ("auto" if method == "plate" else "green")


@pytest.mark.parametrize(("given", "despill"), [("none", None), ("max-limit", "max-limit")])
def test_a_video_with_network_and_key_is_despilled_as_asked(given: str, despill: Any) -> None:
    arguments = parsed(
        *("video", "clip.mp4", "-o", "out.mov", "--model", BUILT_IN_MODEL, "--key-color", "green"),
        *("--despill", given, "--despill-strength", "0.5"),
    )
    recipe = network_remover(arguments).recipe
    assert recipe.key is not None
    assert (recipe.matting.despill, recipe.matting.despill_strength) == (despill, 0.5)


VALUES: dict[str, tuple[str, Any]] = {
    "key_color": ("0,177,64", (0.0, 177.0, 64.0)),
    "method": ("ffmpeg", "ffmpeg"),
    "tolerance": ("7", 7.0),
    "softness": ("3", 3.0),
    "transfer": ("linear", "linear"),
    "choke": ("1.5", 1.5),
    "feather": ("2.5", 2.5),
    "despill": ("none", None),
    "despill_strength": ("0.5", 0.5),
    "model": ("modnet", "modnet"),
    "card": ("u2net", "u2net"),
    "accept_license": ("", True),
    "classes": ("cat,3", ["cat", 3]),
    "runtime": ("openvino", "openvino"),
    "precision": ("bf16", "bf16"),
    "radius": ("9,4", (9.0, 4.0)),
    "matting": ("", False),
    "quality": ("fast", "fast"),
    "device": ("auto", "auto"),
    "workers": ("3", 3),
    "max_memory": ("2GiB", "2GiB"),
    "max_pixels": ("200M", 200_000_000),
}
"""As typed, and as a Remover is given it."""
COMMANDS = {
    "key": ["in.png"],
    "remove": ["in.png"],
    "matte": ["in.png", "-o", "out.png", "--mask", "m.png"],
    "video": ["in.mp4", "-o", "out.mov"],
    "inspect": ["in.png"],
    "serve": [],
}


def all_given(command: str) -> tuple[argparse.Namespace, dict[str, Any]]:
    """A command line with every option of the Remover that the command has, and their values."""
    words, expected = [command, *COMMANDS[command]], {}
    for action in PARSERS[f"trimatte {command}"]._actions:
        if action.dest in RemoverOptions.__optional_keys__ and action.option_strings:
            typed, expected[action.dest] = VALUES[action.dest]
            words += [action.option_strings[-1], *([typed] if typed else [])]
    return parsed(*words), expected


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_that_a_command_has_is_given_to_the_remover(command: str) -> None:
    arguments, expected = all_given(command)
    assert len(expected) >= 3
    assert remover_options(arguments) == expected


@pytest.mark.parametrize("command", ["remove", "video", "serve"])
def test_every_option_reaches_the_network_and_its_remover(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, expected = all_given(command)
    monkeypatch.setattr(options, "Segmenter", lambda model, **named: {"model": model} | named)
    monkeypatch.setattr(options, "Remover", lambda **named: named)
    arguments.quiet, arguments.verbose = True, False
    given: Any = network_remover(arguments)
    assert given | given["model"] == expected | {"progress": None}


def test_options_of_a_network_without_one_are_refused() -> None:
    arguments = parsed("video", "in.mp4", "-o", "out.mov", "--classes", "cat")
    with pytest.raises(options.UsageError, match="classes"):
        key_remover(arguments)
