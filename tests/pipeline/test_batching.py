"""Many images through one Remover: the results of single calls, in order, within bounds."""

from __future__ import annotations

import gc
import io
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import trimatte
from tests.pipeline.test_segmenting import Constant, a_photo
from trimatte import ArgumentError, EngineError, Remover, Segmenter, engines
from trimatte.demo import scene
from trimatte.io.reading import Header
from trimatte.io.writing import encode_png
from trimatte.pipeline.budget import Budget, memory_of, number_of_bytes
from trimatte.pipeline.scheduler import Job, Plan, Scheduler, Stages, number_at_work, unnamed

pytest.importorskip("onnxruntime")

SHAPES = ((60, 80), (90, 64), (60, 80), (33, 121), (75, 75), (60, 80))


class Moon(Constant):
    """A session that sees a disc, in little time; how large it is depends on the image."""

    def run(self, batch: Any, *, output: int = 0, stream: Any = None) -> Any:
        rows, columns = np.ogrid[:320, :320]
        distance = np.hypot(rows - 160, columns - 160)
        radii = [60 + 40 * (7 * abs(float(each.mean())) % 1) for each in batch]
        return np.stack([((r - distance) / 16).clip(0, 1)[None] for r in radii], dtype=np.float32)


@pytest.fixture
def segmenter(models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Segmenter:
    monkeypatch.setattr(engines, "open_session", lambda *_, **__: Moon(0.5))
    return Segmenter(models("u2netp"), card="u2netp", device="cpu")


@pytest.fixture(scope="module")
def network(models: Callable[[str], Path]) -> Iterator[Segmenter]:
    with Segmenter(models("u2netp"), card="u2netp", device="cpu") as opened:
        yield opened


@pytest.fixture
def runs(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of each batch that the network sees."""
    sizes: list[int] = []
    run = segmenter.session.run

    def counted(batch: Any, **options: Any) -> Any:
        sizes.append(len(batch))
        return run(batch, **options)

    monkeypatch.setattr(segmenter.session, "run", counted)
    return sizes


def of_all_kinds(folder: Path) -> list[Any]:
    """Images of several sizes: arrays of each depth, a path, bytes, a file object, Pillow's."""
    photos = [a_photo(*shape) for shape in SHAPES]
    path = folder / "photo.png"
    path.write_bytes(encode_png(photos[1]))
    return [
        photos[0],
        path,
        encode_png(photos[2]),
        Image.fromarray(photos[3]),
        str(path),
        a_photo(75, 75, "uint16"),
        a_photo(60, 80, "float32", channels=4),
        photos[5][:, ::-1],
    ]


def same(ours: Any, expected: Any) -> None:
    assert not isinstance(ours, Exception), ours
    for name in ("rgba", "alpha", "foreground", "trimap", "mask"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(expected, name))


# --- the results ---


@pytest.mark.parametrize(("workers", "batch_size"), [(1, 1), (1, 4), (3, 1), (2, 3)])
def test_a_batch_gives_what_calls_give(
    segmenter: Segmenter, tmp_path: Path, workers: int, batch_size: int
) -> None:
    remover = Remover(model=segmenter)
    images = of_all_kinds(tmp_path)
    expected = [remover(image) for image in images]
    results = remover.remove_batch(images, workers=workers, batch_size=batch_size)
    assert len(results) == len(images)
    for ours, single in zip(results, expected, strict=True):
        same(ours, single)
        assert list(ours.timings) == list(single.timings)
        assert ours.engine == single.engine
    opened = io.BytesIO(images[2])
    same(remover.remove_batch([opened], max_memory="1GiB")[0], expected[2])


def test_keyed_images_need_no_network() -> None:
    images = [scene(60, 90, seed=seed).image for seed in range(5)]
    remover = Remover(model=None, workers=2)
    for ours, image in zip(remover.stream(images), images, strict=True):
        same(ours, remover(image))
        assert "segment" not in ours.timings


def test_a_batch_of_a_network_is_what_single_runs_are(network: Segmenter) -> None:
    images = [a_photo(40 + n, 50) for n in range(3)]
    for mask, image in zip(network.batch(images), images, strict=True):
        assert mask.std() > 5
        np.testing.assert_array_equal(mask, network(image))
    remover = Remover(model=network)
    for ours, image in zip(remover.stream(images, batch_size=3), images, strict=True):
        same(ours, remover(image))


def test_the_network_sees_several_at_once(segmenter: Segmenter, runs: list[int]) -> None:
    images = [a_photo(40 + n, 50) for n in range(7)]
    masks = segmenter.batch(images)
    assert runs == [7]
    for mask, image in zip(masks, images, strict=True):
        np.testing.assert_array_equal(mask, segmenter(image))
    assert segmenter.batch([]) == []
    with pytest.raises(ArgumentError, match="image"):
        segmenter.batch([images[0], np.zeros((0, 4, 3), np.uint8)])


def test_a_network_that_takes_one_image_gets_one(
    segmenter: Segmenter, runs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segmenter.session, "largest_batch", 1)
    assert len(segmenter.batch([a_photo(40, 50)] * 3)) == 3
    assert runs == [1, 1, 1]


def test_a_network_that_drops_images_of_a_batch_is_found_out(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = segmenter.session.run
    monkeypatch.setattr(segmenter.session, "run", lambda batch, **_: run(batch)[:1])
    with pytest.raises(EngineError, match="one image at a time"):
        segmenter.batch([a_photo(40, 50)] * 3)


def test_images_that_wait_for_the_network_make_a_batch(
    segmenter: Segmenter, runs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run ends when the next four are in the queue."""
    queued = threading.Semaphore(0)
    remover = Remover(model=segmenter, batch_size=4, workers=1)
    put, segment = Scheduler._put, remover._segment

    def counted(scheduler: Scheduler, queue: Any, *items: Any) -> None:
        put(scheduler, queue, *items)
        if queue is scheduler._to_segment:
            queued.release(len(items))

    def slow(works: list[Any]) -> None:
        if not runs and len(works) < 4:
            for _ in range(len(works) + 4):
                assert queued.acquire(timeout=120)
        segment(works)

    monkeypatch.setattr(Scheduler, "_put", counted)
    monkeypatch.setattr(remover, "_segment", slow)
    images = [a_photo(40, 50 + n) for n in range(8)]
    results = remover.remove_batch(images)
    assert runs[0] <= 4
    assert 4 in runs[:2]
    assert max(runs) == 4
    assert sum(runs) == 8
    for ours, image in zip(results, images, strict=True):
        same(ours, Remover(model=segmenter)(image))


def test_networks_of_other_sizes_are_other_batches(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Segmenter(models("modnet"), card="modnet", device="cpu") as modnet:
        images = [a_photo(64, 64), a_photo(64, 150), a_photo(80, 80)]
        shapes: list[tuple[int, ...]] = []
        run = modnet.session.run

        def seen(batch: Any, **options: Any) -> Any:
            shapes.append(batch.shape)
            return run(batch, **options)

        monkeypatch.setattr(modnet.session, "run", seen)
        masks = modnet.batch(images)
        assert sorted(shapes) == [(1, 3, 512, 1184), (2, 3, 512, 512)]
        for mask, image in zip(masks, images, strict=True):
            np.testing.assert_array_equal(mask, modnet(image))


def test_a_batch_that_fails_is_tried_one_by_one(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = segmenter.session.run

    def one_at_a_time(batch: Any, **options: Any) -> Any:
        if len(batch) > 1:
            raise EngineError("no room for a batch")
        return run(batch, **options)

    monkeypatch.setattr(segmenter.session, "run", one_at_a_time)
    images = [a_photo(40, 50 + n) for n in range(12)]
    remover = Remover(model=segmenter)
    for ours, image in zip(remover.remove_batch(images, batch_size=4), images, strict=True):
        same(ours, remover(image))
    assert "one by one" in caplog.text


def test_a_share_of_the_networks_time(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal shares, whose sum lies between the time of the network alone and that of the call."""
    remover = Remover(model=segmenter)
    works = [remover._read(a_photo(40, 50)) for _ in range(3)]
    network = 0.0
    run = segmenter.session.run

    def timed(*arguments: Any, **options: Any) -> Any:
        nonlocal network
        began = time.perf_counter()
        result = run(*arguments, **options)
        network += time.perf_counter() - began
        return result

    monkeypatch.setattr(segmenter.session, "run", timed)
    began = time.perf_counter()
    remover._segment(works)
    whole = time.perf_counter() - began
    shares = [work.timings["segment"] for work in works]
    assert len(set(shares)) == 1
    rounding = 1e-9
    assert 0 < network <= sum(shares) + rounding
    assert sum(shares) <= whole + rounding


# --- what goes wrong ---


def test_a_bad_image_does_not_stop_the_rest(segmenter: Segmenter, tmp_path: Path) -> None:
    good = a_photo(40, 50)
    bad = tmp_path / "broken.png"
    bad.write_bytes(encode_png(good)[:200])
    images = [good, bad, b"no image", np.zeros((3, 3, 7), np.uint8), tmp_path / "none.png", good]
    remover = Remover(model=segmenter, batch_size=2)
    results = remover.remove_batch(images, on_error="return")
    same(results[0], remover(good))
    same(results[5], remover(good))
    for number in range(1, 5):
        assert isinstance(results[number], ArgumentError)
        assert f"image {number}" in str(results[number])
    assert "broken.png" in str(results[1])
    with pytest.raises(ArgumentError, match=r"image 1, '.*broken\.png'"):
        remover.remove_batch(images)
    assert len(list(remover.stream(images))) == 6


def test_an_error_names_the_image_and_holds_on_to_no_other(segmenter: Segmenter) -> None:
    held: list[weakref.ref[Any]] = []

    def finish(result: Any) -> Any:
        held.append(weakref.ref(result))
        raise KeyError("of the caller's")

    (error,) = Remover(model=segmenter).stream([a_photo(40, 50)], finish=finish)
    assert isinstance(error, trimatte.Error)
    assert str(error) == 'image 0: KeyError: "of the caller\'s"'
    assert isinstance(error.__cause__, KeyError)
    gc.collect()
    assert held[0]() is None


def test_an_error_has_the_number_of_its_image_and_tells_what_the_image_raised() -> None:
    images = [b"image 0: no image", scene(40, 60).image, b""]
    results = Remover(model=None).remove_batch(images, on_error="return")
    for number in (0, 2):
        error = results[number]
        assert error.image_index == number
        assert str(error).startswith(f"image {number}: ")
        bare = unnamed(error)
        assert type(bare) is type(error) is ArgumentError
        assert f"image {number}: {bare}" == str(error)
    own = ArgumentError("of somebody")
    own.__cause__ = KeyError("of somebody else")
    assert unnamed(own) is own


def test_what_the_images_raise_comes_after_the_results_before(segmenter: Segmenter) -> None:
    def images() -> Iterator[Any]:
        yield a_photo(40, 50)
        yield a_photo(40, 50)
        raise OSError("the disk is gone")

    results = Remover(model=segmenter).stream(images())
    assert not isinstance(next(results), Exception)
    assert not isinstance(next(results), Exception)
    with pytest.raises(OSError, match="the disk is gone"):
        next(results)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": 0}, "workers"),
        ({"workers": True}, "workers"),
        ({"batch_size": 1.5}, "batch_size"),
        ({"max_memory": 0}, "max_memory"),
        ({"max_memory": "much"}, "max_memory"),
        ({"on_error": "ignore"}, "on_error"),
        ({"finish": "png"}, "finish"),
    ],
)
def test_options_are_judged_before_anything_is_done(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        Remover(model=None).stream([], **options)
    if words in ("workers", "batch_size", "max_memory"):
        with pytest.raises(ArgumentError, match=words):
            Remover(model=None, **options)


@pytest.mark.parametrize("images", ["a.png", b"bytes", Path("a.png"), a_photo(4, 5), 3])
def test_one_image_is_not_several(images: Any) -> None:
    with pytest.raises(ArgumentError, match="several"):
        Remover(model=None).stream(images)


def test_none_are_no_results() -> None:
    assert Remover(model=None).remove_batch([]) == []
    assert list(Remover(model=None).stream(iter(()))) == []


# --- bounds ---


def test_few_images_are_taken_ahead() -> None:
    taken = 0

    def images() -> Iterator[Any]:
        nonlocal taken
        for seed in range(40):
            taken += 1
            yield scene(40, 60, seed=seed).image

    results = Remover(model=None, method="difference").stream(images(), workers=1)
    assert taken == 0
    next(results)
    assert taken <= 6
    for number, _ in enumerate(results, 2):
        assert taken <= number + 5
    assert taken == 40


def test_results_are_given_away() -> None:
    """The stream keeps none of them."""
    kept: list[weakref.ref[Any]] = []
    images = [scene(40, 60, seed=seed).image for seed in range(6)]
    for result in Remover(model=None).stream(images):
        kept.append(weakref.ref(result))
        del result
        gc.collect()
        assert kept[-1]() is None


def test_an_error_of_somebodys_own_kind_comes_too() -> None:
    class Peculiar(trimatte.Error):
        def __init__(self, one: int, other: int) -> None:
            super().__init__(one, other)

    def fail(result: Any) -> None:
        raise Peculiar(1, 2)

    image = scene(40, 60).image
    remover = Remover(model=None, method="difference")
    (error,) = remover.stream([image], finish=fail)
    assert type(error) is trimatte.Error
    assert str(error).startswith("image 0: ")


def test_what_is_done_when_the_remover_is_closed_is_given() -> None:
    images = [scene(40, 60, seed=seed).image for seed in range(5)]
    finished: list[int] = []
    with Remover(model=None, method="difference") as remover:
        results = remover.stream(images, finish=lambda result: finished.append(1) or b"done")
        answers = [next(results)]
    answers += results
    assert answers.count(b"done") == len(finished)
    for answer in answers:
        assert answer == b"done" or "it is closed" in str(answer)


def test_a_file_of_a_mask_is_for_every_image() -> None:
    images = [scene(40, 60, seed=seed).image for seed in range(3)]
    mask = encode_png(np.full((40, 60), 255, np.uint8))
    remover = Remover(model=None)
    for result in remover.stream(images, mask=io.BytesIO(mask)):
        assert (result.alpha == 1).all()
    with pytest.raises(ArgumentError, match="not an image"):
        remover.stream(images, mask=b"none")


def test_a_mask_is_measured_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = encode_png(np.zeros((1500, 1500), np.uint8))
    monkeypatch.setattr(
        "trimatte.pipeline.frame.read_matte", lambda *_, **__: pytest.fail("it was decoded")
    )
    for source in (mask, io.BytesIO(mask)):
        with pytest.raises(ArgumentError, match="1500 x 1500 may take"):
            Remover(model=None, max_memory="50MiB").stream([], mask=source)


def test_finish_works_on_another_thread() -> None:
    threads = set()

    def finish(result: Any) -> bytes:
        threads.add(threading.current_thread().name)
        return encode_png(result.rgba)

    image = scene(40, 60).image
    remover = Remover(model=None)
    assert remover.remove_batch([image] * 3, finish=finish) == [encode_png(remover(image).rgba)] * 3
    assert threads
    assert all(name.startswith("trimatte") for name in threads)


@pytest.mark.parametrize(
    ("words", "size"),
    [("512MiB", 2**29), ("2 GB", 2 * 10**9), ("1.5gib", 3 * 2**29), ("7", 7), (64, 64), ("9B", 9)],
)
def test_sizes_in_words(words: Any, size: int) -> None:
    assert number_of_bytes(words, "Remover", "max_memory") == size


@pytest.mark.parametrize("words", ["", "MiB", "-1", "1 PB", "0", None, True, float("inf")])
def test_what_is_no_size(words: Any) -> None:
    with pytest.raises(ArgumentError, match="max_memory must be"):
        number_of_bytes(words, "Remover", "max_memory")


def test_too_large_an_image_is_refused_with_numbers() -> None:
    small, large = scene(40, 60).image, np.zeros((4000, 3000, 3), np.uint8)
    remover = Remover(model=None, max_memory="256MiB")
    words = r"3000 x 4000 may take 9\d\d\.\d MiB, more than max_memory=256\.0 MiB"
    kinds = [large, Image.fromarray(large), encode_png(large), io.BytesIO(encode_png(large))]
    results = remover.remove_batch([small, *kinds, small], on_error="return")
    for result in results[1:-1]:
        assert isinstance(result, ArgumentError)
        with pytest.raises(ArgumentError, match=words):
            raise result
    same(results[-1], remover(small))
    for image in kinds[:3]:
        with pytest.raises(ArgumentError, match=words):
            remover(image)


def test_a_file_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode_png(np.zeros((3000, 4000, 3), np.uint8))
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    (error,) = Remover(model=None).remove_batch([data], on_error="return", max_memory="100MB")
    assert "max_memory" in str(error)


class Weigher:
    """Stages that notice how much is in flight."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.stages = Stages(self.read, lambda w: Header(*w, 1), lambda w: None, list, self.cut)

    def add(self, size: int) -> None:
        with self.lock:
            self.now += size
            self.most = max(self.most, self.now)

    def read(self, source: Any) -> tuple[int, int]:
        self.add(memory_of(*source.shape[:2]))
        time.sleep(0.001)
        return source.shape[0], source.shape[1]

    def cut(self, work: tuple[int, int]) -> Any:
        time.sleep(0.002)
        return work


def test_what_is_in_flight_keeps_to_the_budget() -> None:
    weigher = Weigher()
    rng = np.random.default_rng(0)
    limit = memory_of(900, 900) * 2
    budget = Budget(limit)
    scheduler = Scheduler(Plan(workers=4, batch_size=8), budget)
    images = [np.zeros((*rng.integers(50, 900, 2), 3), np.uint8) for _ in range(60)]
    jobs = [scheduler.submit(Job(weigher.stages, image)) for image in images]
    for job, image in zip(jobs, images, strict=True):
        assert job.future.result(120) == image.shape[:2]
        weigher.add(-memory_of(*image.shape[:2]))
        scheduler.release(job)
    scheduler.close()
    assert budget.taken == 0
    assert memory_of(50, 50) < weigher.most <= limit


def numbers(cut: Callable[[Any], Any] = lambda value: value) -> Stages:
    """Stages for which numbers are images."""
    return Stages(
        read=lambda value: value,
        header=lambda value: Header(1, 1, 1),
        shape=lambda value: 0,
        segment=lambda values: None,
        cut=cut,
    )


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_no_image_is_lost_between_threads() -> None:
    scheduler = Scheduler(Plan(workers=4, batch_size=1), Budget(None))
    jobs = [scheduler.submit(Job(numbers(), number)) for number in range(4000)]
    for number, job in enumerate(jobs):
        assert job.future.result(120) == number
        scheduler.release(job)
    scheduler.close()


class Unspeakable(MemoryError):
    """As NumPy's: it is made of a shape and a dtype."""

    def __init__(self, shape: Any, dtype: Any) -> None:
        super().__init__(shape, dtype)

    def __str__(self) -> str:
        raise ValueError


class Odd:
    @property
    def nbytes(self) -> int:
        raise RuntimeError


def raises(error: BaseException) -> Callable[[Any], Any]:
    def raising(_: Any) -> None:
        raise error

    return raising


@pytest.mark.parametrize("error", [Unspeakable((1,), "u1"), SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize("stage", ["read", "shape", "segment", "cut", "finish"])
def test_whatever_a_stage_raises_is_told(stage: str, error: BaseException) -> None:
    scheduler = Scheduler(Plan(workers=1, batch_size=1), Budget(None))
    finish = raises(error) if stage == "finish" else None
    stages = numbers() if finish else replace(numbers(), **{stage: raises(error)})
    failing = scheduler.submit(Job(stages, 1, "image 0", finish))
    expected = MemoryError if isinstance(error, MemoryError) else type(error)
    assert isinstance(failing.future.exception(120), expected)
    assert scheduler.submit(Job(numbers(), 2)).future.result(120) == 2  # all threads are there
    scheduler.close()


def test_what_results_are_does_not_matter() -> None:
    scheduler = Scheduler(Plan(workers=1, batch_size=1), Budget(None))
    job = scheduler.submit(Job(numbers(), 1, finish=lambda _: Odd()))
    assert isinstance(job.future.result(120), Odd)
    scheduler.close()


def test_an_image_without_pixels_is_one_error(segmenter: Segmenter) -> None:
    images = [np.zeros((0, 5, 3), np.uint8), np.zeros((40, 50, 3), np.uint8)]
    with Remover(model=segmenter) as remover:
        empty, whole = remover.remove_batch(images, on_error="return")
    assert isinstance(empty, ArgumentError)
    assert whole.rgba.shape == (40, 50, 4)


def test_a_thread_of_the_scheduler_may_close_it() -> None:
    scheduler = Scheduler(Plan(workers=1, batch_size=1), Budget(None))
    job = scheduler.submit(Job(numbers(), 1, finish=lambda _: scheduler.close(drop=True) or "done"))
    assert job.future.result(120) == "done"
    scheduler.close()


def test_what_is_dropped_goes_no_further_than_its_stage() -> None:
    begun, go_on, done = threading.Event(), threading.Event(), []

    def cut(value: Any) -> Any:
        begun.set()
        assert go_on.wait(120)
        return value

    scheduler = Scheduler(Plan(workers=1, batch_size=1), Budget(None))
    job = scheduler.submit(Job(numbers(cut), 1, finish=done.append))
    assert begun.wait(30)
    closing = threading.Thread(target=scheduler.close, kwargs={"drop": True})
    closing.start()
    while not scheduler._dropping:
        time.sleep(0.001)
    go_on.set()
    closing.join(120)
    assert isinstance(job.future.exception(0), EngineError)
    assert done == []


_PEAK = """
import sys
from pathlib import Path
import numpy as np
import trimatte
from trimatte.pipeline.scheduler import Scheduler, Plan, Stages, in_order
from trimatte.pipeline.budget import Budget
from trimatte.pipeline.frame import Given

def resident(what):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what):
            return 1024 * int(line.split()[1])

def cut(work):
    trimap = np.full(work.pixels.shape[:2], 128, np.uint8)
    trimap[:3], trimap[-3:] = 0, 255
    work.trimap = trimap  # nearly all is unknown: there is nothing that takes more
    return remover._cut(work)

def run(side, count, limit):
    images = [rng.integers(0, 255, (side, side, 3), dtype=np.uint8) for _ in range(count)]
    before = resident("VmRSS")
    scheduler = Scheduler(Plan(workers=4, batch_size=1), Budget(limit))
    results = in_order(scheduler, stages, images, most=20, keep_errors=False)
    assert sum(result.rgba.shape[0] == side for result in results) == count
    scheduler.close()
    return resident("VmHWM") - before

rng = np.random.default_rng(0)
remover = trimatte.Remover(model=None)
stages = remover._stages(Given())
stages = Stages(stages.read, stages.header, stages.shape, stages.segment, cut)
run(40, 8, None)
print(run(1000, 12, int(sys.argv[1]) or None))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_measured_is_below_the_bound() -> None:
    """Two images fit; without a bound, four workers take more than that."""

    def peak(limit: int) -> int:
        command = [sys.executable, "-c", _PEAK, str(limit)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    limit = 2 * memory_of(1000, 1000) + 1000
    assert peak(limit) <= limit
    assert peak(0) > limit


# --- threads, closing ---


def test_threads_share_a_remover(segmenter: Segmenter) -> None:
    remover = Remover(model=segmenter)
    images = [a_photo(50 + 7 * n, 90 - 5 * n) for n in range(6)]
    expected = [remover(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        for ours, single in zip(pool.map(remover, images * 3), expected * 3, strict=True):
            same(ours, single)
        batches = pool.map(lambda _: remover.remove_batch(images), range(3))
        for batch in batches:
            for ours, single in zip(batch, expected, strict=True):
                same(ours, single)


def its_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("trimatte-")]


def test_no_thread_is_left() -> None:
    before = its_threads()
    images = [scene(40, 60, seed=seed).image for seed in range(9)]
    remover = Remover(model=None)
    remover.remove_batch(images)
    assert its_threads() == before
    results = remover.stream(images)
    next(results)
    assert len(its_threads()) > len(before)
    results.close()  # type: ignore[attr-defined]
    assert its_threads() == before
    next(remover.stream(images))  # let go of at once
    gc.collect()
    assert its_threads() == before
    with pytest.raises(ArgumentError):
        remover.remove_batch([images[0], b"", *images])
    assert its_threads() == before


def test_a_closed_remover_says_so(models: Callable[[str], Path]) -> None:
    image = a_photo(40, 50)
    with Remover(model=models("u2netp"), card="u2netp") as remover:
        kept = weakref.ref(remover.segmenter)
        assert not isinstance(remover(image), Exception)
        results = remover.stream([image] * 50)
        next(results)
    for call in (
        lambda: remover(image),
        lambda: remover.remove_batch([image]),
        lambda: remover.stream([image]),
        lambda: remover.segmenter,
        lambda: remover.__enter__(),
        lambda: remover.remove_batch([], on_error="return"),
        lambda: list(results),
    ):
        with pytest.raises(EngineError, match="closed"):
            call()
    gc.collect()
    assert kept() is None  # its memory is free
    remover.close()
    assert not its_threads()


def test_a_segmenter_that_was_given_stays_open(segmenter: Segmenter) -> None:
    with Remover(model=segmenter) as remover:
        remover(a_photo(40, 50))
    assert not segmenter.closed
    segmenter(a_photo(40, 50))


def test_memory_stays_flat(segmenter: Segmenter) -> None:
    """The short form of benchmarks/soak.py."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("memory is read from /proc")

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    rng = np.random.default_rng(0)
    remover = Remover(model=segmenter)

    def images(count: int) -> Iterator[Any]:
        for _ in range(count):
            height, width = rng.integers(40, 160, 2)
            yield a_photo(int(height), int(width)) if rng.random() < 0.9 else b"no image"

    for _ in remover.stream(images(60)):
        pass
    before = resident()
    for _ in remover.stream(images(120)):
        pass
    assert resident() < before * 1.05


def test_what_is_given_beside_every_image() -> None:
    image = a_photo(60, 80)
    mask, core = np.zeros((2, 60, 80), np.uint8)
    mask[20:40, 20:60] = 255
    core[25:30, 30:40] = 255
    remover = Remover(model=None)
    expected = remover(image, mask=mask, core=core)
    for result in remover.stream([image, image], mask=mask, core=core):
        np.testing.assert_array_equal(result.rgba, expected.rgba)
    with pytest.raises(ArgumentError, match="mask or trimap, not both"):
        remover.stream([image], mask=mask, trimap=mask)


def test_the_number_of_the_image_at_work() -> None:
    images = [a_photo(40, 50)] * 5
    remover = Remover(model=None)
    mask = np.zeros((40, 50), bool)
    mask[10:30, 10:40] = True
    numbers = remover.stream(images, mask=mask, finish=lambda _: number_at_work(), workers=3)
    assert list(numbers) == [0, 1, 2, 3, 4]
    assert number_at_work() is None
