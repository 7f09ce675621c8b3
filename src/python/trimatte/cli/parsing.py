"""What the command line says of a mistake: one line, in the words of the command line."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeVar

from trimatte import engines
from trimatte.errors import EngineError

__all__ = ["Parser", "UsageError", "as_typed", "options_as_typed", "reader"]

T = TypeVar("T")

_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""  # by repr()

_COMMANDS_OF_REMBG = {
    "i": "`trimatte IN -o OUT`",
    "p": "`trimatte FOLDER -r -o OUT`",
    "s": "`trimatte serve`",
    "b": "`trimatte video IN -o OUT`",
    "d": "`trimatte engines fetch MODEL`",
    "m": "`trimatte engines list`",
}
_BAND = "--radius is the width of the band to solve"
_OPTIONS_OF_REMBG = {
    ("-a", "--alpha-matting"): "opacity is solved unless there is --no-matting",
    ("-af", "--alpha-matting-foreground-threshold"): _BAND,
    ("-ab", "--alpha-matting-background-threshold"): _BAND,
    ("-ae", "--alpha-matting-erode-size"): _BAND,
    ("-bgc", "--bgcolor"): "it is --bg COLOR, such as --bg white or --bg 255,255,255",
    ("-dc", "--decontaminate"): "the background is always taken out of the colours",
    ("-d", "--delete_input"): "nothing is deleted",
    ("-m", "--model"): "it is --model of `trimatte remove`, `video`, `inspect` and `serve`",
    ("-ppm", "--post-process-mask"): "the edge of a mask is solved unless there is --no-matting",
    ("-vm", "--vitmatte"): "opacity is solved as --quality says",
    ("-x", "--extras"): "a model has --classes and --card",
}

# The library's names of what an option of another name gives.
_OTHER_NAMES = {
    "Limits: queued": "queue",
    "Limits: seconds": "timeout",
    "choke: radius": "choke",
    "despill: strength": "despill_strength",
    "feather: radius": "feather",
    "inspector: max_pixels": "shown_pixels",
    "service: batch_size": "batch",
}


class UsageError(Exception):
    """What was asked for makes no sense; no file has been touched."""


class Parser(argparse.ArgumentParser):
    """argparse's parser, which raises one `UsageError` with one sentence for a mistake.

    What it has parsed has an attribute ``spelling``: the options of the command by the names that
    the library has for them, which `as_typed` takes.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.register("type", int, reader(int, "a whole number"))
        self.register("type", float, reader(float, "a number"))

    def error(self, message: str) -> NoReturn:
        text = message.removeprefix("argument ")
        text = re.sub(r"^(\S+): (?:\w+ )?(?=must )", r"\1 ", text)
        raise UsageError(f"{text}; see `{self.prog} --help`")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(self._about_unknown(unknown))
        if "spelling" not in parsed:  # a command's own parser comes before that of the program
            words = sys.argv[1:] if args is None else args
            parsed.spelling = {action.dest: _spelled(action, words) for action in self._actions}
        return parsed, unknown

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        # An empty path would be the folder that the program runs in.
        if not arg_string and not isinstance(action, argparse._SubParsersAction):
            raise argparse.ArgumentError(action, "must not be empty")
        return super()._get_value(action, arg_string)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        if not isinstance(action, argparse._SubParsersAction):
            raise argparse.ArgumentError(
                action, f"must be one of {', '.join(known)}, got {value!r:.80}{_near(value, known)}"
            )
        if value in _COMMANDS_OF_REMBG:
            text = f"{value!r} is rembg's command, which is {_COMMANDS_OF_REMBG[value]} here"
        else:
            nor_file = ", and there is no such file" if "remove" in known else ""
            hint = _near(value, known) or f"; there are {', '.join(known)}"
            text = f"{value!r} is not a command{nor_file}{hint}"
        raise argparse.ArgumentError(None, text)

    def _about_unknown(self, words: list[str]) -> str:
        """What is wrong with the first word that is unknown."""
        option = next((word for word in words if word.startswith("-")), None)
        if option is None:
            return f"{words[0]!r} is one argument too many"
        option = option.partition("=")[0]
        for names, here in _OPTIONS_OF_REMBG.items():
            if option in names:
                return f"there is no option {option} here: {here}"
        known = [name for action in self._actions for name in action.option_strings]
        return f"there is no option {option}{_near(option, known)}"


def reader(read: Callable[[str], T], accepted: str) -> Callable[[str], T]:
    """A type of an option. read: raises ValueError for what is not accepted."""

    def checked(text: str) -> T:
        try:
            return read(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be {accepted}, got {text!r:.80}") from None

    return checked


def as_typed(message: BaseException | str, arguments: argparse.Namespace) -> str:
    """An error or a warning of the library as the command line says it.

    Replaces Python argument names by option names, and leaves out the function that a message
    begins with. Quoted text, such as the name of a file, stays as it is.
    """
    text = str(message)
    spelling: dict[str, str] = getattr(arguments, "spelling", {})
    caller = re.match(r"\w+(?=: )", text)
    if caller and (not isinstance(message, EngineError) or caller[0] in engines.__all__):
        for theirs, name in _OTHER_NAMES.items():
            if text.startswith(f"{theirs} ") and name in spelling:
                text = f"{name}{text.removeprefix(theirs)}"
        text = text.removeprefix(f"{caller[0]}: ")

    def keyword(match: re.Match[str]) -> str:
        option = spelling.get(match["name"])
        if option is None:
            return match[0]
        value = (match["value"] or "").strip("'\"")
        return f"{option} {value}" if value and match["name"] != "accept_license" else option

    text = _replaced(
        rf"(?<![\w'/.-])(?P<name>[a-z]\w*)=(?P<value>{_QUOTED}|[\w.]+)?", keyword, text
    )
    text = _replaced(r" \(in Python: [^)]*\)", lambda _: "", text)
    first = re.match(r"(?:the )?(\w+)(?= must | is |: )", text)
    if first and first[1] in spelling:
        text = spelling[first[1]] + text[first.end() :]
    text = _replaced(r"must be None(?:,| or) ", lambda _: "must be ", text)
    text = _replaced("must be None", lambda _: "must be left out", text)
    return options_as_typed(text, arguments)


def _replaced(pattern: str, replace: Callable[[re.Match[str]], str], text: str) -> str:
    """The text with each match outside of quotes replaced; a word's apostrophe is no quote."""
    return re.sub(
        rf"{pattern}|(?<!\w)(?P<quoted>{_QUOTED})",
        lambda match: match[0] if match["quoted"] else replace(match),
        text,
    )


def options_as_typed(text: str, arguments: argparse.Namespace) -> str:
    """A text with the options of several names by the one that was typed."""
    spelling: dict[str, str] = getattr(arguments, "spelling", {})

    def typed(match: re.Match[str]) -> str:
        return spelling.get(match[1].replace("-", "_"), match[0])

    return re.sub(r"(?<![\w'-])--([a-z][a-z-]*[a-z])", typed, text)


def _spelled(action: argparse.Action, words: Sequence[str]) -> str:
    """An option, by the name that was typed, or what stands for a positional argument in the
    help."""
    if not action.option_strings:
        return str(action.metavar or action.dest)
    given = [word.partition("=")[0] for word in words]
    typed = [name for name in action.option_strings if name in given]
    return typed[0] if typed else max(action.option_strings, key=len)


def _near(given: object, known: Iterable[str]) -> str:
    """A question about what may have been meant; empty where nothing is like it."""
    near = difflib.get_close_matches(str(given), list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
