"""
Compiled core of trimatte; use the package `trimatte` instead.
"""
from __future__ import annotations
import collections.abc
import numpy
import numpy.typing
import typing
class Error(Exception): ...
class ArgumentError(Error, ValueError): ...
class DeviceError(Error, RuntimeError): ...
class EngineError(Error, RuntimeError): ...

__all__: list[str] = ['ArgumentError', 'Cancellation', 'DeviceArray', 'DeviceError', 'EngineError', 'Error', 'Event', 'Graph', 'WorkStream', 'borrow', 'check', 'choke', 'chroma_key', 'class_probability', 'collect', 'compiler', 'composite', 'cpu_count', 'cpu_target', 'cuda_architectures', 'cuda_status', 'cutout', 'decode', 'despill', 'estimate_alpha', 'estimate_foreground', 'feather', 'fit_screen', 'free_memory', 'get_num_threads', 'gpu_facts', 'gpu_named', 'guide_alpha', 'hold_mattes', 'is_trusted', 'key_cutout', 'limit_alpha', 'make_trimap', 'place', 'plate_image', 'postprocess', 'premultiply', 'preprocess', 'project_alpha', 'resize', 'sample_alpha', 'set_allocator', 'set_num_threads', 'soft_key', 'soft_key_cutout', 'stabilize_alpha', 'subtract_plate', 'sure_mattes', 'to_device', 'to_linear', 'to_srgb', 'trusted', 'upsample_mask', 'wait_for', 'window']
class DeviceArray:
    """
    An array in GPU memory: what operations return for arrays on a GPU.
    
    CuPy, PyTorch, JAX, Numba and PyCUDA take it without a copy: it has ``__dlpack__`` and
    ``__cuda_array_interface__``. Its contents are in the order of ``stream``; both protocols
    tell the taker, so that work on another stream waits. As long as work on another stream
    uses it, keep a reference to it.
    """
    def __array__(self, dtype: typing.Any = None, copy: typing.Any = None) -> numpy.ndarray:
        """
        Refuses: use `to_host`.
        """
    def __dlpack__(self, *, stream: typing.Any = None, max_version: typing.Any = None, dl_device: typing.Any = None, copy: typing.Any = None) -> typing.Any:
        """
        A DLPack capsule, ready for work on `stream`.
        """
    def __dlpack_device__(self) -> tuple[int, int]:
        """
        (2, index of the GPU).
        """
    def __len__(self) -> int:
        ...
    def __repr__(self) -> str:
        ...
    def part(self, first: typing.SupportsInt | typing.SupportsIndex, last: typing.SupportsInt | typing.SupportsIndex) -> DeviceArray:
        """
        The same memory from `first` to before `last` along the first side.
        """
    def reshape(self, shape: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex]) -> DeviceArray:
        """
        The same items with other sides; the same memory where they lie side by side.
        """
    def to_host(self) -> numpy.ndarray:
        """
        A copy as a NumPy array; waits for the work.
        """
    def view(self, dtype: typing.Any) -> DeviceArray:
        """
        The same memory as items of another dtype of the same size.
        """
    @property
    def __cuda_array_interface__(self) -> dict[str, typing.Any]:
        """
        CUDA Array Interface, version 3.
        """
    @property
    def device(self) -> str:
        """
        Where it lies: "cuda:0".
        """
    @property
    def dtype(self) -> numpy.dtype[typing.Any]:
        """
        NumPy dtype.
        """
    @property
    def nbytes(self) -> int:
        """
        Bytes of all items.
        """
    @property
    def ndim(self) -> int:
        """
        Number of sides.
        """
    @property
    def shape(self) -> tuple[typing.Any, ...]:
        """
        Sides, as a tuple.
        """
    @property
    def size(self) -> int:
        """
        Number of items.
        """
    @property
    def stream(self) -> int:
        """
        Handle of the stream that its contents are in the order of; 0 is the legacy default.
        """
    @property
    def strides(self) -> tuple[typing.Any, ...]:
        """
        Bytes from one item to the next along each side.
        """
class Cancellation:
    """
    Calls off operations of other threads: those that watch it.
    """
    def __init__(self) -> None:
        ...
    def cancel(self) -> None:
        """
        From now on operations on the CPU end early, with an EngineError, on the threads that watch.
        """
    def watch(self) -> None:
        """
        Let operations that this thread calls heed it.
        """
class trusted:
    """
    Context manager: operations that this thread calls inside do not scan float samples.
    
    For arrays that were made, or already checked, by trimatte. Shapes and dtypes are still
    checked. Scopes nest: trusted(False) scans again, for a caller's function. Other threads
    are not affected, so do not await or yield inside.
    """
    def __enter__(self) -> None:
        ...
    def __exit__(self, kind: typing.Any, error: typing.Any, trace: typing.Any) -> None:
        ...
    def __init__(self, values: bool = True) -> None:
        ...
class Event:
    """
    A point in a stream's work.
    """
    @property
    def done(self) -> bool:
        """
        Whether it is reached.
        """
class Graph:
    """
    Work that was recorded, see `WorkStream.record`.
    """
class WorkStream:
    """
    A stream of a GPU for a session's work; nothing here waits for the GPU.
    
    As a context manager it makes its GPU the current one of the thread.
    """
    def __enter__(self) -> None:
        ...
    def __exit__(self, kind: typing.Any, error: typing.Any, trace: typing.Any) -> None:
        ...
    @typing.overload
    def __init__(self, device: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        A stream of its own.
        """
    @typing.overload
    def __init__(self, array: DeviceArray, stream: typing.Any, operation: str) -> None:
        """
        The stream, or else the array's own, made to wait for the array's contents.
        """
    def copy(self, to: DeviceArray, source: DeviceArray) -> None:
        """
        Copies between two arrays of one shape and dtype.
        """
    def empty(self, shape: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], dtype: typing.Any) -> DeviceArray:
        """
        New memory, not initialised.
        """
    def joined(self, arrays: collections.abc.Sequence[DeviceArray]) -> DeviceArray:
        """
        New memory with arrays one after another along their first side, of whatever streams.
        """
    def keep(self, objects: collections.abc.Sequence[typing.Any]) -> Event:
        """
        Keeps objects alive until the work so far is done, which is the event.
        """
    def launch(self, graph: Graph) -> None:
        """
        Puts recorded work on the stream.
        """
    def record(self, work: collections.abc.Callable[[], None]) -> Graph:
        """
        What `work` puts on this stream, which must be one of its own, instead of running it.
        """
    def wait(self, event: Event) -> None:
        """
        Later work here waits for the event.
        """
    @property
    def device(self) -> int:
        """
        Index of the GPU.
        """
    @property
    def handle(self) -> int:
        """
        Handle; 0 is the legacy default.
        """
def borrow(array: typing.Any, stream: typing.Any, operation: str, name: str) -> DeviceArray:
    """
    Another library's GPU array as a DeviceArray, ready for work on the stream.
    """
def check(array: typing.Any, operation: str, name: str, color: bool) -> None:
    """
    Raises what an operation would raise for this argument.
    """
def choke(alpha: typing.Any, radius: typing.SupportsFloat | typing.SupportsIndex, operation: str, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def chroma_key(image: typing.Any, channel: typing.SupportsInt | typing.SupportsIndex, tolerance: typing.SupportsFloat | typing.SupportsIndex, softness: typing.SupportsFloat | typing.SupportsIndex, clip: typing.Annotated[collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], "FixedSize(2)"], depth: typing.SupportsInt | typing.SupportsIndex, operation: str, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def class_probability(planes: typing.Any, count: typing.SupportsInt | typing.SupportsIndex, chosen: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def collect(wait: bool) -> None:
    ...
def composite(foreground: typing.Any, alpha: typing.Any, background: typing.Any, color: typing.Annotated[collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], "FixedSize(3)"], linear: bool, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def cpu_count() -> int:
    """
    Cores that this thread may use, within its quota.
    """
def cpu_target() -> str:
    ...
def cuda_status() -> tuple[bool, str]:
    ...
def cutout(foreground: typing.Any, alpha: typing.Any, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def decode(image: typing.Any, linear: bool, operation: str, name: str, device: typing.Any, stream: typing.Any) -> typing.Any:
    """
    Colours in float, in linear light or as they are encoded.
    """
def despill(image: typing.Any, channel: typing.SupportsInt | typing.SupportsIndex, method: typing.SupportsInt | typing.SupportsIndex, strength: typing.SupportsFloat | typing.SupportsIndex, restore: typing.SupportsFloat | typing.SupportsIndex, kept: typing.Any, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def estimate_alpha(image: typing.Any, trimap: typing.Any, mask: typing.Any, quality: typing.SupportsInt | typing.SupportsIndex, want_info: bool, progress: typing.Any, device: typing.Any, stream: typing.Any) -> tuple[typing.Any, tuple[int, int, float, int, list[float]] | None]:
    ...
def estimate_foreground(image: typing.Any, alpha: typing.Any, plate: typing.Any, color: typing.Annotated[collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], "FixedSize(3)"] | None, quality: typing.SupportsInt | typing.SupportsIndex, want_background: bool, device: typing.Any, stream: typing.Any) -> tuple[typing.Any, typing.Any]:
    ...
def feather(alpha: typing.Any, radius: typing.SupportsFloat | typing.SupportsIndex, operation: str, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def fit_screen(image: typing.Any, plate: typing.Any, key: typing.Annotated[collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], "FixedSize(3)"] | None, channel: typing.SupportsInt | typing.SupportsIndex, transfer: typing.SupportsInt | typing.SupportsIndex, known_plate: typing.Any) -> tuple[typing.Annotated[list[float], "FixedSize(3)"], bool, float, float, numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32]]:
    ...
def free_memory() -> None:
    ...
def get_num_threads() -> int:
    ...
def gpu_facts(device: typing.SupportsInt | typing.SupportsIndex) -> tuple[str, int, int, int]:
    """
    Name, compute capability (two numbers) and the driver's CUDA version.
    """
def gpu_named(device: typing.Any, operation: str) -> int:
    """
    Index of the GPU that `device` names.
    """
def guide_alpha(image: typing.Any, trimap: typing.Any, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def hold_mattes(alpha: typing.Any, garbage: typing.Any, core: typing.Any, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def is_trusted() -> bool:
    """
    Whether this thread is within trusted(): arrays come from operations, not from a caller.
    """
def key_cutout(image: typing.Any, channel: typing.SupportsInt | typing.SupportsIndex, tolerance: typing.SupportsFloat | typing.SupportsIndex, softness: typing.SupportsFloat | typing.SupportsIndex, clip: typing.Annotated[collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], "FixedSize(2)"], despill: typing.SupportsInt | typing.SupportsIndex, strength: typing.SupportsFloat | typing.SupportsIndex, premultiplied: bool, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def limit_alpha(alpha: typing.Any, rgba: typing.Any, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def make_trimap(mask: typing.Any, low: typing.SupportsFloat | typing.SupportsIndex, high: typing.SupportsFloat | typing.SupportsIndex, outside: typing.SupportsFloat | typing.SupportsIndex, inside: typing.SupportsFloat | typing.SupportsIndex, square: typing.SupportsInt | typing.SupportsIndex, network_pixel: typing.SupportsFloat | typing.SupportsIndex, operation: str, device: typing.Any, stream: typing.Any) -> tuple[typing.Any, tuple[float | None, float | None]]:
    ...
def place(array: typing.Any, device: typing.Any, operation: str, stream: typing.Any = None) -> typing.Any:
    ...
def plate_image(plate: typing.Any, size: typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"], cell: typing.SupportsInt | typing.SupportsIndex, depth: typing.SupportsInt | typing.SupportsIndex, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def postprocess(prediction: typing.Any, size: typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"], min_max: bool, filter: typing.SupportsInt | typing.SupportsIndex, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def premultiply(rgba: typing.Any, forward: bool, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def preprocess(image: typing.Any, size: typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"], mean: typing.Annotated[collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], "FixedSize(3)"], deviation: typing.Annotated[collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], "FixedSize(3)"], scale_by_maximum: bool, bgr: bool, filter: typing.SupportsInt | typing.SupportsIndex, half: bool, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def project_alpha(image: typing.Any, foreground: typing.Any, plate: typing.Any, trimap: typing.Any, alpha: typing.Any, noise: typing.SupportsFloat | typing.SupportsIndex, cell: typing.SupportsInt | typing.SupportsIndex, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def resize(image: typing.Any, size: typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(2)"], filter: typing.SupportsInt | typing.SupportsIndex, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def sample_alpha(image: typing.Any, trimap: typing.Any, want_confidence: bool, device: typing.Any, stream: typing.Any) -> tuple[typing.Any, typing.Any]:
    ...
def set_allocator(allocate: typing.Any, release: typing.Any) -> None:
    ...
def set_num_threads(count: typing.SupportsInt | typing.SupportsIndex) -> None:
    ...
def soft_key(image: typing.Any, grid: typing.Any, method: typing.SupportsInt | typing.SupportsIndex, channel: typing.SupportsInt | typing.SupportsIndex, color: typing.Annotated[collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], "FixedSize(3)"], tolerance: typing.SupportsFloat | typing.SupportsIndex, softness: typing.SupportsFloat | typing.SupportsIndex, linear: bool, clip: typing.Annotated[collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], "FixedSize(2)"], cell: typing.SupportsInt | typing.SupportsIndex, depth: typing.SupportsInt | typing.SupportsIndex, operation: str, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def soft_key_cutout(image: typing.Any, grid: typing.Any, method: typing.SupportsInt | typing.SupportsIndex, channel: typing.SupportsInt | typing.SupportsIndex, color: typing.Annotated[collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], "FixedSize(3)"], tolerance: typing.SupportsFloat | typing.SupportsIndex, softness: typing.SupportsFloat | typing.SupportsIndex, linear: bool, clip: typing.Annotated[collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], "FixedSize(2)"], cell: typing.SupportsInt | typing.SupportsIndex, despill: typing.SupportsInt | typing.SupportsIndex, strength: typing.SupportsFloat | typing.SupportsIndex, premultiplied: bool, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def stabilize_alpha(image: typing.Any, alpha: typing.Any, previous_image: typing.Any, previous_alpha: typing.Any, strength: typing.SupportsFloat | typing.SupportsIndex, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def subtract_plate(image: typing.Any, alpha: typing.Any, plate: typing.Any, color: typing.Annotated[collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], "FixedSize(3)"], device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def sure_mattes(mask: typing.Any, low: typing.SupportsFloat | typing.SupportsIndex, high: typing.SupportsFloat | typing.SupportsIndex, reach: typing.SupportsInt | typing.SupportsIndex, size: tuple[typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex], device: typing.Any, stream: typing.Any) -> tuple[typing.Any, ...]:
    ...
def to_device(array: numpy.ndarray, device: typing.Any, stream: typing.Any) -> DeviceArray:
    ...
def to_linear(image: typing.Any, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def to_srgb(image: typing.Any, depth: typing.SupportsInt | typing.SupportsIndex, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def upsample_mask(image: typing.Any, mask: typing.Any, device: typing.Any, stream: typing.Any) -> typing.Any:
    ...
def wait_for(array: DeviceArray) -> None:
    """
    Waits until an array's contents are there.
    """
def window(array: DeviceArray, rows: slice, columns: slice) -> DeviceArray:
    """
    The same memory at some rows and columns.
    """
__version__: str
compiler: str
cuda_architectures: str
