"""The builds of the Cython kernel: each conforms, all give the same bits, and GRADSTEP_ISA chooses one."""

from __future__ import annotations

import itertools

import numpy as np
import planted
import problems
import processes
import pytest
from availability import load_or_explain
from conformance import CHECKS
from kernel_calls import parameters, raw_sums, same_bits
from many_models import LABELS, WEIGHTS, random_models

from gradstep import KernelUnavailable, environment, processor, registry

NARROW_DTYPES = registry.KERNELS["cython"].narrow_dtypes


@pytest.fixture(params=processor.NAMES)
def build(request: pytest.FixtureRequest) -> planted.PlantedKernel:
    """Each build of the Cython kernel that this processor can run."""
    load_or_explain("cython")
    if request.param not in processor.supported():
        pytest.skip(f"this processor has no {request.param}")
    return planted.PlantedKernel(request.param, processor.load(request.param).partial_sums, True, NARROW_DTYPES)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_conformance(build, check):
    check(build)


# The sizes where the kernel switches paths, with one on each side: features, bytes of a row (1600 and 20000, in float64
# and float32), and rows in a group.
PATHS_OF_FEATURES = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 100)
PATHS_OF_ROW_BYTES = (200, 201, 400, 401, 1_001, 2_500, 2_501, 5_000, 5_001)
PATHS_OF_EXAMPLES = (1, 7, 8, 9, 31, 32, 33, 64, 127, 128, 129, 511, 512, 513, 1_025)
_FORMS = list(itertools.product(LABELS, WEIGHTS))
SHAPES = [
    *itertools.product(PATHS_OF_EXAMPLES, PATHS_OF_FEATURES),
    *itertools.product((1, 3, 4, 5, 8, 9, 32, 33), PATHS_OF_ROW_BYTES),
]


@pytest.mark.parametrize("build", processor.NAMES[1:], indirect=True)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("layout", ["C order", "F order", "row-strided", "F order, column-strided"])
def test_same_bits_as_the_baseline(build, dtype, layout):
    baseline = planted.PlantedKernel("baseline", processor.load("baseline").partial_sums)
    numbers = np.random.default_rng(0).standard_normal(max(m * n for m, n in SHAPES)).astype(dtype)
    for m, n in SHAPES:
        X = problems.LAYOUTS[layout](numbers[: m * n].reshape(m, n))
        y, weight = (np.abs(part) % 1 for part in (numbers[:m], numbers[-m:]))
        # Large enough for z both near 0 and far from it.
        theta = parameters((6 / n**0.5 * numbers[-n:]).astype(dtype), 0.1)
        for sample_weight, block_rows, direction in (
            (None, m, None),
            (weight, 100, None),
            (weight, m, theta + 1),
            (None, 9, theta + 1),
        ):
            results = [raw_sums(k, X, y, theta, block_rows, sample_weight, direction) for k in (build, baseline)]
            assert np.isfinite(results[1]).all()
            assert same_bits(*results), f"({m}, {n}), blocks of {block_rows} rows"


@pytest.mark.parametrize("build", processor.NAMES[1:], indirect=True)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_same_bits_of_several_models_as_the_baseline(build, dtype, order):
    baseline = planted.PlantedKernel("baseline", processor.load("baseline").partial_sums)
    shapes = [*itertools.product((1, 3, 4, 5, 9, 33), (1, 2, 3, 8, 17, 33)), (129, 4), (513, 3), (5, 401), (3, 2_501)]
    for number, (m, n) in enumerate(shapes):
        models = random_models(m, n, dtype, (2, 3, 4, 5, 8, 9, 33)[number % 7], *_FORMS[number % 6])
        for directed in (False, True):
            given = models.arguments(directed) | {"X": np.asarray(models.X, order=order)}
            results = [raw_sums(k, block_rows=64, **given) for k in (build, baseline)]
            assert same_bits(*results), f"{models.name}, directed {directed}"


def tuned(name: str) -> dict[str, planted.PlantedKernel]:
    """Each variant of a build, or a skipped test where this processor cannot run it."""
    load_or_explain("cython")
    if name not in processor.supported():
        pytest.skip(f"this processor has no {name}")
    return {
        variant: planted.PlantedKernel(variant, sums, True, NARROW_DTYPES)
        for variant, sums in processor.load(name).variants.items()
    }


@pytest.mark.parametrize("name", processor.NAMES)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "uint8", "int8"])
def test_rows_from_memory_have_the_same_bits_however_tuned(name, dtype):
    """X above 1 MiB, so that a variant may prefetch the next rows, which are adjacent or not."""
    baseline = planted.PlantedKernel("baseline", processor.load("baseline").partial_sums)
    variants = tuned(name)
    for n in (4, 8, 9, 16, 17, 40, 100, 201, 1_001, 3_001):
        m = (1 << 20) // (n * np.dtype(dtype).itemsize) + 13
        X = np.random.default_rng(n).integers(0, 100, (m, n)).astype(dtype)
        computed = np.float32 if dtype in ("float32", "float16") else np.float64
        y, w = (np.arange(m) % 2).astype(computed), (np.cos(np.arange(n)) / (9 * n**0.5)).astype(computed)
        for rows in (X, X[:, : n // 2]):
            theta = parameters(w[: rows.shape[1]], 0.1)
            expected = raw_sums(baseline, rows, y, theta, m // 2)
            assert np.isfinite(expected).all()
            for variant, kernel in variants.items():
                assert same_bits(raw_sums(kernel, rows, y, theta, m // 2), expected), f"{variant}, {rows.shape}"


@pytest.mark.parametrize("name", processor.NAMES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_models_curvature_and_weights_have_the_same_bits_however_tuned(name, order):
    variants = tuned(name)
    for number, (m, n) in enumerate([(1_030, 130), (300, 401), (70, 2_001), (50, 3)]):
        models = random_models(m, n, "float64", (1, 2, 5, 9)[number], *_FORMS[number])
        for directed in (False, True):
            given = models.arguments(directed) | {"X": np.asarray(models.X, order=order)}
            expected, *others = (raw_sums(kernel, block_rows=m // 2 + 1, **given) for kernel in variants.values())
            assert all(same_bits(expected, other) for other in others), f"({m}, {n}), directed {directed}"


def test_what_is_worth_trying_exists_in_a_build():
    """Each name of the table, whether or not this processor can run it."""
    load_or_explain("cython")
    for best, names in processor.WORTH_TRYING.items():
        assert names[0] == next(iter(processor.build(best).variants)), "the build's own function is the default"
        for name in names:
            assert name in processor.build(name.partition("-")[0]).variants


def test_the_environment_chooses():
    load_or_explain("cython")
    code = """
        from gradstep import registry
        print(registry.load("cython").partial_sums.__module__)
    """
    for name in processor.supported():
        assert processes.run(code, {"GRADSTEP_ISA": name}).strip() == processor.load(name).__name__


class Baseline:
    """A stand-in for the baseline build on some processor."""

    def __init__(self, names):
        self.instruction_sets_of_processor = lambda: names


@pytest.mark.parametrize("names", [["baseline"], ["baseline", "avx2"], ["baseline", "avx2", "avx512"]])
def test_the_best_instruction_set(monkeypatch, names):
    monkeypatch.delenv("GRADSTEP_ISA", raising=False)
    environment.variable.cache_clear()
    builds = dict.fromkeys(names) | {"baseline": Baseline(names)}
    monkeypatch.setattr(processor, "build", builds.__getitem__)
    assert processor.chosen() == (names[-1], "the best one that this processor has")
    environment.variable.cache_clear()


def test_an_unknown_instruction_set(monkeypatch):
    load_or_explain("cython")
    monkeypatch.setenv("GRADSTEP_ISA", "mmx")
    environment.variable.cache_clear()
    with pytest.raises(ValueError, match="^GRADSTEP_ISA is 'mmx'; it should be one of baseline, avx2, avx512$"):
        processor.chosen()


def test_an_instruction_set_that_the_processor_lacks(monkeypatch):
    load_or_explain("cython")
    monkeypatch.setattr(processor, "supported", lambda: ["baseline"])
    monkeypatch.setenv("GRADSTEP_ISA", "avx2")
    environment.variable.cache_clear()
    with pytest.raises(KernelUnavailable, match="GRADSTEP_ISA is 'avx2', but this processor has only baseline"):
        processor.chosen()
    with pytest.raises(KernelUnavailable, match="this processor has no avx512, only baseline"):
        processor.load("avx512")


def test_wide_rows(build):
    """More features than fit into a cache line, a page or the L1 cache."""
    for dtype in ("float64", "float32"):
        for m, n in ((5, 1_000), (3, 5_001)):
            problem = problems.random_problem(m, n, dtype)
            for order in ("C", "F"):
                problem.assert_right(problem.gradient(build, np.asarray(problem.X, order=order)), order)
