"""`aremove`: deadlines, cancelling, a queue with an end, shutdown."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import trimatte
from trimatte import ArgumentError, EngineError, QueueFullError, Remover
from trimatte.demo import scene
from trimatte.io.writing import encode_png

Gate = Callable[[], None]

HANG = 240.0  # seconds, after which a test that hangs fails


class Gated:
    """A Remover whose stages wait until the gate is open, and are counted."""

    def __init__(self, **options: Any) -> None:
        self.remover = Remover(model=None, workers=1, **options)
        self.open = threading.Event()
        self.reads: list[Any] = []
        self.cuts = 0
        read, cut = self.remover._read, self.remover._cut

        def counted_read(image: Any, **options: Any) -> Any:
            self.reads.append(image)
            return read(image, **options)

        def gated_cut(work: Any) -> Any:
            assert self.open.wait(HANG)
            self.cuts += 1
            return cut(work)

        setattr(self.remover, "_read", counted_read)  # noqa: B010
        setattr(self.remover, "_cut", gated_cut)  # noqa: B010

    async def full(self, images: list[Any]) -> list[asyncio.Task[Any]]:
        """As many requests as are begun at once; the stages hold them."""
        tasks = [asyncio.create_task(self.remover.aremove(image)) for image in images]
        while len(self.reads) < len(images):
            await asyncio.sleep(0.001)
        return tasks


@pytest.fixture
def gated() -> Iterator[Gated]:
    held = Gated(max_queue=2)
    yield held
    held.open.set()
    held.remover.close()


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(main, HANG))


async def settle() -> None:
    """Lets every task get to where it waits for something else than the loop."""
    for _ in range(20):
        await asyncio.sleep(0)


IMAGES = [scene(40, 60, seed=seed).image for seed in range(8)]
AHEAD = 4  # of one worker


def test_the_results_are_those_of_calls() -> None:
    async def main() -> list[Any]:
        async with Remover(model=None) as remover:
            return await asyncio.gather(*(remover.aremove(image) for image in IMAGES))

    for ours, image in zip(run(main()), IMAGES, strict=True):
        np.testing.assert_array_equal(ours.rgba, Remover(model=None)(image).rgba)


def test_the_loop_goes_on_meanwhile(gated: Gated) -> None:
    async def main() -> int:
        task = asyncio.create_task(gated.remover.aremove(IMAGES[0]))
        ticks = 0
        while not task.done():
            await asyncio.sleep(0.001)
            ticks += 1
            if ticks == 20:
                gated.open.set()
        return ticks

    assert run(main()) >= 20


def test_finish_and_errors() -> None:
    async def main() -> Any:
        async with Remover(model=None) as remover:
            finish = [remover.aremove(IMAGES[0], finish=lambda result: encode_png(result.rgba))]
            bad = [remover.aremove(b"no image"), remover.aremove(IMAGES[0], finish=lambda _: 1 / 0)]
            return await asyncio.gather(*finish, *bad, return_exceptions=True)

    data, unreadable, broken = run(main())
    assert data == encode_png(Remover(model=None)(IMAGES[0]).rgba)
    assert isinstance(unreadable, ArgumentError)
    assert "cannot read the 8 bytes" in str(unreadable)
    assert isinstance(broken, ZeroDivisionError)


@pytest.mark.parametrize("deadline", [0, -1, "soon", True, float("nan")])
def test_a_deadline_is_seconds(deadline: Any) -> None:
    with pytest.raises(ArgumentError, match="deadline"):
        run(Remover(model=None).aremove(IMAGES[0], deadline=deadline))


def test_after_the_deadline_what_is_not_begun_never_is(gated: Gated) -> None:
    async def main() -> None:
        tasks = await gated.full(IMAGES[:AHEAD])
        with pytest.raises(TimeoutError, match=r"after 0\.01 seconds"):
            await gated.remover.aremove(IMAGES[5], deadline=0.01)
        gated.open.set()
        await asyncio.gather(*tasks)
        await gated.remover.aremove(IMAGES[6])

    run(main())
    assert not any(image is IMAGES[5] for image in gated.reads)
    assert gated.cuts == AHEAD + 1


def test_after_the_deadline_what_is_begun_goes_no_further(
    gated: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that are decoded, one waits in the worker, the other before it."""

    async def main() -> None:
        tasks = await gated.full(IMAGES[:1])
        impatient = asyncio.create_task(gated.remover.aremove(IMAGES[1], deadline=HANG / 2))
        while len(gated.reads) < 2:
            await asyncio.sleep(0.001)
        loop = asyncio.get_running_loop()
        clock = loop.time
        with monkeypatch.context() as patch:
            patch.setattr(loop, "time", lambda: clock() + HANG / 2)  # the deadline has passed
            with pytest.raises(TimeoutError):
                await impatient
        gated.open.set()
        await asyncio.gather(*tasks)

    run(main())
    assert len(gated.reads) == 2
    gated.remover.close()
    assert gated.cuts == 1


def test_a_request_in_time_is_answered() -> None:
    async def main() -> Any:
        async with Remover(model=None) as remover:
            return await remover.aremove(IMAGES[0], deadline=60)

    assert run(main()).rgba.shape == (40, 60, 4)


def test_whoever_is_cancelled_waits_for_nothing(gated: Gated) -> None:
    async def main() -> None:
        tasks = await gated.full(IMAGES[:AHEAD])
        waiting = asyncio.create_task(gated.remover.aremove(IMAGES[5]))
        await settle()
        for task in (tasks.pop(), waiting):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        gated.open.set()
        await asyncio.gather(*tasks)

    run(main())
    assert not any(image is IMAGES[5] for image in gated.reads)
    gated.remover.close()
    assert gated.cuts == AHEAD - 1


def test_the_queue_has_an_end(gated: Gated) -> None:
    async def main() -> None:
        tasks = await gated.full(IMAGES[:AHEAD])
        waiting = [asyncio.create_task(gated.remover.aremove(IMAGES[4])) for _ in range(2)]
        await settle()
        with pytest.raises(QueueFullError, match="2 images wait, max_queue is 2"):
            await gated.remover.aremove(IMAGES[5], wait=False)
        patient = asyncio.create_task(gated.remover.aremove(IMAGES[6]))
        waiting.pop().cancel()
        patient.cancel()
        await settle()
        again = asyncio.create_task(gated.remover.aremove(IMAGES[7], wait=False))
        await settle()
        gated.open.set()
        await asyncio.gather(*tasks, *waiting, again)

    run(main())
    assert [image is IMAGES[7] for image in gated.reads].count(True) == 1
    assert not any(image is IMAGES[5] or image is IMAGES[6] for image in gated.reads)


@pytest.mark.parametrize("size", [0, -1, 1.5, True, None])
def test_the_queues_end_is_a_number(size: Any) -> None:
    with pytest.raises(ArgumentError, match="max_queue"):
        Remover(model=None, max_queue=size)


def test_closing_answers_everybody(gated: Gated) -> None:
    async def main() -> list[Any]:
        tasks = await gated.full(IMAGES[:AHEAD])
        waiting = asyncio.create_task(gated.remover.aremove(IMAGES[5]))
        await settle()
        closing = asyncio.create_task(gated.remover.aclose())
        with pytest.raises(EngineError, match="closed"):
            await waiting
        gated.open.set()
        await closing
        with pytest.raises(EngineError, match="closed"):
            await gated.remover.aremove(IMAGES[0])
        return await asyncio.gather(*tasks)

    assert len(run(main())) == AHEAD


def test_several_loops_share_a_remover() -> None:
    got: list[Any] = []
    with Remover(model=None) as remover:

        async def main() -> None:
            got.append(await remover.aremove(IMAGES[0]))

        threads = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        run(main())
        expected = remover(IMAGES[0]).rgba
    assert len(got) == 4
    for result in got:
        np.testing.assert_array_equal(result.rgba, expected)


def test_the_threads_end_with_the_remover() -> None:
    def ours() -> list[threading.Thread]:
        return [each for each in threading.enumerate() if each.name.startswith("trimatte-")]

    remover = Remover(model=None)
    run(remover.aremove(IMAGES[0]))
    started = ours()
    assert started
    del remover
    gc.collect()
    for thread in started:
        thread.join(HANG)
    assert not ours()


def test_many_requests_good_bad_and_impatient() -> None:
    """Each is answered, and nothing is left behind."""
    rng = np.random.default_rng(0)

    async def main() -> list[Any]:
        async with Remover(model=None, workers=2, max_memory="400MiB", max_queue=20) as remover:

            async def one(number: int) -> Any:
                await asyncio.sleep(float(rng.random()) / 10)
                source: Any = b"no image" if number % 7 == 0 else IMAGES[number % len(IMAGES)]
                deadline = 0.001 if number % 11 == 0 else None
                try:
                    return await remover.aremove(source, deadline=deadline, wait=number % 5 > 0)
                except (trimatte.Error, TimeoutError) as error:
                    return error

            async def cancelled(number: int) -> None:
                task = asyncio.create_task(one(number))
                await asyncio.sleep(float(rng.random()) / 5)
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

            others = [asyncio.create_task(cancelled(number)) for number in range(20)]
            answers = await asyncio.gather(*(one(number) for number in range(120)))
            await asyncio.gather(*others)
            server = remover._server()
            while server._begun:
                await asyncio.sleep(0.001)
            assert server._budget.taken == 0
            assert not server._waiting
            return answers

    answers = run(main())
    assert len(answers) == 120
    kinds = {type(answer) for answer in answers}
    assert trimatte.Result in kinds
    assert ArgumentError in kinds
    for number, answer in enumerate(answers):
        if number % 7 and number % 11 and number % 5:
            assert isinstance(answer, trimatte.Result), answer
