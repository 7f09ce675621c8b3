"""The CUDA backend: parity with the definitions, arrays of other libraries, streams, errors.

Runs where a GPU can be used, and in CI against the stand-in of tests/cuda_shim.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import trimatte
from cases import CASES, Array, Case
from test_parity import assert_parity, expected, make_arguments, run

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status()),
]

by_id = pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])


def on_gpu(arguments: tuple[Any, ...], **options: Any) -> tuple[Any, ...]:
    return tuple(
        trimatte.to_device(a, **options) if isinstance(a, np.ndarray) else a for a in arguments
    )


def to_host(results: list[Any]) -> list[Array]:
    return [result.to_host() for result in results]


@by_id
def test_operation_is_its_definition(case: Case) -> None:
    for height, width in case.shapes():
        arguments = make_arguments(case, height, width)
        results = run(case, on_gpu(arguments))
        assert all(isinstance(result, trimatte.DeviceArray) for result in results)
        assert_parity(case, to_host(results), expected(case, arguments))
