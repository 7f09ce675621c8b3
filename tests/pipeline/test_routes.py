"""One default behind every door, and the route that each of them tells."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Run
from tests.ops.test_screen_search import as_image, leaves, screen
from trimatte import Remover, Result, Route, remove
from trimatte.inspector.payload import result_part
from trimatte.inspector.view import choose_view
from trimatte.io.writing import write_image
from trimatte.pipeline.segmenter import Segmenter
from trimatte.ray.cutting import BatchRemover
from trimatte.video import VideoRemover

SCREEN, LAWN = as_image(screen()), as_image(leaves())
OPTIONS: dict[str, Any] = {"quality": "fast"}
CLI = ("--quality", "fast")


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images a network saw each time; it finds the middle of an image."""
    seen: list[int] = []

    def batch(_: Segmenter, images: list[Any], **__: Any) -> list[Any]:
        seen.append(len(images))
        masks = []
        for image in images:
            mask = np.zeros(image.shape[:2], np.uint8)
            height, width = mask.shape
            mask[height // 5 :, width // 3 : -width // 3] = 255
            masks.append(mask)
        return masks

    monkeypatch.setattr(Segmenter, "batch", batch)
    return seen


def both(kind: str) -> Any:
    return {"network": LAWN, "key+network": SCREEN}[kind]


@pytest.mark.parametrize("kind", ["network", "key+network"])
def test_an_image_decides(kind: str) -> None:
    for options in ({}, {"model": "auto"}):
        result = Remover(**options, **OPTIONS)(both(kind))
        assert result.route is not None
        assert result.route.kind == kind
        assert (result.screen is not None) == (kind == "key+network")
        assert np.array_equal(remove(both(kind), **options, **OPTIONS), result.rgba)


def test_before_a_screen_the_key_decides_and_the_network_adds_nothing() -> None:
    result = Remover(**OPTIONS)(SCREEN)
    keyed = Remover(key_color="green", **OPTIONS)(SCREEN)
    assert np.array_equal(result.rgba, keyed.rgba)
    assert result.route is not None
    assert result.route.why.endswith("; u2net-lite has nothing to add")


def test_the_network_keeps_clothes_and_drops_walls() -> None:
    image = SCREEN.copy()
    height, width = image.shape[:2]
    shade = np.rint(0.85 * image[5, 5]).astype(np.uint8)  # clothes of the screen's hue
    image[height // 2 : -30, width // 2 - 25 : width // 2 + 25] = shade
    image[:, :30] = 120
    result = Remover(**OPTIONS)(image)
    keyed = Remover(key_color="green", **OPTIONS)(image)
    assert keyed.alpha[120, width // 2] < 0.1
    assert result.alpha[120, width // 2] == 1
    assert keyed.alpha[50, 5] == 1
    assert result.alpha[50, 5] == 0
    assert result.route is not None
    assert "keeps " in result.route.why
    assert "drops " in result.route.why


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"model": None}, "key"),
        ({"key_color": "auto"}, "key"),
        ({"key_color": "green"}, "key"),
        ({"method": "difference"}, "key"),
        ({"tolerance": 20}, "key"),
        ({"softness": 20}, "key"),
        ({"transfer": "srgb"}, "key"),
        ({"model": "u2net-lite"}, "network"),
        ({"model": "u2net-lite", "key_color": "auto"}, "key+network"),
    ],
)
def test_options_mean_what_they_meant(
    options: dict[str, Any], kind: str, network: list[int]
) -> None:
    route = Remover(**options, **OPTIONS)(SCREEN).route
    assert route is not None
    assert route.kind == kind
    assert route.why.startswith("the options ask for a ")
    assert sum(network) == (0 if kind == "key" else 1)


def test_a_mask_and_a_trimap_are_routes(network: list[int]) -> None:
    mask = np.zeros(SCREEN.shape[:2], np.uint8)
    mask[60:, 80:160] = 255
    for name in ("mask", "trimap"):
        route = Remover(**OPTIONS)(SCREEN, **{name: mask}).route
        assert route == Route(name, f"a {name} came with the image")
    assert not network


def test_many_images_decide_each(network: list[int]) -> None:
    images = [SCREEN, LAWN, SCREEN, LAWN]
    kinds = ["key+network", "network"] * 2
    remover = Remover(**OPTIONS)
    assert [each.route.kind for each in remover.remove_batch(images)] == kinds  # type: ignore[union-attr]
    streamed = remover.stream(iter(images), on_error="raise", finish=lambda each: each.route)
    assert [route.kind for route in streamed] == kinds  # type: ignore[union-attr]
    assert sum(network) == 8


def test_the_route_goes_along() -> None:
    result = Remover(**OPTIONS)(SCREEN)
    assert result.crop(5).route == result.route
    assert pickle.loads(pickle.dumps(result)).route == result.route
    assert str(result.route) in result._repr_html_()
    part = result_part(result, choose_view(*SCREEN.shape[:2]))
    assert part["route"] == {"kind": "key+network", "why": result.route.why}  # type: ignore[union-attr]


def test_a_worker_of_ray_decides_and_offers_the_network_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("trimatte.ray.cutting.set_num_threads", lambda count: None)
    write_image(tmp_path / "a.png", SCREEN)
    data = (tmp_path / "a.png").read_bytes()
    worker = BatchRemover(OPTIONS, cpus=1, gpus=0)
    assert worker.models == ("auto", "u2net-lite")
    results = worker.cut([data, data], ["auto", "u2net-lite"])
    assert [each.route.kind for each in results] == ["key+network", "network"]  # type: ignore[union-attr]
    assert BatchRemover({"key_color": "auto"}, cpus=1, gpus=0).models == (None,)


def test_the_command_line_tells_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.png", SCREEN)
    write_image(tmp_path / "in" / "b.png", LAWN)
    code, out, err = run("remove", tmp_path / "in", "-o", tmp_path / "out", "--json", "-v", *CLI)
    assert code == 0
    routes = [json.loads(line)["route"] for line in out.splitlines()]
    assert [route["kind"] for route in routes] == ["key+network", "network"]
    for route in routes:
        assert f"{route['kind']}: {route['why']}" in err
    code, out, _ = run(tmp_path / "in/a.png", "-m", "u2net-lite", "--json", *CLI)
    assert json.loads(out)["route"]["kind"] == "network"


# --- videos ---


def moved(image: Any, by: int) -> Any:
    return np.roll(image, by, axis=1)


def test_a_shot_decides_once_and_the_next_one_anew(network: list[int]) -> None:
    remover = VideoRemover(stabilize=False, **OPTIONS)
    kinds, shots = [], []
    for image in [moved(SCREEN, i % 3) for i in range(14)] + [LAWN] * 3 + [SCREEN]:
        route = remover(image).route
        assert route is not None
        kinds.append(route.kind)
        shots.append(remover.shot)
    looked = ["key+network", *["key"] * 11]
    assert kinds == [*looked, *looked[:2], *["network"] * 3, "key+network"]
    assert shots == [0] * 14 + [1] * 3 + [2]
    assert sum(network) == 2 + 3 + 1


def test_the_network_stays_while_it_corrects_the_key(network: list[int]) -> None:
    image = SCREEN.copy()
    image[:, :30] = 120
    remover = VideoRemover(stabilize=False, **OPTIONS)
    for _ in range(5):
        result = remover(image)
        assert result.route is not None
        assert result.route.kind == "key+network"
        assert result.alpha[50, 5] == 0
    assert sum(network) == 5


def test_a_fade_from_black_decides_anew() -> None:
    remover = VideoRemover(stabilize=False, **OPTIONS)
    kinds = []
    for light in (0, 0.2, 0.5, 0.8, 1):
        route = remover((SCREEN * light).astype(np.uint8)).route
        assert route is not None
        kinds.append(route.kind)
    assert kinds[0] == "network"
    assert kinds[-1] in ("key+network", "key")


@pytest.mark.parametrize(
    ("options", "kind"), [({"model": None}, "key"), ({"model": "u2net-lite"}, "network")]
)
def test_videos_too_do_as_options_ask(options: dict[str, Any], kind: str) -> None:
    remover = VideoRemover(stabilize=False, **options, **OPTIONS)
    for _ in range(2):
        route = remover(SCREEN).route
        assert route is not None
        assert route.kind == kind


def test_a_video_file_tells_its_shots(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="test_routes: pip install 'trimatte[video]'")
    from trimatte.video import remove_video

    (tmp_path / "in").mkdir()
    for number, image in enumerate([SCREEN] * 2 + [LAWN] * 2):
        write_image(tmp_path / "in" / f"{number}.png", image)
    summary = remove_video(tmp_path / "in", tmp_path / "out/", stabilize=False, **OPTIONS)
    assert [(shot.first, shot.route.kind) for shot in summary.shots] == [
        (0, "key+network"),
        (2, "network"),
    ]
    code, _, err = run("video", tmp_path / "in", "-o", tmp_path / "b/", "-v", *CLI)
    assert code == 0
    for shot in summary.shots:
        assert f"from frame {shot.first} on: {shot.route}" in err
    code, _, err = run("video", tmp_path / "in", "-o", tmp_path / "c/", "-v", "--key-color", "auto")
    assert code == 0
    assert "from frame 0 on: key: the options ask for a key" in err


def test_a_video_says_that_the_network_is_unsure(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the frames that it cut out alone."""
    pytest.importorskip("av", reason="test_routes: pip install 'trimatte[video]'")
    from trimatte.video import remove_video

    monkeypatch.setattr(Result, "unsure", 0.414159)
    for name, images in (("screen", [SCREEN] * 2), ("lawn", [SCREEN, LAWN])):
        (tmp_path / name).mkdir()
        for number, image in enumerate(images):
            write_image(tmp_path / name / f"{number}.png", image)
    told = {}
    for name in ("screen", "lawn"):
        out = tmp_path / f"{name}.apng"
        summary = remove_video(tmp_path / name, out, stabilize=False, **OPTIONS)
        code, _, err = run("video", tmp_path / name, "-o", out, *CLI)
        assert code == 0
        told[name] = summary.unsure, "the network is unsure of 41 % of the subject" in err
    assert told == {"screen": (None, False), "lawn": (0.414159, True)}
    assert run("video", tmp_path / "lawn", "-o", out, "-q", *CLI) == (0, "", "")
