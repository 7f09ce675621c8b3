"""Checkpoints: what is read of honest files, and that dishonest ones do nothing."""

import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimatte.engines.weights.checkpoints import read_checkpoint

from trimatte.errors import EngineError

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])

# A pickle by hand: torch.save's, of {"w": a tensor}, with everything that can be wrong in braces.
PICKLE = (
    b"\x80\x02}}U\x01wctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\n{storage}\n"
    b"U\x01{key}U\x03cpu{count}tQ{offset}({shape}t({strides}t\x89}}tRs."
)
HONEST = {
    b"storage": b"FloatStorage",
    b"key": b"0",
    b"count": b"K\x06",
    b"offset": b"K\x00",
    b"shape": b"K\x02K\x03",
    b"strides": b"K\x03K\x01",
}
NUMBERS = np.arange(6, dtype=np.float32)


def pickled(**parts):
    data = PICKLE
    for name, value in (HONEST | {key.encode(): value for key, value in parts.items()}).items():
        data = data.replace(b"{" + name + b"}", value)
    return data.replace(b"}}", b"}")


def archive(data, storages=None, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        file.writestr("archive/data.pkl", data)
        for key, content in (storages or {"0": NUMBERS.tobytes()}).items():
            file.writestr(f"archive/data/{key}", content)
    return buffer.getvalue()


def legacy(data, keys=("0",), content=None):
    stream = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(value, stream, protocol=2)
    stream.write(data)
    pickle.dump(list(keys), stream, protocol=2)
    stream.write(struct.pack("<q", 6) + NUMBERS.tobytes() if content is None else content)
    return stream.getvalue()


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.fixture
def read(tmp_path):
    def from_bytes(data):
        path = tmp_path / "weights.pth"
        path.write_bytes(data)
        return read_checkpoint(path)

    return from_bytes


# --- honest files ------------------------------------------------------------------------------


def test_a_file_by_hand(read):
    for data in (archive(pickled()), legacy(pickled())):
        tensors = read(data)
        assert list(tensors) == ["w"]
        np.testing.assert_array_equal(tensors["w"], NUMBERS.reshape(2, 3))


@FORMATS
def test_tensors_of_pytorch(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    tensors = {
        "float32": base,
        "transposed": base.T,
        "part": base[1:3, ::2],
        "float16": base.half(),
        "bfloat16": base.bfloat16(),
        "float64": base.double(),
        "int64": torch.tensor(7),
        "bool": base > 5,
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(base + 1),
    }
    path = tmp_path / "a.pth"
    torch.save(tensors, path, _use_new_zipfile_serialization=zipped)
    read = read_checkpoint(path)
    assert list(read) == list(tensors)
    for name, tensor in tensors.items():
        expected = tensor.detach().float() if name == "bfloat16" else tensor.detach()
        assert read[name].dtype == expected.numpy().dtype
        np.testing.assert_array_equal(read[name], expected.numpy())
    assert read["part"].flags.c_contiguous
    assert not np.shares_memory(read["part"], read["float32"])


@FORMATS
@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model_state", "model"])
def test_a_training_checkpoint(tmp_path, zipped, wrapper):
    torch = pytest.importorskip("torch")
    module = torch.nn.DataParallel(
        torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    )
    module(torch.ones(1, 3, 8, 8)).sum().backward()
    optimizer = torch.optim.Adam(module.parameters())
    optimizer.step()
    path = tmp_path / "a.pth"
    torch.save(
        {
            wrapper: module.state_dict(),
            "optimizer_state": optimizer.state_dict(),
            "epoch": 3,
            "best_score": np.float64(0.7),
            "history": [{"loss": 0.1}, None],
        },
        path,
        _use_new_zipfile_serialization=zipped,
    )
    expected = module.module.state_dict()
    read = read_checkpoint(path)
    assert list(read) == list(expected)
    np.testing.assert_array_equal(read["0.weight"], expected["0.weight"].numpy())


@FORMATS
def test_a_whole_module_is_refused_by_name(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    path = tmp_path / "a.pth"
    torch.save(torch.nn.Linear(2, 2), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(EngineError, match=r"torch\.nn\.modules\.linear\.Linear.*state_dict"):
        read_checkpoint(path)


def test_safetensors(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "a.safetensors"
    tensors = {"module.a": np.arange(6.0).reshape(2, 3), "module.b": np.ones(2, np.float16)}
    numpy.save_file(tensors, path)
    read = read_checkpoint(path)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(read[name.removeprefix("module.")], tensor, strict=True)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EngineError, match="damaged"):
        read_checkpoint(path)


def test_bfloat16_of_safetensors(read):
    header = b'{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    pytest.importorskip("safetensors")
    data = struct.pack("<Q", len(header)) + header + b"\x80\x3f\x00\xc0"
    np.testing.assert_array_equal(read(data)["a"], np.array([1, -2], np.float32), strict=True)


def test_npz(read):
    arrays = {"a.b": np.arange(6.0, dtype=">f4").reshape(2, 3), "c": np.asfortranarray(np.eye(3))}
    tensors = read(npz(**arrays))
    assert tensors["a.b"].dtype == np.dtype("f4")
    for name, array in arrays.items():
        np.testing.assert_array_equal(tensors[name], array)


# --- dishonest files ---------------------------------------------------------------------------


class Runs:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("wrap", [archive, legacy])
@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Runs(os.system, "touch PWNED"), r"(posix|nt)\.system"),
        (Runs(eval, "open('PWNED', 'w')"), r"builtin(s|__)\.eval"),
        (Runs(exec, "open('PWNED', 'w')"), r"builtin(s|__)\.exec"),
        (Runs(__import__, "os"), r"builtin(s|__)\.__import__"),
        (OrderedDict(a=Runs(open, "PWNED", "w")), r"(_?io|builtins)\.open"),
        (Runs(np.load, "PWNED"), "numpy.*load"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_code_in_a_pickle_is_not_run(read, tmp_path, monkeypatch, wrap, value, name, protocol):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EngineError, match=f"more than tensors: .*{name}"):
        read(wrap(pickle.dumps(value, protocol=protocol)))
    assert [entry.name for entry in tmp_path.iterdir()] == ["weights.pth"]


def test_storages_of_a_class_of_its_own(read):
    data = pickled().replace(b"ctorch\nFloatStorage\n", b"cos\nsystem\n")
    with pytest.raises(EngineError, match=r"os\.system"):
        read(archive(data))


def nested(function, depth):
    return b"\x80\x02" + function * depth + b"."


DOUBLED = b"\x80\x02K\x01" + b"".join(b"q%ch%c\x86" % (n, n) for n in range(60))

CLAIMED = b"\x93NUMPY\x01\x00\x43\x00" + (
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000,)}\n"
)

BROKEN = {
    "shape beyond the storage": archive(pickled(shape=b"K\x02K\x04")),
    "offset beyond the storage": archive(pickled(offset=b"K\x01")),
    "strides beyond the storage": archive(pickled(strides=b"K\x04K\x01")),
    "negative offset": archive(pickled(offset=b"J\xff\xff\xff\xff")),
    "negative stride": archive(pickled(strides=b"J\xff\xff\xff\xffK\x01")),
    "stride 0 that makes much of little": archive(
        pickled(shape=b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f", strides=b"K\x00K\x00")
    ),
    "a huge storage": archive(pickled(count=b"J\xff\xff\xff\x7f")),
    "a shape of text": archive(pickled(shape=b"U\x01aU\x01b")),
    "more sides than strides": archive(pickled(shape=b"K\x01K\x02K\x03")),
    "many sides": archive(pickled(shape=b"K\x01" * 99, strides=b"K\x01" * 99)),
    "a missing storage": archive(pickled(key=b"1")),
    "a storage cut short": archive(pickled(), {"0": NUMBERS.tobytes()[:-1]}),
    "a storage outside": archive(pickled(), {"../0": NUMBERS.tobytes()}),
    "an unknown storage": archive(pickled(storage=b"Float7Storage")),
    "compressed members": archive(pickled(), compression=zipfile.ZIP_DEFLATED),
    "no tensors": archive(b"\x80\x02}."),
    "no dictionary": archive(b"\x80\x02K\x01."),
    "an empty pickle": archive(b""),
    "a pickle without an end": archive(pickled()[:-1]),
    "an empty stack": archive(b"\x80\x02R."),
    "a mark that is missing": archive(b"\x80\x02t."),
    "an unknown memo": archive(b"\x80\x02h\x07."),
    "a call of a number": archive(b"\x80\x02K\x01)R."),
    "a call of a storage type": archive(b"\x80\x02ctorch\nFloatStorage\n)R."),
    "text that claims 4 GB": archive(b"\x80\x02X\xff\xff\xff\xffa."),
    "a number that claims 2 GB": archive(b"\x80\x02\x8b\xff\xff\xff\x7fa."),
    "a memo of 4 billion": archive(b"\x80\x02K\x01r\xff\xff\xff\xff."),
    "deep nesting": archive(b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b"."),
    "a key of doubled tuples": archive(b"\x80\x02}" + DOUBLED[2:] + b"K\x01s."),
    "a name of doubled tuples": archive(DOUBLED + b"K\x01\x93."),
    "a storage of doubled tuples": archive(DOUBLED + b"Q."),
    "storage keys of doubled tuples": legacy(pickled(), keys=()).replace(
        b"]q\x00.", b"]" + DOUBLED[2:] + b"a."
    ),
    "legacy: another count": legacy(pickled(), content=struct.pack("<q", 7) + NUMBERS.tobytes()),
    "legacy: cut short": legacy(pickled())[:-1],
    "legacy: a key without a storage": legacy(pickled(), keys=("0", "1")),
    "legacy: another magic": pickle.dumps(1, protocol=2) * 5,
    "npz: objects": npz(a=np.array([{}, 1], dtype=object)),
    "npz: text": npz(a=np.array(["a"])),
    "npz: a bomb": archive(b"\0" * 2**24, {"a.npy": b""}, zipfile.ZIP_DEFLATED).replace(
        b"archive/data.pkl", b"archive/bomb.npy"
    ),
    "npz: a claimed shape": archive(b"", {"a.npy": CLAIMED}).replace(b"data.pkl", b"data.txt"),
    "safetensors: a huge header": b"\xff\xff\xff\xff\xff\xff\xff\x7f{}",
    "safetensors: offsets": struct.pack("<Q", 55)
    + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}',
    "an empty file": b"",
    "text": b"<html>404 Not Found</html>",
    "a zip archive of something else": archive(b"").replace(b"data.pkl", b"data.txt"),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_broken_files_end_in_one_error(read, tmp_path, data):
    with pytest.raises(EngineError, match="read_checkpoint: "):
        read(data)
    assert [entry.name for entry in tmp_path.iterdir()] == ["weights.pth"]


def test_many_names_of_one_storage_do_not_fill_the_memory(read):
    count = b"J" + struct.pack("<i", 100_000)
    whole = pickled(count=count, shape=count, strides=b"K\x01")
    entries = b"".join(whole[3:-2].replace(b"U\x01w", b"U\x02w%c" % n) + b"s" for n in range(100))
    with pytest.raises(EngineError, match="far larger"):
        read(archive(b"\x80\x02}" + entries + b".", {"0": bytes(400_000)}))


def test_files_that_are_none(tmp_path):
    for path in (tmp_path / "missing.pth", tmp_path):
        with pytest.raises(EngineError, match="there is no file"):
            read_checkpoint(path)


SEEDS = (archive(pickled()), legacy(pickled()), npz(a=np.arange(6.0), b=np.ones((2, 2))))


@pytest.mark.filterwarnings("ignore")  # NumPy's, of headers of Python 2
@settings(max_examples=400, deadline=None)
@given(
    data=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4),
    end=st.floats(0.5, 1),
)
def test_changed_bytes_give_tensors_or_one_error(tmp_path_factory, data, changes, end):
    changed = bytearray(data)
    for place, value in changes:
        changed[int(place * (len(data) - 1))] = value
    path = tmp_path_factory.getbasetemp() / "changed.pth"
    path.write_bytes(changed[: int(end * len(changed)) + 1] if end < 0.9 else changed)
    try:
        tensors = read_checkpoint(path)
    except EngineError:
        return
    assert all(tensor.nbytes <= 8 * len(data) for tensor in tensors.values())
