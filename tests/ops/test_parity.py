"""Every operation against its definition in tests/reference, over the cases of cases.py."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import trimatte
from tests import cases, reference
from tests.cases import CASES, LAYOUTS, Array, Case
from tests.reference.matting import laplacian
from tests.reference.trimap import erode_square

by_id = pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])


def make_arguments(case: Case, height: int, width: int) -> tuple[Any, ...]:
    """The case's arguments; the same ones whichever tests run, and in whichever order."""
    rng = np.random.default_rng([zlib.crc32(case.id.encode()), height, width])
    return case.make(rng, height, width)


def run(case: Case, arguments: tuple[Any, ...], **options: Any) -> list[Array]:
    """The operation's results, as a list even if there is one; options are beside the case's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", trimatte.TrimapWarning)
        result = case.call(case.function, arguments, **case.options, **options)
    return list(result) if isinstance(result, tuple) else [result]


def expected(case: Case, arguments: tuple[Any, ...]) -> list[Array]:
    """The definition's results; that of alpha knows nothing of quality, for it is exact."""
    options = dict(case.options)
    if case.operation == "estimate_alpha":
        options.pop("quality", None)
    result = case.call(reference.definition(case.operation), arguments, **options)
    return list(result) if isinstance(result, tuple) else [result]


def assert_parity(case: Case, results: list[Array], definitions: list[Array]) -> None:
    """Results of one call against the definition's, within the case's tolerance."""
    assert len(results) == len(definitions)
    for result, definition in zip(results, definitions, strict=True):
        assert isinstance(result, np.ndarray)
        assert result.shape == definition.shape
        # Alpha is estimated as float32 and defined in float64.
        wanted = np.float32 if case.operation == "estimate_alpha" else definition.dtype
        assert result.dtype == wanted
        if result.size == 0:
            continue
        difference = np.abs(result.astype(np.float64) - definition.astype(np.float64))
        error = difference.mean() if case.mean else difference.max()
        where = np.unravel_index(difference.argmax(), difference.shape)
        assert error <= case.atol, (
            f"{result.shape}: off by {error:g}, most at {where}: "
            f"{result[where]} instead of {definition[where]}"
        )


@by_id
def test_operation_is_its_definition(case: Case) -> None:
    for height, width in case.shapes():
        arguments = make_arguments(case, height, width)
        assert_parity(case, run(case, arguments), expected(case, arguments))


@by_id
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_memory_layout_does_not_matter(case: Case, layout: Callable[[Array], Array]) -> None:
    arguments = make_arguments(case, 11, 211)  # wide enough for the widest vectors
    plain = run(case, arguments)
    laid_out = cases.with_layout(layout, arguments)
    for result, same in zip(plain, run(case, laid_out), strict=True):
        np.testing.assert_array_equal(result, same)


@by_id
def test_inputs_are_left_alone(case: Case) -> None:
    arguments = make_arguments(case, 23, 34)
    copies = cases.with_layout(np.copy, arguments)
    results = run(case, arguments)
    for argument, copy in zip(arguments, copies, strict=True):
        if isinstance(argument, np.ndarray):
            np.testing.assert_array_equal(argument, copy)
            assert not any(np.shares_memory(argument, result) for result in results)


@pytest.mark.parametrize("quality", ["fast", "balanced", "exact"])
@pytest.mark.parametrize("dtype", cases.DTYPES)
def test_known_pixels_stay_exactly_known(quality: str, dtype: str) -> None:
    rng = np.random.default_rng(5)
    for height, width in (*cases.SIZES["tiny"], *cases.SIZES["line"], *cases.SIZES["odd"]):
        image, trimap = cases.a_photo_and_trimap(dtype)(rng, height, width)
        alpha = trimatte.estimate_alpha(image, trimap, quality=quality)
        np.testing.assert_array_equal(alpha[trimap == 0], np.float32(0.0))
        np.testing.assert_array_equal(alpha[trimap == 255], np.float32(1.0))
        assert np.all((alpha >= 0.0) & (alpha <= 1.0))


def test_values_between_26_and_229_are_unknown() -> None:
    image, trimap = cases.a_photo_and_trimap("uint8")(np.random.default_rng(6), 24, 27)
    plain = trimatte.estimate_alpha(image, trimap)
    for value in (26, 102, 229):
        other = np.where(trimap == 128, value, trimap).astype(np.uint8)
        np.testing.assert_array_equal(trimatte.estimate_alpha(image, other), plain)
    known = trimatte.estimate_alpha(image, np.where(trimap == 128, 25, trimap).astype(np.uint8))
    np.testing.assert_array_equal(known, trimap == 255)
    known = trimatte.estimate_alpha(image, np.where(trimap == 128, 230, trimap).astype(np.uint8))
    np.testing.assert_array_equal(known, trimap != 0)


@pytest.mark.parametrize("quality", ["fast", "balanced", "exact"])
@pytest.mark.parametrize(
    ("known", "alpha"),
    [(None, 0.5), (0, 0.0), (255, 1.0)],
    ids=["none", "background", "foreground"],
)
def test_one_sided_trimaps(quality: str, known: int | None, alpha: float) -> None:
    for height, width in ((1, 1), (2, 5), (40, 33)):
        image = cases.noise(np.random.default_rng(7), height, width, 3, "uint8")
        trimap = np.full((height, width), 128, dtype=np.uint8)
        if known is not None:
            trimap[:, 0] = known
        result = trimatte.estimate_alpha(image, trimap, quality=quality)
        np.testing.assert_allclose(result, alpha, atol=1e-6)


def test_known_trimap_is_returned_as_alpha() -> None:
    trimap = np.array([[0, 255, 255], [255, 0, 0]], dtype=np.uint8)
    image = np.zeros((2, 3, 3), dtype=np.uint8)
    alpha, info = trimatte.estimate_alpha(image, trimap, return_info=True)
    np.testing.assert_array_equal(alpha, trimap / np.float32(255))
    assert info.unknown == 0


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("softness", [0.0, 40.0])
@pytest.mark.parametrize("key_color", ["green", "blue", "red"])
def test_probe_agrees_with_the_key(dtype: str, softness: float, key_color: str) -> None:
    image = cases.noise(np.random.default_rng(8), 11, 13, 3, dtype)
    options: dict[str, Any] = {"key_color": key_color, "tolerance": 25.0, "softness": softness}
    alpha = trimatte.chroma_key(image, dtype="float32", **options)
    for y, x in np.ndindex(alpha.shape):
        probe = trimatte.probe(image, x, y, **options)
        assert probe.alpha == pytest.approx(alpha[y, x], abs=1e-6)
        assert probe.keyed == (alpha[y, x] == 0.0)
        assert (probe.x, probe.y, probe.key) == (x, y, key_color)
        assert "\n" not in str(probe)


def test_radius_that_leaves_nothing_is_reduced_with_a_warning() -> None:
    mask = np.zeros((40, 50), dtype=np.uint8)
    mask[15:22, 20:33] = 255
    with pytest.warns(trimatte.TrimapWarning, match="foreground"):
        trimap = trimatte.make_trimap(mask, 10)
    # The middle row of 7 is 4 pixels from the nearest background, and so are 13 - 6 of its pixels.
    assert np.count_nonzero(trimap == 255) == 7
    np.testing.assert_array_equal(trimap, reference.definition("make_trimap")(mask, 10))


def test_reduced_radius_is_the_largest_that_keeps_some() -> None:
    for seed in range(100):
        rng = np.random.default_rng(seed)
        height, width = rng.integers(5, 48, 2)
        mask = cases.coarse_mask(rng, height, width, "uint8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", trimatte.TrimapWarning)
            trimap = trimatte.make_trimap(mask, 30)
        np.testing.assert_array_equal(trimap, reference.definition("make_trimap")(mask, 30))


def test_radius_that_leaves_some_does_not_warn() -> None:
    mask = np.zeros((40, 50), dtype=np.uint8)
    mask[10:30, 15:35] = 255
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trimatte.make_trimap(mask, 9)
        trimatte.make_trimap(np.zeros_like(mask), 9)
        trimatte.make_trimap(np.full_like(mask, 255), 1e9)


# The definitions themselves, against the programs that they restate -------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9, 10])
@pytest.mark.parametrize("outside", [False, True])
def test_square_erosion_is_scipys(size: int, outside: bool) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    sure = np.random.default_rng(size).random((23, 31)) < 0.97
    definition = erode_square(sure, size, outside=outside)
    structure = np.ones((size, size))
    scipys = ndimage.binary_erosion(sure, structure=structure, border_value=int(outside))
    np.testing.assert_array_equal(definition, scipys)


def test_laplacian_is_pymattings() -> None:
    cf_laplacian = pytest.importorskip("pymatting").cf_laplacian
    image, _ = cases.photo(np.random.default_rng(9), 13, 11)
    theirs = cf_laplacian(image).toarray()
    np.testing.assert_allclose(laplacian(image), theirs, atol=1e-6 * np.abs(theirs).max())


def test_dense_alpha_is_pymattings() -> None:
    estimate_alpha_cf = pytest.importorskip("pymatting").estimate_alpha_cf
    for seed, (height, width) in enumerate(cases.SIZES["solve"]):
        rng = np.random.default_rng(seed)
        image, trimap = cases.a_photo_and_trimap("float32")(rng, height, width)
        theirs = estimate_alpha_cf(image.astype(np.float64), trimap / 255.0)
        ours = reference.definition("estimate_alpha")(image, trimap)
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("quality", ["fast", "balanced"])
def test_foreground_before_a_plate(dtype: str, quality: str) -> None:
    for height, width, channels in ((1, 1, 3), (1, 9, 4), (67, 5, 3), (131, 150, 4)):
        rng = np.random.default_rng(height)
        image, alpha = cases.a_photo_and_alpha(dtype, "float32")(rng, height, width)
        plate = cases.noise(rng, height, width, channels, dtype)
        options = {"background": plate, "quality": quality, "return_background": True}
        results = trimatte.estimate_foreground(image, alpha, **options)
        definitions = reference.definition("estimate_foreground")(image, alpha, **options)
        atol = {"uint8": 1.0, "uint16": 2.0, "float32": 2e-5}[dtype]
        for result, definition in zip(results, definitions, strict=True):
            np.testing.assert_allclose(result, definition.astype(np.float64), rtol=0, atol=atol)
        np.testing.assert_array_equal(results[1], plate[..., :3])


def test_foreground_is_close_to_pymattings() -> None:
    estimate_foreground_ml = pytest.importorskip("pymatting").estimate_foreground_ml
    image, alpha = cases.photo(np.random.default_rng(10), 96, 120)
    theirs = estimate_foreground_ml(image, alpha)
    ours = reference.definition("estimate_foreground")(image, alpha)
    # Another sweep order and another pyramid: the same equations, not the same numbers.
    visible = alpha[..., None] * np.abs(ours - theirs)
    assert visible[(alpha > 0.0) & (alpha < 1.0)].mean() < 0.02
