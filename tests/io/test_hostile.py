"""What is meant to break it: files and names that lie, arrays that move, signals, forks."""

from __future__ import annotations

import contextlib
import io
import itertools
import multiprocessing
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import trimatte
from tests.cases import misaligned, read_only
from trimatte import ArgumentError, Remover, remove
from trimatte.io import reading
from trimatte.io.limits import unlimited_pillow
from trimatte.io.masks import read_mask
from trimatte.io.reading import read_header, read_image
from trimatte.io.writing import encode_image, encode_png, write_image

POSIX = pytest.mark.skipif(os.name != "posix", reason="POSIX only")

IMAGE = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """A hang is a failure, and no hang of the tests."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# --- names ---


@POSIX
def test_what_is_no_ordinary_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)  # the name of a socket has to be short
    with socket.socket(socket.AF_UNIX) as at:
        at.bind("socket")
    (tmp_path / "ring").symlink_to(tmp_path / "ring")
    (tmp_path / "locked").write_bytes(b"")
    sources = {
        "pipe": "not an ordinary file",
        "socket": "No such device|not an ordinary file",
        "ring": "Too many levels",
        ".": "it is a folder",
        "missing": "no such file",
        "locked": "it is empty",
    }
    for name, cause in sources.items():
        check_refused(tmp_path / name, cause)
    for device in ("/dev/zero", "/dev/urandom", "/dev/full", "/dev/null"):
        check_refused(device, "not an ordinary file")


def check_refused(path: Any, cause: str) -> None:
    with within(5):
        assert read_header(path) is None
        for read in (read_image, read_mask, remove):
            with pytest.raises(ArgumentError, match=f"cannot read .*({cause})"):
                read(path)
        with pytest.raises(ArgumentError, match=f"cannot read .*({cause})"):
            remove(IMAGE, mask=path)


NAMES = [
    "a b",
    " ",
    "a\nb",
    "é",
    "名",
    "-rf",
    "x" * 240,
    os.fsdecode(b"\xff\xfe"),
    "a.b.c",
    ".hidden",
]


@POSIX
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_will_do(tmp_path: Path, name: str) -> None:
    for path in (tmp_path / f"{name}.png", str(tmp_path / f"{name}.tif")):
        write_image(path, IMAGE)
        np.testing.assert_array_equal(read_image(path), IMAGE)
    assert len(list(tmp_path.iterdir())) == 2


class BytesPath:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> bytes:
        return os.fsencode(self.path)


@POSIX
def test_paths_of_bytes(tmp_path: Path) -> None:
    write_image(BytesPath(tmp_path / "a.png"), IMAGE)  # type: ignore[arg-type]
    np.testing.assert_array_equal(read_image(BytesPath(tmp_path / "a.png")), IMAGE)  # type: ignore[arg-type]


@POSIX
@pytest.mark.parametrize(
    ("target", "cause"),
    [
        ("a\0b.png", "null"),
        ("x" * 300 + ".png", "name too long"),
        ("/".join(["y" * 200] * 30) + "/a.png", "name too long"),
        ("nowhere/a.png", "there is no folder"),
        ("nowhere/../a.png/b.png", "there is no folder"),
        ("ring.png", "loop|Too many"),
        ("dangling.png", "there is no folder"),
        ("folder.png", "it is a folder"),
        ("pipe.png", "not an ordinary file"),
    ],
)
def test_where_nothing_can_be_written(tmp_path: Path, target: str, cause: str) -> None:
    (tmp_path / "ring.png").symlink_to(tmp_path / "ring.png")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere" / "a.png")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    before = sorted(tmp_path.iterdir())
    with (
        within(5),
        pytest.raises(ArgumentError, match=f"(?i)^write_image: cannot .*({cause})") as e,
    ):
        write_image(f"{tmp_path}/{target}", IMAGE)
    assert len(str(e.value)) < 1000
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("target", [None, 3, b"a.png", io.BytesIO()])
def test_what_is_no_path(target: Any) -> None:
    with pytest.raises(ArgumentError, match=r"path must be a str or a path, got .*encode_image"):
        write_image(target, IMAGE)


@POSIX
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ArgumentError, match="Permission denied"):
        write_image(tmp_path / "a.png", IMAGE)
    assert not list(tmp_path.iterdir())


@POSIX
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jpg"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, suffix: str) -> None:
    import resource

    noise = np.random.default_rng(0).integers(0, 256, (120, 120, 3), np.uint8)
    path = tmp_path / f"a{suffix}"
    write_image(path, IMAGE)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
    try:
        with pytest.raises(ArgumentError, match=r"cannot write .*a\.\w+': File too large"):
            write_image(path, noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# --- file objects ---


class File(io.RawIOBase):
    def __init__(self, read: Callable[[], Any]) -> None:
        self._read = read

    def read(self, size: int = -1) -> Any:
        return self._read()

    def tell(self) -> int:
        return -5

    def seek(self, *_: Any) -> int:
        raise ValueError("it cannot seek")


@pytest.mark.parametrize(
    ("read", "cause"),
    [
        (lambda: "text", "gave str, not bytes"),
        (lambda: None, "gave NoneType, not bytes"),
        (lambda: 5, "gave int, not bytes"),
        (lambda: encode_png(IMAGE)[:50], "truncated|not an image|broken"),
        (lambda: b"", "it is empty"),
    ],
)
def test_files_that_lie(read: Callable[[], Any], cause: str) -> None:
    for give in (read_image, read_mask, Remover(max_memory="1GiB")):
        with pytest.raises(ArgumentError, match=f"cannot read the file object: .*({cause})"):
            give(File(read))  # type: ignore[operator]


def test_files_that_only_read() -> None:
    for data in (encode_png(IMAGE), bytearray(encode_png(IMAGE)), memoryview(encode_png(IMAGE))):
        np.testing.assert_array_equal(read_image(File(lambda data=data: data)), IMAGE)  # type: ignore[misc]


def test_what_a_file_raises_of_its_own_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        read_image(File(lambda: 1 // 0))
    closed = io.BytesIO(encode_png(IMAGE))
    closed.close()
    with pytest.raises(ArgumentError, match="closed file"):
        read_image(closed)


# --- encoded images ---


def png_of(width: int, height: int, data: bytes = b"", depth: int = 8) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.filterwarnings("ignore")  # Pillow's, half-way to its limit
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(
    ("size", "cause"),
    [
        ((0, 0), "not an image"),
        ((0, 5), "not an image"),
        ((65_535, 65_535), "max_pixels=500000000"),
        ((2**31 - 1, 2**31 - 1), "max_pixels=500000000"),
        ((2**32 - 1, 1), "max_pixels=500000000"),
        ((13_000, 13_000), "truncated"),
    ],
)
def test_headers_that_lie(size: tuple[int, int], cause: str, depth: int) -> None:
    for read in (read_image, read_mask):
        with pytest.raises(ArgumentError, match=cause):
            read(png_of(*size, depth=depth))


def test_more_pixels_than_are_wanted() -> None:
    bomb = png_of(4000, 4000, bytes(4000 * 12_001))
    assert len(bomb) < 60_000
    for source in (bomb, Image.open(io.BytesIO(bomb)), File(lambda: bomb)):
        for read in (read_image, read_mask):
            with within(5), pytest.raises(ArgumentError, match=r"4000 x 4000.*max_pixels=1000"):
                read(source, max_pixels=1000)  # type: ignore[arg-type]
    for given in ({"image": bomb}, {"image": IMAGE, "mask": bomb}, {"image": IMAGE, "core": bomb}):
        with pytest.raises(ArgumentError, match="max_memory"):
            Remover(model=None, max_memory="50MB")(**given)
    np.testing.assert_array_equal(read_image(encode_png(IMAGE), max_pixels=20), IMAGE)
    for most in (0, -1, "9px", True, float("nan"), float("inf")):
        with pytest.raises(ArgumentError, match="max_pixels must be a number of pixels"):
            read_image(bomb, max_pixels=most)  # type: ignore[arg-type]
    for enough in (None, "16M", "0.016 g", 16e6):
        assert read_image(bomb, max_pixels=enough).shape == (4000, 4000, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(1, 1), (1, 65_535), (65_535, 1), (2, 16_000)])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "TGA"])
def test_thin_images(size: tuple[int, int], format: str) -> None:
    if format in ("JPEG", "WEBP") and max(size) > 16_383:
        pytest.skip("the format has none")
    buffer = io.BytesIO()
    Image.new("RGB", size[::-1], (9, 8, 7)).save(buffer, format)
    got = read_image(buffer.getvalue())
    assert got.shape == (*size, 3)
    assert np.abs(got.astype(int) - (9, 8, 7)).max() <= 2
    if format == "PNG":
        rgba = Remover(model=None)(got, mask=np.full(size, 255, np.uint8)).rgba
        for kind in ("png", "tiff"):
            np.testing.assert_array_equal(read_image(encode_image(rgba, kind)), rgba)


@pytest.mark.filterwarnings("ignore")  # Pillow's, about damaged files
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "TGA", "PPM"])
def test_truncated_files(format: str) -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    Image.fromarray(noise).save(buffer, format)
    whole = buffer.getvalue()
    refused = 0
    for size in {*range(0, len(whole), 1 + len(whole) // 60)}:
        try:
            assert read_image(whole[:size]).shape[:2] == (12, 16)
        except ArgumentError:
            refused += 1
    assert refused > 30


# --- arrays ---


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "misaligned": misaligned,
    "read only": read_only,
    "upside down": lambda array: array[::-1].copy()[::-1],
    "mirrored": lambda array: array[:, ::-1].copy()[:, ::-1],
    "every other row": lambda array: np.repeat(array, 2, axis=0)[::2],
    "every other column": lambda array: np.repeat(array, 2, axis=1)[:, ::2],
    "columns first": np.asfortranarray,
    "a subclass": lambda array: np.ma.masked_array(array, mask=False),
    "a memory map": lambda array: array.view(np.memmap),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_arrays_may_lie_anyhow(layout: str, dtype: Any) -> None:
    full = 1 if dtype is np.float32 else np.iinfo(dtype).max
    image = (np.random.default_rng(0).random((30, 41, 3)) * full).astype(dtype)
    mask = (np.add.outer(np.arange(30), np.arange(41)) > 30).astype(dtype) * dtype(full)
    laid = LAYOUTS[layout]
    expected = remove(image, mask=mask, model=None)
    got = remove(laid(image), mask=laid(mask), model=None)
    np.testing.assert_array_equal(got, expected)
    assert type(got) is np.ndarray
    assert encode_image(laid(image)) == encode_image(image)


def test_arrays_that_are_none() -> None:
    mask = np.ones((4, 5), np.uint8)
    masked = np.ma.masked_array(IMAGE, mask=IMAGE > 7)
    for call in (
        lambda: remove(masked, mask=mask),
        lambda: encode_png(masked),
        lambda: trimatte.despill(masked),
        lambda: read_image(masked),
        lambda: read_mask(masked[..., 0]),
    ):
        with pytest.raises(ArgumentError, match=r"no masked pixels.*filled"):
            call()
    for odd in (np.array(None), np.full((4, 5, 3), None), IMAGE.astype(">i4"), IMAGE.astype("U3")):
        with pytest.raises(ArgumentError, match="got "):
            remove(odd, mask=mask)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matrix = np.matrix(IMAGE[..., 0])
    np.testing.assert_array_equal(read_image(matrix)[..., 0], IMAGE[..., 0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none(value: float) -> None:
    image, plane = np.full((6, 7, 3), 0.5, np.float32), np.full((6, 7), 0.5, np.float32)
    bad_image, bad_plane = image.copy(), plane.copy()
    bad_image[5, 6, 2] = bad_plane[5, 6] = value
    for call in (
        lambda: remove(bad_image, mask=plane),
        lambda: remove(image, mask=bad_plane),
        lambda: remove(image, trimap=bad_plane),
        lambda: remove(image, mask=plane, key_color=(value, 0, 0)),
    ):
        with pytest.raises(ArgumentError, match=r"nan|inf"):
            call()
    if np.isnan(value):  # what is beyond [0, 1] is clipped
        with pytest.raises(ArgumentError, match=r"\[0, 1\], got nan"):
            encode_png(bad_image)


def test_arrays_that_change_meanwhile() -> None:
    """Whatever another thread writes into them, each call ends, with samples in range."""
    image = np.random.default_rng(0).random((48, 64, 3), np.float32)
    trimap = np.full((48, 64), 128, np.uint8)
    trimap[:12], trimap[-12:] = 0, 255
    over = threading.Event()

    def disturb() -> None:
        for number in itertools.count():
            if over.is_set():
                break
            image[number % 48] = (np.nan, np.inf, -1e30, 0.5)[number % 4]
            trimap[number * 7 % 48] = number % 256

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(50):
            with contextlib.suppress(ArgumentError):
                alpha = trimatte.estimate_alpha(image, trimap)
                trimatte.estimate_foreground(image, np.nan_to_num(alpha).clip(0, 1))
            with contextlib.suppress(ArgumentError), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                trimatte.make_trimap(trimap, 3)
    finally:
        over.set()
        thread.join()


# --- signals, processes, interpreters ---

INTERRUPTED = """
import os, signal, sys, threading
import numpy as np
import trimatte
from trimatte import Remover

signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup and cron start with it ignored
trimatte.set_num_threads(1)
side = 900
random = np.random.default_rng(0)
image = random.integers(0, 256, (side, side, 3), np.uint8)
trimap = np.full((side, side), 128, np.uint8)
trimap[:9], trimap[-9:] = 0, 255
image[:, : side // 2] = 20, 200, 30
wide = {"model": None, "method": "difference", "radius": side / 4, "quality": "exact"}
works = {
    "alpha": lambda: trimatte.estimate_alpha(image, trimap, quality="exact"),
    "shared": lambda: trimatte.estimate_alpha(image, trimap, method="shared"),
    "remover": lambda: Remover(model=None, quality="exact")(image, trimap=trimap),
    "stream": lambda: list(Remover(**wide).stream([image] * 9)),
}
work = works[sys.argv[1]]
twin_is_done = threading.Event()

def twin():
    work()
    twin_is_done.set()

threading.Thread(target=twin, daemon=True).start()
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    work()
except KeyboardInterrupt:
    print("after its twin" if twin_is_done.is_set() else "before its twin", flush=True)
else:
    print("not at all", flush=True)
os._exit(0)
"""


@POSIX
@pytest.mark.parametrize("work", ["alpha", "shared", "remover", "stream"])
def test_control_c_ends_what_runs(work: str) -> None:
    """The same work on another thread, which is not interrupted, takes longer."""
    code = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", INTERRUPTED, work],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (code.returncode, code.stdout) == (0, "before its twin\n"), code.stderr


def test_a_signal_handler_of_ones_own_ends_it_too() -> None:
    image = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
    trimap = np.full((900, 900), 128, np.uint8)
    trimap[:9], trimap[-9:] = 0, 255
    with pytest.raises(TimeoutError), within(0.2):
        trimatte.estimate_alpha(image, trimap, quality="exact")
    small = trimatte.estimate_alpha(image[:60, :60], trimap[:60, :60])  # and all works on
    assert small.shape == (60, 60)


def cut_out(_: int) -> Any:
    image = np.zeros((60, 80, 3), np.uint8)
    image[:] = 20, 200, 30
    image[20:40, 30:50] = 200, 40, 60
    remover = Remover(model=None)
    results = list(remover.stream([image] * 2))
    return int(remover(image).rgba.sum()), len(results), len(encode_png(np.zeros((900, 900), "u1")))


@POSIX
@pytest.mark.filterwarnings("ignore")  # Python 3.12's, about forks beside threads
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_work(method: str) -> None:
    expected = cut_out(0)  # threads of all kinds have been at work here
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply_async(cut_out, (0,)).get(60) == expected


def test_a_sub_interpreter_is_told() -> None:
    interpreters = pytest.importorskip("_xxsubinterpreters")
    del interpreters
    code = (
        "import _xxsubinterpreters as all; one = all.create()\n"
        "try: all.run_string(one, 'import trimatte')\n"
        "except all.RunFailedError as error: print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "ImportError" in told.stdout, told.stderr
    assert "works in the main interpreter only" in told.stdout


def test_pillows_limit_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    with unlimited_pillow(), unlimited_pillow():
        Image.open(io.BytesIO(encode_png(IMAGE)))
    with pytest.raises(RuntimeError), unlimited_pillow():
        raise RuntimeError
    assert Image.MAX_IMAGE_PIXELS == 5
    for source in (encode_png(IMAGE), b"nonsense"):
        with contextlib.suppress(ArgumentError):
            np.testing.assert_array_equal(read_image(source), IMAGE)
        assert Image.MAX_IMAGE_PIXELS == 5


def test_pillows_limit_of_two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    second_inside, first_out = threading.Event(), threading.Event()
    seen = []

    def second() -> None:
        with unlimited_pillow():
            second_inside.set()
            first_out.wait(60)
            seen.append(Image.MAX_IMAGE_PIXELS)

    thread = threading.Thread(target=second)
    with unlimited_pillow():
        thread.start()
        second_inside.wait(60)
    assert float("inf") == Image.MAX_IMAGE_PIXELS
    first_out.set()
    thread.join()
    assert seen == [float("inf")]
    assert Image.MAX_IMAGE_PIXELS == 5


@pytest.mark.parametrize("own", [7, None])
def test_a_limit_that_the_application_sets_stays(
    own: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    with unlimited_pillow():
        Image.MAX_IMAGE_PIXELS = own
        with unlimited_pillow():
            assert float("inf") == Image.MAX_IMAGE_PIXELS
        assert Image.MAX_IMAGE_PIXELS in (own, float("inf"))
    assert own == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_pillow_neither_refuses_nor_warns_within_our_limit(
    format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.BytesIO()
    Image.fromarray(IMAGE).convert("RGB").save(file, format)
    limits = []

    def check(file: Any, picture: Any) -> None:
        limits.append(Image.MAX_IMAGE_PIXELS)

    monkeypatch.setattr(reading, "check_no_preview", check)
    for most in (IMAGE.shape[0] * IMAGE.shape[1] - 1, 5):  # Pillow warns, then refuses
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert read_image(file.getvalue()).shape[:2] == IMAGE.shape[:2]
        assert limits[-1] == most  # no other thread is without it while a head is read
