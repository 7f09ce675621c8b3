"""The code in README.md and docs/ runs as it stands there; what cannot run here says why, and is
checked as far as it can be; pictures and generated pages are there and current."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import trimatte
from tests.helpers.documents import (
    LANGUAGES,
    PAGES,
    ROOT,
    Block,
    Names,
    blocks,
    check_command,
    commands,
    links,
)
from trimatte import make_trimap, set_num_threads
from trimatte.cli.main import main
from trimatte.demo import scene

RUN = [page for page in PAGES if any(block.is_run for block in blocks(page))]


def named(page: Path) -> str:
    return page.as_posix()


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that examples name: a photograph, a green screen, what belongs to it, a clip."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "photos").mkdir()
    (folder / "docs" / "images").mkdir(parents=True)
    with Image.open(ROOT / "docs" / "images" / "astronaut.jpg") as photo:
        small = photo.resize((128, 128))
    for name in ("photo.jpg", "photos/one.jpg", "photos/two.jpg", "docs/images/astronaut.jpg"):
        small.save(folder / name)
    green = scene(60, 96).image
    y, x = np.indices((128, 128))
    mask = np.uint8(255 * ((x - 64) ** 2 + (y - 64) ** 2 < 48**2))
    for name, image in (
        ("greenscreen.jpg", green),
        ("beach.jpg", green[::-1]),
        ("mask.png", mask),
        ("trimap.png", make_trimap(mask, 4)),
    ):
        Image.fromarray(image).save(folder / name)
    film(folder / "clip.mp4", green)
    frames = [Image.fromarray(np.roll(green, shift, axis=1)) for shift in (0, 8)]
    frames[0].save(folder / "dance.gif", save_all=True, append_images=frames[1:], duration=100)
    return folder


def film(path: Path, image: np.ndarray) -> None:
    """Ten frames of an image that moves, 25 a second."""
    av = pytest.importorskip("av", reason="documents: pip install 'trimatte[video]'")
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = "yuv420p"
        for number in range(10):
            moved = np.roll(image, number, axis=1)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        output.mux(stream.encode())


# --- what runs ---


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """An example may set how many threads there are."""
    yield
    set_num_threads(None)


@pytest.mark.parametrize("page", RUN, ids=named)
def test_examples_run(
    page: Path, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the page, in one folder; its Python in one namespace."""
    folder = tmp_path / "here"
    shutil.copytree(examples, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(webbrowser, "open", lambda address: True)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.is_run and block.language == "python":
            text = "\n" * block.line + block.text  # so that a traceback has the page's lines
            exec(compile(text, str(ROOT / page), "exec"), names)
        elif block.is_run:
            run_commands(block)


def run_commands(block: Block) -> None:
    for words in commands(block):
        assert words[0] == "trimatte", f"{block.place}: {words[0]} is not run here: say why"
        assert main(words[1:]) == 0, f"{block.place}: {' '.join(words)}"


# --- what does not ---


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_examples_are_right_as_far_as_can_be_told(
    page: Path, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(examples)
    names = Names()
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{block.place}: what is {block.language!r}?"
        if block.origin is not None:
            quoted = (ROOT / block.origin).read_text(encoding="utf-8")
            assert block.text in quoted, f"{block.place}: {block.origin} has changed"
        elif block.language == "python":
            names.read(block)
        elif block.language == "sh" and not block.is_run:
            for words in commands(block):
                check_command(words, monkeypatch)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import trimatte\ntrimatte.chroma(1)", "trimatte has no chroma"),
        ("import trimatte\ntrimatte.chroma_key(1, tolerence=3)", "unexpected keyword"),
        ("import trimatte as t\nt.remove(1, radios=3)", "unexpected keyword argument 'radios'"),
        ("from trimatte import Remover\nRemover().streem([])", "Remover has no streem"),
        ("from trimatte import Remover\nr = Remover()\nr(1).alfa", "Result has no alfa"),
        ("from trimatte import Remover\nwith Remover() as r:\n r(1, nask=2)", "unexpected keyword"),
        ("from trimatte.video import remove_clip", "trimatte.video has no remove_clip"),
    ],
)
def test_wrong_python_is_found(text: str, problem: str) -> None:
    with pytest.raises(AssertionError, match=problem):
        Names().read(Block(Path("page.md"), 1, "python", text, None, None))


@pytest.mark.parametrize(
    "command",
    [
        "trimatte keys a.jpg",
        "pip install '.[cup]'",
        "python tools/none.py",
        "python -m benchmarks.none",
    ],
)
def test_wrong_commands_are_found(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (words,) = commands(Block(Path("page.md"), 1, "sh", command, "no reason", None))
    with pytest.raises(AssertionError):
        check_command(words, monkeypatch)


def test_a_block_that_is_not_run_says_why() -> None:
    reasons = [block.why for page in PAGES for block in blocks(page) if block.why is not None]
    assert reasons
    assert all(len(reason.split()) > 1 for reason in reasons)


# --- pictures and pages that are written ---


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    lost = [target for target in links(page) if not (ROOT / page.parent / target).exists()]
    assert not lost


def test_the_reference_has_every_public_name() -> None:
    pages = [page for page in PAGES if page.parent.name == "reference"]
    text = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in pages)
    described = set(re.findall(r"^::: trimatte\.(\w+)$", text, re.M))
    assert set(trimatte.__all__) - {"__version__"} <= described


def test_the_page_of_benchmarks_is_current() -> None:
    check = [sys.executable, ROOT / "tools" / "benchmark_page.py", "--check"]
    assert subprocess.run(check, check=False).returncode == 0


def test_a_picture_is_what_the_library_draws() -> None:
    """One of them, for its time; all: python tools/make_pictures.py --check."""
    check = [sys.executable, ROOT / "tools" / "make_pictures.py", "--check", "unknown-only"]
    assert subprocess.run(check, check=False).returncode == 0
