"""Where operations run, and what is said where they cannot: wrong devices, no GPU, no memory, a
broken context, a forked child, the process's end."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import trimatte
from tests import cases
from tests.helpers.gpu import IS_SHIM, Driver, Shim, run_python
from tests.helpers.lending import PROTOCOLS, CapsuleArray, Lent
from trimatte import _core

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status()),
]


def is_there(gpu: int) -> bool:
    try:
        return _core.gpu_named(f"cuda:{gpu}", "test") == gpu
    except trimatte.DeviceError:
        return False


two_gpus = pytest.mark.skipif(not is_there(1), reason="there is one GPU only")

IMAGE = cases.noise(np.random.default_rng(1), 9, 11, 3, "uint8")
ALPHA = IMAGE[..., 0].copy()
KEYED = trimatte.chroma_key(IMAGE)


def assert_runs(code: str, **environment: str) -> str:
    """Runs a program to its end, without a word on stderr; what it printed."""
    done = run_python(textwrap.dedent(code), **environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def second(gpu: Shim | Driver) -> Iterator[None]:
    """The second GPU is the current one."""
    gpu.set_device(1)
    yield
    gpu.set_device(0)


# device= ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", [None, "cpu"])
def test_numpy_arrays_stay_on_the_host(device: str | None, gpu: Shim | Driver) -> None:
    before = gpu.waits() if isinstance(gpu, Shim) else 0
    np.testing.assert_array_equal(trimatte.chroma_key(IMAGE, device=device), KEYED)
    assert not isinstance(gpu, Shim) or gpu.waits() == before


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "auto"])
def test_numpy_arrays_go_to_the_gpu_and_back(device: str, gpu: Shim | Driver) -> None:
    before = gpu.waits() if isinstance(gpu, Shim) else 0
    result = trimatte.chroma_key(IMAGE, device=device)
    assert isinstance(result, np.ndarray)
    np.testing.assert_array_equal(result, KEYED)
    assert not isinstance(gpu, Shim) or gpu.waits() > before


@pytest.mark.parametrize("device", [None, "cuda", "cuda:0", "auto"])
def test_arrays_on_the_gpu_stay_there(device: str | None) -> None:
    result = trimatte.chroma_key(trimatte.to_device(IMAGE), device=device)
    assert result.device == "cuda:0"
    np.testing.assert_array_equal(result.to_host(), KEYED)


@pytest.mark.parametrize("device", ["cpu", "cuda:1", "cuda:7"])
def test_arrays_on_the_gpu_are_not_moved_unasked(device: str) -> None:
    with pytest.raises(
        trimatte.ArgumentError, match=f"chroma_key: device must be .*cuda:0, .*got '{device}'"
    ):
        trimatte.chroma_key(trimatte.to_device(IMAGE), device=device)


@pytest.mark.parametrize(
    "device",
    ["gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:0x", "cuda:99999999999", "CUDA", "", 0, b"cuda"],
)
@pytest.mark.parametrize("on_gpu", [False, True])
def test_what_is_no_device(device: Any, on_gpu: bool) -> None:
    array = trimatte.to_device(IMAGE) if on_gpu else IMAGE
    with pytest.raises(
        trimatte.ArgumentError, match="chroma_key: device must be None, 'cpu', 'cuda'"
    ):
        trimatte.chroma_key(array, device=device)


@pytest.mark.parametrize("device", [None, "cpu", "auto", "gpu"])
def test_to_device_wants_a_gpu(device: Any) -> None:
    with pytest.raises(trimatte.ArgumentError, match="to_device: device must be 'cuda'"):
        trimatte.to_device(IMAGE, device)


def test_a_gpu_that_is_not_there() -> None:
    count = next(gpu for gpu in itertools.count() if not is_there(gpu))
    there = "cuda:0 only" if count == 1 else f"cuda:0 to cuda:{count - 1}"
    message = f"device='cuda:{count}' is not there: this machine has {there}"
    with pytest.raises(trimatte.DeviceError, match=f"chroma_key: {message}"):
        trimatte.chroma_key(IMAGE, device=f"cuda:{count}")
    with pytest.raises(trimatte.DeviceError, match=f"to_device: {message}"):
        trimatte.to_device(IMAGE, f"cuda:{count}")


def test_arrays_must_lie_together() -> None:
    image, alpha = trimatte.to_device(IMAGE), trimatte.to_device(ALPHA)
    message = r"must lie where (image|foreground) \(9, 11, 3\) uint8.* lies"
    for arguments in ((image, ALPHA), (IMAGE, alpha)):
        with pytest.raises(trimatte.ArgumentError, match=f"cutout: alpha {message}"):
            trimatte.cutout(*arguments)
        with pytest.raises(trimatte.ArgumentError, match=f"cutout: alpha {message}"):
            trimatte.cutout(*arguments, device="cuda")
        with pytest.raises(trimatte.ArgumentError, match=f"estimate_alpha: trimap {message}"):
            trimatte.estimate_alpha(*arguments)
        with pytest.raises(trimatte.ArgumentError, match=f"estimate_foreground: alpha {message}"):
            trimatte.estimate_foreground(*arguments)
    with pytest.raises(trimatte.ArgumentError, match=f"composite: background {message}"):
        trimatte.composite(image, alpha, IMAGE)
    with pytest.raises(trimatte.ArgumentError, match=f"composite: background {message}"):
        trimatte.composite(IMAGE, ALPHA, image)


# Two GPUs -----------------------------------------------------------------------------------------


@two_gpus
def test_cuda_is_the_current_gpu(second: None) -> None:
    assert trimatte.to_device(IMAGE).device == "cuda:1"
    assert trimatte.to_device(IMAGE, "cuda:0").device == "cuda:0"
    assert trimatte.to_device(IMAGE).device == "cuda:1"  # still


@two_gpus
def test_work_goes_to_the_gpu_of_the_arrays() -> None:
    image, alpha = (trimatte.to_device(a, "cuda:1") for a in (IMAGE, ALPHA))
    assert image.__dlpack_device__() == (2, 1)
    for result in (trimatte.cutout(image, alpha), trimatte.cutout(image, alpha, device="cuda:1")):
        assert result.device == "cuda:1"
        np.testing.assert_array_equal(result.to_host(), trimatte.cutout(IMAGE, ALPHA))
    assert trimatte.to_device(IMAGE).device == "cuda:0"  # the current one
    np.testing.assert_array_equal(trimatte.chroma_key(IMAGE, device="cuda:1"), KEYED)
    with pytest.raises(trimatte.ArgumentError, match="device must be that of the arrays, cuda:1"):
        trimatte.cutout(image, alpha, device="cuda:0")
    with pytest.raises(BufferError, match="stays on cuda:1"):
        image.__dlpack__(dl_device=(2, 0))


@two_gpus
def test_arrays_on_two_gpus_do_not_mix() -> None:
    image, alpha = trimatte.to_device(IMAGE, "cuda:0"), trimatte.to_device(ALPHA, "cuda:1")
    with pytest.raises(
        trimatte.ArgumentError, match=r"alpha must lie where .* on cuda:0 lies.*, got .* on cuda:1"
    ):
        trimatte.cutout(image, alpha)


@two_gpus
@pytest.mark.parametrize("kind", PROTOCOLS)
def test_borrowed_arrays_are_where_they_say(kind: type[Lent]) -> None:
    result = trimatte.chroma_key(kind(cases.planes(IMAGE), device="cuda:1"))
    assert result.device == "cuda:1"
    np.testing.assert_array_equal(result.to_host(), KEYED)


@two_gpus
def test_a_lender_finds_its_gpu_current() -> None:
    class Looks(CapsuleArray):
        def __dlpack__(self, **_: Any) -> Any:
            nonlocal current
            current = trimatte.to_device(ALPHA).device
            return super().__dlpack__()

    current = ""
    trimatte.chroma_key(Looks(IMAGE, device="cuda:1"))
    assert current == "cuda:1"


# No GPU -------------------------------------------------------------------------------------------

NO_GPU = {"TRIMATTE_SHIM_DEVICES": "0", "CUDA_VISIBLE_DEVICES": ""}


def test_without_a_gpu() -> None:
    assert_runs(
        """
        import numpy as np, trimatte
        image = np.zeros((4, 5, 3), np.uint8)
        assert not trimatte.cuda_available()
        cause = "no CUDA-capable device is detected"
        assert cause in trimatte.cuda_status()
        for refused in (
            lambda: trimatte.chroma_key(image, device="cuda"),
            lambda: trimatte.chroma_key(image, device="cuda:1"),
            lambda: trimatte.to_device(image),
        ):
            try:
                refused()
                raise SystemExit("not refused")
            except trimatte.DeviceError as error:
                assert cause in str(error) and "cannot be used here" in str(error), error
        assert trimatte.chroma_key(image).all()
        trimatte.synchronize()
        trimatte.free_memory()
        """,
        **NO_GPU,
    )


@pytest.mark.parametrize(
    ("environment", "said"),
    [({}, "INFO: device='auto' uses the GPU"), (NO_GPU, "WARNING: device='auto' uses the CPU")],
    ids=["gpu", "none"],
)
def test_auto_says_once_what_it_means(environment: dict[str, str], said: str) -> None:
    printed = assert_runs(
        """
        import logging, sys
        import numpy as np, trimatte
        logging.basicConfig(level="INFO", format="%(levelname)s: %(message)s", stream=sys.stdout)
        image = np.zeros((4, 5, 3), np.uint8)
        trimatte.chroma_key(image, device="cpu")
        for _ in range(3):
            assert isinstance(trimatte.chroma_key(image, device="auto"), np.ndarray)
        print(trimatte.cuda_status())
        """,
        **environment,
    )
    first, status = printed.splitlines()
    assert first == f"{said}. {status}"


# Errors -------------------------------------------------------------------------------------------


def test_out_of_memory_names_the_bytes_and_passes(gpu: Shim | Driver) -> None:
    array = trimatte.to_device(IMAGE)
    result = None
    with (
        gpu.room_for(100 << 20),
        pytest.raises(MemoryError, match="on cuda:0 for 805306368 bytes"),
    ):
        result = trimatte.resize(array, (16384, 16384))
    assert result is None
    np.testing.assert_array_equal(trimatte.chroma_key(array).to_host(), KEYED)


@pytest.mark.skipif(not IS_SHIM, reason="needs a limit to the byte")
def test_out_of_memory_at_every_step(gpu: Shim) -> None:
    """Whichever of an operation's allocations fails: a MemoryError, and nothing is lost."""
    image, trimap = cases.a_photo_and_trimap("uint8")(np.random.default_rng(2), 23, 19)
    arrays = trimatte.to_device(image), trimatte.to_device(trimap)
    alpha = trimatte.estimate_alpha(*arrays).to_host()
    in_use = set()
    for room in range(0, 1 << 20, 1 << 10):
        with gpu.room_for(room):
            try:
                trimatte.estimate_alpha(*arrays)
                break
            except MemoryError:
                trimatte.synchronize()
                gpu.synchronize(0)
                in_use.add(gpu.allocated())
                rooms = room
    assert rooms > 3 << 10
    assert len(in_use) == 1
    np.testing.assert_array_equal(trimatte.estimate_alpha(*arrays).to_host(), alpha)


def test_a_broken_context_is_not_ours() -> None:
    printed = assert_runs(
        """
        import numpy as np, trimatte
        from tests.helpers.gpu import open_gpu
        gpu = open_gpu()
        image = np.zeros((4, 5, 3), np.uint8)
        array = trimatte.to_device(image)
        gpu.break_context()
        for refused in (
            lambda: trimatte.chroma_key(array),
            lambda: array.to_host(),
            lambda: trimatte.chroma_key(image, device="cuda"),
        ):
            try:
                refused()
                raise SystemExit("not refused")
            except trimatte.DeviceError as error:
                print(error)
        trimatte.chroma_key(image)
        """
    )
    on_gpu, to_host, from_host = printed.splitlines()
    assert on_gpu == to_host
    assert "an earlier failure" in on_gpu
    assert "a kernel that ran before this call failed" in on_gpu
    assert "cannot be used here" in from_host or from_host == on_gpu


@pytest.mark.skipif(not IS_SHIM, reason="the runtime that is linked in is not to be had")
def test_a_failure_that_others_left_behind_is_not_ours(gpu: Shim) -> None:
    array = trimatte.to_device(IMAGE)
    for work in (
        lambda: trimatte.chroma_key(array).to_host(),
        lambda: trimatte.chroma_key(IMAGE, device="cuda"),
        array.to_host,
    ):
        assert gpu.set_device(99) != 0  # not asked for with cudaGetLastError
        work()


# A forked child, and the end ----------------------------------------------------------------------

FORK = """
    import logging, os, sys
    import numpy as np, trimatte
    from tests.helpers.lending import CapsuleArray, InterfaceArray
    logging.disable()
    image = np.zeros((4, 5, 3), np.uint8)

    def refused(call):
        try:
            call()
        except trimatte.DeviceError as error:
            assert "does not survive a fork" in str(error) and "spawn" in str(error), error
            return
        raise SystemExit("not refused")

    def in_child(body):
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            body()
            sys.exit(0)  # as a program ends: with the exit handlers
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code == 0, code
"""


def test_a_forked_child_is_told_why() -> None:
    assert_runs(
        FORK
        + """
    array = trimatte.to_device(image)
    borrowed = InterfaceArray(image, stream=2)
    keyed = trimatte.chroma_key(borrowed)  # under way, and what it reads is kept

    def body():
        global array, keyed
        assert not trimatte.cuda_available()
        assert "does not survive a fork" in trimatte.cuda_status()
        refused(lambda: trimatte.chroma_key(array))
        refused(lambda: trimatte.chroma_key(image, device="cuda"))
        refused(lambda: trimatte.chroma_key(borrowed))
        refused(lambda: trimatte.to_device(image))
        refused(array.to_host)
        refused(array.__dlpack__)
        refused(trimatte.synchronize)
        refused(trimatte.free_memory)
        assert trimatte.chroma_key(image, device="auto").all()
        assert trimatte.chroma_key(image).all()
        array = keyed = None

    in_child(body)
    in_child(lambda: None)
    assert trimatte.chroma_key(array).to_host().all() and keyed.to_host().all()
    """
    )


def test_a_child_of_a_process_that_only_looked_is_told_why() -> None:
    assert_runs(
        FORK
        + """
    assert trimatte.cuda_available()
    in_child(lambda: refused(lambda: trimatte.to_device(image)))
    """
    )


def test_children_may_use_what_the_parent_has_not() -> None:
    assert_runs(
        FORK
        + """
    trimatte.chroma_key(image)
    in_child(lambda: trimatte.to_device(image).to_host())
    in_child(lambda: trimatte.chroma_key(image, device="cuda"))
    """
    )


def test_the_end_comes_with_work_under_way() -> None:
    assert_runs(
        """
        import sys
        import numpy as np, trimatte
        from tests.helpers.gpu import open_gpu
        from tests.helpers.lending import PROTOCOLS
        gpu = open_gpu()
        image = np.zeros((40, 50, 3), np.uint8)
        streams = [gpu.new_stream() for _ in PROTOCOLS]
        for stream in streams:
            gpu.delay(stream)
        lenders = [kind(image) for kind in PROTOCOLS]
        results = [trimatte.despill(a, stream=s) for a, s in zip(lenders, streams)]
        results.append(trimatte.despill(results[0], stream=streams[1]))
        capsules = [result.__dlpack__() for result in results]
        sys.hold = results, capsules  # until the very end
        """
    )


def test_a_deleter_that_is_called_after_python() -> None:
    assert_runs(
        """
        import ctypes
        import numpy as np, trimatte
        from tests.helpers.lending import Taken
        handler = ctypes.CDLL(None).__cxa_atexit
        handler.argtypes = [ctypes.c_void_p] * 3
        for version in (None, (1, 0)):
            array = trimatte.to_device(np.zeros((4, 5), np.uint8))
            taken = Taken(array.__dlpack__(max_version=version))
            assert handler(taken.deleter, taken.address, None) == 0
        """
    )
