"""The whole way of an image on a GPU, beside the same on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import trimatte
from trimatte.cli.main import main
from trimatte.demo import scene
from trimatte.pipeline.gpu_streams import GpuStreams

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not trimatte.cuda_available(), reason=trimatte.cuda_status()),
]

STAGES = ("mask", "trimap", "alpha", "foreground", "rgba")


@pytest.fixture(scope="module")
def image() -> Any:
    return scene(90, 160).image


def assert_alike(result: trimatte.Result, wanted: trimatte.Result) -> None:
    """Equal but for rounding, and for alpha the solver's tolerance."""
    np.testing.assert_array_equal(result.trimap, wanted.trimap)
    assert np.abs(result.alpha - wanted.alpha).mean() < 1e-4
    seen = wanted.alpha > 0.05
    difference = np.abs(result.rgba.astype(int) - wanted.rgba.astype(int)).max(axis=2)
    assert np.percentile(difference[seen], 99) <= 3


@pytest.mark.parametrize("options", [{}, {"despill": None, "quality": "fast", "softness": 20.0}])
def test_cutout_is_the_cpus(image: Any, options: dict[str, Any]) -> None:
    result = trimatte.Remover(model=None, device="cuda", **options)(image)
    wanted = trimatte.Remover(model=None, **options)(image)
    assert result.device == "cuda:0"
    assert wanted.device == "cpu"
    assert all(isinstance(getattr(result, name), np.ndarray) for name in STAGES)
    assert_alike(result, wanted)
    assert "wait" in result.timings
    assert "on cuda:0" in repr(result)


def test_array_on_the_gpu_stays_there(image: Any) -> None:
    there = trimatte.to_device(image)
    result = trimatte.Remover(model=None)(there)
    assert all(isinstance(getattr(result, name), trimatte.DeviceArray) for name in STAGES)
    wanted = trimatte.Remover(model=None)(image)
    np.testing.assert_array_equal(result.trimap.to_host(), wanted.trimap)
    assert isinstance(trimatte.remove(there, model=None), trimatte.DeviceArray)


@pytest.mark.filterwarnings("ignore:.*runs on the CPU")
def test_the_built_in_network_takes_arrays_on_the_gpu(image: Any) -> None:
    pytest.importorskip("onnxruntime")
    remover = trimatte.Remover()
    result = remover(trimatte.to_device(image))
    assert all(isinstance(getattr(result, name), trimatte.DeviceArray) for name in STAGES)
    wanted = remover(image)
    assert wanted.device == "cpu"
    here, there = wanted.mask.astype(int), result.mask.to_host().astype(int)
    assert np.abs(here - there).mean() < 1


@pytest.mark.parametrize("kind", ["mask", "trimap"])
def test_given_mask_or_trimap(image: Any, kind: str) -> None:
    given = getattr(trimatte.Remover(model=None)(image), kind)
    remover = trimatte.Remover(model=None, device="cuda")
    wanted = trimatte.Remover(model=None)(image, **{kind: given})
    assert_alike(remover(image, **{kind: given}), wanted)
    there = remover(trimatte.to_device(image), **{kind: trimatte.to_device(given)})
    np.testing.assert_array_equal(there.trimap.to_host(), wanted.trimap)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.float32])
def test_refine_wherever_the_arrays_lie(image: Any, dtype: Any) -> None:
    small = trimatte.resize(trimatte.chroma_key(image, dtype=np.uint8), (48, 48))
    mask = {np.bool_: small > 127, np.uint8: small, np.float32: small / np.float32(255)}[dtype]
    wanted = trimatte.refine(image, mask)
    there = trimatte.to_device(image)
    named = trimatte.refine(image, mask, device="cuda")
    assert isinstance(named.alpha, np.ndarray)
    for given in (mask, trimatte.to_device(mask)):
        refined = trimatte.refine(there, given)
        assert isinstance(refined.foreground, trimatte.DeviceArray)
        np.testing.assert_array_equal(refined.trimap.to_host(), wanted.trimap)
        assert np.abs(refined.alpha.to_host() - wanted.alpha).mean() < 1e-4
        for field in ("alpha", "foreground", "trimap"):
            on_gpu = getattr(refined, field).to_host()
            np.testing.assert_array_equal(getattr(named, field), on_gpu)
    with pytest.raises(trimatte.ArgumentError, match="refine: the mask lies on cuda:0"):
        trimatte.refine(image, trimatte.to_device(mask))


def test_own_alpha_of_the_image_limits_the_result(image: Any) -> None:
    own = np.full(image.shape[:2], 128, np.uint8)
    result = trimatte.Remover(model=None, device="cuda")(np.dstack((image, own)))
    assert result.alpha.max() == pytest.approx(128 / 255, abs=1e-6)


def test_command_line(image: Any, tmp_path: Path) -> None:
    Image.fromarray(image).save(tmp_path / "in.png")
    for device in ("cpu", "cuda"):
        out = tmp_path / f"{device}.png"
        assert main(["key", str(tmp_path / "in.png"), "-o", str(out), "--device", device]) == 0
    here, there = (np.asarray(Image.open(tmp_path / f"{d}.png")) for d in ("cpu", "cuda"))
    assert np.abs(here[..., 3].astype(int) - there[..., 3].astype(int)).mean() < 0.1


def test_keys_by_a_learnt_screen_are_the_cpus() -> None:
    drawn = scene(120, 200, seed=3)
    screen = trimatte.fit_screen(drawn.image)
    frame = trimatte.to_device(drawn.image)
    for quality, atol in (("fast", 1e-5), ("best", 5e-3)):
        options: dict[str, Any] = {"screen": screen, "quality": quality, "dtype": "float32"}
        alpha = trimatte.chroma_key(frame, **options)
        assert isinstance(alpha, trimatte.DeviceArray)
        assert np.abs(alpha.to_host() - trimatte.chroma_key(drawn.image, **options)).mean() < atol
    core = np.zeros(drawn.alpha.shape, np.uint8)
    core[:20] = 255
    result = trimatte.Remover(model=None, device="cuda")(drawn.image, core=core)
    assert isinstance(result.alpha, np.ndarray)
    assert (result.alpha[:20] == 1).all()


def test_many_images_at_once_are_what_single_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [scene(60 + 10 * (seed % 3), 90, seed=seed).image for seed in range(6)]
    used: list[int] = []
    turns = GpuStreams.next

    def noted(self: GpuStreams, *arguments: Any) -> Any:
        stream = turns(self, *arguments)
        used.append(stream.handle)
        return stream

    monkeypatch.setattr(GpuStreams, "next", noted)
    with trimatte.Remover(model=None, method="difference", device="cuda", workers=3) as remover:
        singles = [remover(image).rgba for image in images]
        for result, single in zip(remover.remove_batch(images), singles, strict=True):
            assert result.device == "cuda:0"
            np.testing.assert_array_equal(result.rgba, single)
    assert len(set(used)) == len(images)
    assert 0 not in used
