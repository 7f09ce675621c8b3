"""The inspector's page in a browser: Playwright drives a Chromium that is installed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trimatte
from trimatte import Remover, Result, chroma_key
from trimatte.demo import scene
from trimatte.inspector import write_page
from trimatte.inspector.inspection import Inspection
from trimatte.inspector.server import InspectorServer
from trimatte.io.reading import read_image
from trimatte.io.writing import write_image

playwright: Any = pytest.importorskip(
    "playwright.sync_api",
    reason="test_inspector_page: pip install --group browser-test",
)

SCENE = scene(96, 160)
IMAGE = SCENE.image
WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}

# The ten: screen, hair, both, and the corners.
POINTS = [
    *[(0, 0), (159, 0), (0, 95), (159, 95), (80, 20)],
    *[(61, 38), (100, 45), (80, 80), (108, 60), (30, 50)],
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"test_inspector_page: there is none of {', '.join(names)}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def result() -> Result:
    return Remover(key_color="auto")(IMAGE)


@pytest.fixture(scope="module")
def written(result: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(path, IMAGE, result, name="drawn")
    return path


Open = Callable[..., Any]


@pytest.fixture
def open_page(chromium: Any, written: Path) -> Iterator[Open]:
    """Opens a page, by default the written one; options are those of a browser's context. In the
    end none has said anything on the console or asked for anything but itself."""
    troubles: list[str] = []
    contexts: list[Any] = []

    def call(address: Path | str = written, **options: Any) -> Any:
        url = address.as_uri() if isinstance(address, Path) else address
        context = chromium.new_context(**{"viewport": WIDE} | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda said: said.type == "error" and troubles.append(said.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: urls.append(request.url))
        urls: list[str] = []
        page.goto(url)
        page.wait_for_selector("html[data-ready]")
        settle(page)
        asked = [each for each in urls if not each.startswith("data:")]
        assert asked == [url], "nothing else is fetched"
        return page

    yield call
    for context in contexts:
        context.close()
    assert not troubles


def settle(page: Any) -> None:
    """Until all that is pending is painted."""
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def value(page: Any, field: str) -> float:
    return float(page.get_attribute(f"[data-field={field}]", "data-value"))


def readings(page: Any) -> dict[str, str]:
    """The values of all fields."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("[data-value][data-field]")].map(
            (element) => [element.dataset.field, element.dataset.value]))"""
    )


def place_of(page: Any, x: int, y: int) -> tuple[float, float]:
    """Where a pixel of the picture is, as long as all of it is shown."""
    box = page.locator("#picture").bounding_box()
    scale = min(box["width"] / IMAGE.shape[1], box["height"] / IMAGE.shape[0])
    left = box["x"] + (box["width"] - scale * IMAGE.shape[1]) / 2
    top = box["y"] + (box["height"] - scale * IMAGE.shape[0]) / 2
    return left + (x + 0.5) * scale, top + (y + 0.5) * scale


def probe_at(page: Any, x: int, y: int) -> None:
    """By its numbers."""
    for name, at in (("x", x), ("y", y)):
        page.fill(f"#probe-{name}", str(at))
        page.press(f"#probe-{name}", "Tab")


def drawn(page: Any, points: Iterable[tuple[int, int]]) -> np.ndarray:
    """The colours that the layer on the right has at pixels, as it is drawn enlarged: (n, 3)."""
    script = """(points) => {
        const canvas = document.querySelector("[data-lens='1']");
        const context = canvas.getContext("2d");
        return points.map((place) => {
            ["x", "y"].forEach((axis, n) => {
                const input = document.getElementById(`probe-${axis}`);
                input.value = place[n];
                input.dispatchEvent(new Event("change"));
            });
            const middle = canvas.width / 2;
            return [...context.getImageData(middle, middle, 1, 1).data].slice(0, 3);
        });
    }"""
    settle(page)
    return np.array(page.evaluate(script, [[int(x), int(y)] for x, y in points]))


def choose(page: Any, name: str, value: str) -> None:
    page.locator(f"[name={name}][value='{value}']").check()
    settle(page)


# --- values ---


def test_hovering_reads_what_probe_says(open_page: Open, result: Result) -> None:
    page = open_page()
    page.locator("#tolerance").fill("42")
    page.mouse.move(*place_of(page, 5, 5))
    assert result.mask is not None
    for x, y in POINTS:
        page.mouse.move(*place_of(page, x, y))
        read = readings(page)
        said = trimatte.probe(IMAGE, x, y, tolerance=42)
        for field in ("r", "g", "b", "difference_1", "difference_2"):
            assert float(read[field]) == getattr(said, field), (x, y, field)
        assert read["keyed"] == str(said.keyed).lower()
        assert float(read["key-alpha"]) == said.alpha
        for name in ("mask", "trimap", "alpha"):
            assert float(read[name]) == getattr(result, name)[y, x]
        assert [float(read[name]) for name in ("fr", "fg", "fb")] == list(result.foreground[y, x])
        learnt = trimatte.probe(IMAGE, x, y, method="plate", screen=result.screen)
        assert float(read["screen-sum"]) == pytest.approx(learnt.steps["value"], abs=1e-6)
        assert eval(read["python"], {"trimatte": trimatte, "image": IMAGE}) == said


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_the_slider_counts_as_numpy_does(
    open_page: Open, result: Result, tmp_path: Path, dtype: str
) -> None:
    random = np.random.default_rng(3)
    image = random.random((96, 160, 3), np.float32)
    if dtype != "float32":
        image = (image * np.iinfo(dtype).max).astype(dtype)
    write_page(tmp_path / "noise.html", image, result, softness=0)
    page = open_page(tmp_path / "noise.html")
    unit = np.float32(1 / 255) if dtype == "float32" else np.iinfo(dtype).max // 255
    samples = image.astype(np.float64)

    def counted() -> int:
        settle(page)
        return int(value(page, "keyed-count"))

    for tolerance in ("0", "7", "31", "254"):
        page.locator("#tolerance").fill(tolerance)
        r, g, b = (samples[..., c] for c in range(3))
        limit = float(tolerance) * unit
        expected = np.count_nonzero((g > r + limit) & (g > b + limit))
        assert counted() == expected
        assert expected == np.count_nonzero(chroma_key(image, tolerance=float(tolerance)) == 0)
    page.fill("#tolerance-number", "11.5")
    choose(page, "channel", "2")
    page.locator("#softness").fill("20")
    alpha = chroma_key(image, key_color="blue", tolerance=11.5, softness=20, dtype=np.float32)
    assert counted() == np.count_nonzero(alpha == 0)
    assert value(page, "differing") == np.count_nonzero((alpha >= 0.5) != (result.alpha >= 0.5))


def test_pictures_are_of_the_librarys_values(open_page: Open, result: Result) -> None:
    page = open_page()
    page.locator("#tolerance").fill("25")
    hard = chroma_key(IMAGE, tolerance=25)
    assert result.mask is not None
    grey = {
        "alpha": np.round(255 * result.alpha.astype(np.float64)),
        "mask": result.mask,
        "binary": np.where(result.mask >= 128, 255, 0),
        "key": hard,
        "trimap": result.trimap,
    }
    expected = {name: np.repeat(plane[..., None], 3, axis=2) for name, plane in grey.items()}
    expected |= {"image": IMAGE, "foreground": result.foreground}
    for layer, pixels in expected.items():
        page.select_option("#right", layer)
        shown = np.array([pixels[y, x] for x, y in POINTS], int)
        assert np.abs(drawn(page, POINTS) - shown).max() <= (layer == "alpha"), layer


def test_backgrounds_are_composited_over(open_page: Open, result: Result, tmp_path: Path) -> None:
    page = open_page()
    plate = np.zeros_like(IMAGE)
    plate[:, :80], plate[:, 80:] = (20, 60, 200), (240, 200, 10)
    write_image(tmp_path / "plate.png", plate)
    rows, columns = np.argwhere((result.alpha > 0.2) & (result.alpha < 0.8))[::15].T
    assert len(rows) > 30

    def agrees(composite: np.ndarray) -> bool:
        shown = drawn(page, zip(columns, rows, strict=True))
        return bool(np.abs(shown - composite[rows, columns].astype(int)).max() <= 1)

    choose(page, "background", "white")
    assert agrees(result.composite("white"))
    page.check("#linear")
    assert agrees(result.composite("white", linear=True))
    page.uncheck("#linear")
    choose(page, "background", "black")
    assert agrees(result.composite("black"))
    page.fill("#background-color", "#3264c8")
    assert agrees(result.composite((50, 100, 200)))
    page.set_input_files("#background-file", tmp_path / "plate.png")
    page.wait_for_selector("[name=background][value=image]:checked", state="attached")
    assert agrees(result.composite(plate))


def test_counts_and_times_are_told(open_page: Open, result: Result) -> None:
    page = open_page()

    def told(name: str) -> float:
        return float(page.get_attribute(f"[data-count={name}]", "data-value"))

    assert told("unknown") == np.count_nonzero(result.trimap == 128)
    assert told("opaque") == np.count_nonzero(result.alpha == 1)
    for stage, seconds in result.timings.items():
        shown = float(page.get_attribute(f"[data-stage={stage}]", "data-value"))
        assert shown == pytest.approx(seconds, abs=1e-6)
    assert page.inner_text("[data-field=device]") == "on cpu"


def test_a_part_is_probed_where_it_lies(open_page: Open, result: Result, tmp_path: Path) -> None:
    write_page(tmp_path / "part.html", IMAGE, result, region=(40, 20, 90, 60), max_pixels=1500)
    page = open_page(tmp_path / "part.html")
    probe_at(page, 70, 41)
    x, y = int(page.input_value("#probe-x")), int(page.input_value("#probe-y"))
    assert abs(x - 70) <= 1
    assert abs(y - 41) <= 1
    assert [value(page, name) for name in "rgb"] == list(IMAGE[y, x])
    assert value(page, "alpha") == result.alpha[y, x]
    assert "every second pixel" in page.inner_text("[data-field=notice]")


def test_a_files_name_is_text(open_page: Open, result: Result, tmp_path: Path) -> None:
    name = "</script><img src=x onerror=document.title='run'><!--"
    write_page(tmp_path / "evil.html", IMAGE, result, name=name)
    page = open_page(tmp_path / "evil.html")
    assert page.inner_text("h1") == name
    assert page.title() == f"{name} - trimatte"
    assert page.locator("img").count() == 0


# --- hands ---


def split(page: Any) -> int:
    return int(page.get_attribute("[role=slider]", "aria-valuenow"))


def test_dragging_moves_the_split(open_page: Open) -> None:
    page = open_page()
    box = page.locator("#stage").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, middle, steps=3)
    assert split(page) == 25
    page.mouse.move(box["x"] - 50, middle)
    assert split(page) == 0
    page.mouse.up()
    page.mouse.move(box["x"] + box["width"] * 0.6, middle)
    assert split(page) == 0


def test_keys_move_split_and_probe(open_page: Open) -> None:
    page = open_page()
    page.focus("[role=slider]")
    for key, expected in [("ArrowLeft", 49), ("Shift+ArrowRight", 59), ("End", 100), ("Home", 0)]:
        page.keyboard.press(key)
        assert split(page) == expected
    page.focus("#picture")
    for key, expected in [
        ("ArrowRight", (81, 48)),
        ("Shift+ArrowDown", (81, 58)),
        ("ArrowUp", (81, 57)),
        ("Shift+ArrowLeft", (71, 57)),
    ]:
        page.keyboard.press(key)
        found = page.input_value("#probe-x"), page.input_value("#probe-y")
        assert tuple(map(int, found)) == expected
        assert [value(page, name) for name in "rgb"] == list(IMAGE[expected[1], expected[0]])
    page.mouse.move(*place_of(page, 3, 4))
    assert page.input_value("#probe-x") == "71", "it is held"
    page.keyboard.press("Escape")
    page.mouse.move(*place_of(page, 5, 4))
    assert page.input_value("#probe-x") == "5"
    page.keyboard.press("2")
    assert page.input_value("#left") == "binary"
    page.keyboard.press("x")
    assert page.input_value("#left") == "alpha"


def test_all_controls_are_reached_by_keyboard_and_named(open_page: Open) -> None:
    page = open_page()
    for element in page.locator(":is(button, input, select, [tabindex='0']):visible").all():
        named = element.evaluate(
            """(e) => e.getAttribute("aria-label") || e.textContent.trim() ||
                      [...e.labels ?? []].map((label) => label.textContent).join("").trim()"""
        )
        assert named, element.evaluate("(e) => e.outerHTML")
    seen = set()
    page.focus("#zoom-out")
    for _ in range(14):
        seen.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
        page.keyboard.press("Tab")
    assert {"zoom-in", "zoom-fit", "picture", "split", "left", "swap", "right"} <= seen


def test_a_touch_moves_the_probe(open_page: Open) -> None:
    page = open_page(viewport=NARROW, has_touch=True)
    for x, y in POINTS[4:7]:
        page.touchscreen.tap(*place_of(page, x, y))
        found = page.input_value("#probe-x"), page.input_value("#probe-y")
        assert np.abs(np.subtract(tuple(map(int, found)), (x, y))).max() <= 1
        at = int(found[1]), int(found[0])
        assert [value(page, name) for name in "rgb"] == list(IMAGE[at])


def test_the_wheel_zooms_where_it_is(open_page: Open) -> None:
    page = open_page()
    before = value(page, "zoom")
    page.mouse.move(*place_of(page, 100, 45))
    page.mouse.wheel(0, -500)
    settle(page)
    assert value(page, "zoom") > 1.5 * before
    page.mouse.move(*np.add(place_of(page, 100, 45), 0.01))
    assert (page.input_value("#probe-x"), page.input_value("#probe-y")) == ("100", "45")
    page.keyboard.press("0")
    settle(page)
    assert value(page, "zoom") == pytest.approx(before)


# --- looks ---


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["1440", "390"])
def test_it_fits_its_window(
    open_page: Open, tmp_path: Path, viewport: dict[str, int], scheme: str
) -> None:
    page = open_page(viewport=viewport, color_scheme=scheme)
    for preset in ("matte", "key", "trimap", "foreground", "cutout"):
        choose(page, "preset", preset)
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"], preset
    outside = page.evaluate(
        """() => [...document.querySelectorAll("main *")].filter((e) => {
            const box = e.getBoundingClientRect();
            return box.width > 1 && (box.right > innerWidth + 1 || box.left < -1);
        }).map((e) => e.outerHTML)"""
    )
    assert not outside
    page.screenshot(path=tmp_path / "shot.png")
    shot = read_image(tmp_path / "shot.png")
    corner = shot[-3, 3, :3].astype(int)
    assert np.ptp(corner) == 0, "greys are neutral"
    assert (corner[0] < 64) == (scheme == "dark")
    box = page.locator("#picture").bounding_box()
    x, y = place_of(page, 20, 40)
    assert np.abs(shot[int(y), int(x), :3] - IMAGE[40, 20].astype(int)).max() < 40
    assert box["height"] > 200


def test_text_stands_out(open_page: Open) -> None:
    """Contrast of 4.5 at least, as WCAG 2.2 has it (1.4.3, AA)."""
    script = """() => {
        const style = getComputedStyle(document.documentElement);
        const names = ["text", "dim", "accent", "failure", "panel", "surface", "on-accent"];
        return Object.fromEntries(names.map((name) => [name, style.getPropertyValue("--" + name)]));
    }"""

    def luminance(color: str) -> float:
        samples = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)], np.float32)
        return float(trimatte.to_linear(samples[None, None])[0, 0] @ [0.2126, 0.7152, 0.0722])

    for scheme in ("dark", "light"):
        colors = open_page(color_scheme=scheme).evaluate(script)
        pairs = [(a, b) for a in ("text", "dim", "failure") for b in ("panel", "surface")]
        for front, back in [*pairs, ("on-accent", "accent")]:
            low, high = sorted(luminance(colors[name]) for name in (front, back))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (scheme, front, back)


# --- with Python behind it ---


def test_the_page_runs_the_library_again(chromium: Any) -> None:
    with InspectorServer(Inspection(IMAGE, key_color="auto")) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        context = chromium.new_context(viewport=WIDE)
        page = context.new_page()
        page.set_default_timeout(60_000)
        try:
            page.goto(server.url)
            page.wait_for_selector("html[data-ready]")
            page.locator("#tolerance").fill("55")
            page.click("#take-key")
            page.fill("[name=radius-0]", "3")
            page.fill("[name=radius-1]", "1.5")
            page.select_option("[name=despill]", "")
            page.click("#options [type=submit]")
            page.wait_for_selector("#options [type=submit]:not([disabled])")
            assert page.inner_text("[data-field=failure]") == ""
            expected = Remover(
                model=None, key_color="green", tolerance=55, radius=(3, 1.5), despill=None
            )(IMAGE)
            for x, y in POINTS:
                probe_at(page, x, y)
                assert value(page, "alpha") == expected.alpha[y, x]
                assert value(page, "fg") == expected.foreground[y, x, 1]
            page.select_option("#right", "before")
            before = Remover(key_color="auto")(IMAGE).alpha
            shown = drawn(page, POINTS)[:, 0]
            assert np.abs(shown - [255.0 * before[y, x] for x, y in POINTS]).max() <= 1
            page.fill("[name=tolerance]", "900")
            page.click("#options [type=submit]")
            said = page.locator("[data-field=failure]:not(:empty)").inner_text()
            assert "tolerance must be" in said
            assert "900" in said
        finally:
            context.close()
            server.shutdown()
            thread.join()
