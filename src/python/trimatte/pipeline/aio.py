"""A Remover's front for asyncio."""

from __future__ import annotations

import asyncio
from typing import Any

from trimatte.arrays import is_number
from trimatte.errors import ArgumentError
from trimatte.pipeline.scheduler import Job, Scheduler

__all__ = ["outcome"]


async def outcome(
    scheduler: Scheduler, job: Job, *, deadline: float | None, most_waiting: int | None
) -> Any:
    """What becomes of a job that is submitted now.

    Whoever waits for it may be cancelled, or the deadline, in seconds, may pass: then the job is
    dropped. Raises TimeoutError, QueueFullError and what the job raises.
    """
    if deadline is not None and not (is_number(deadline) and deadline > 0):
        raise ArgumentError(
            f"aremove: deadline must be None or seconds above 0, got {deadline!r:.80}"
        )
    scheduler.submit(job, most_waiting=most_waiting)
    done = asyncio.wrap_future(job.future)
    try:
        await asyncio.wait([done], timeout=deadline)
        if done.done():
            return done.result()
        raise TimeoutError(f"aremove: the image was not done after {deadline:g} seconds")
    finally:
        scheduler.release(job)
        done.cancel()
