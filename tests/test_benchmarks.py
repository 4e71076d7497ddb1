"""The asv suite: every body runs, what it needs is there, and the configuration is right."""

import functools
import importlib
import inspect
import itertools
import json
import math
import pickle
import pkgutil
import re
import timeit
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from processes import run

import gradstep
from benchmarks import internals, models, problems, scaling
from benchmarks.problems import KERNEL_NAMES, Case, Shelf

ROOT = Path(__file__).parents[1]
PREFIXES = ("time_", "timeraw_", "track_", "peakmem_")

# Prints for how many types of arguments Numba's kernel was compiled: once the suite is imported, and once every
# combination of parameters has run, on arrays of four elements.
COUNT_SIGNATURES = """
import os, sys, tempfile
sys.path[:0] = [{root!r}, {tests!r}]
from test_benchmarks import benchmarks_of_the_suite, four_elements
from gradstep.kernels import numba_loop

suite = [each for each in benchmarks_of_the_suite() if each.kind == "time"]
print(len(numba_loop._sums.signatures))
four_elements()
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for benchmark in suite:
        cache = benchmark.setup_cache()
        for arguments in benchmark.combinations():
            if "numba" in arguments:
                benchmark.body(cache, *arguments)
    os.chdir(os.path.dirname(folder))
print(len(numba_loop._sums.signatures))
"""


@dataclass
class Benchmark:
    """One benchmark as asv sees it: attributes of the function hide those of the class."""

    suite: type
    name: str

    def __str__(self):
        return f"{self.suite.__module__.removeprefix('benchmarks.')}.{self.suite.__name__}.{self.name}"

    @property
    def kind(self):
        return self.name.split("_")[0]

    @property
    def body(self):
        return getattr(self.suite(), self.name)

    @property
    def params(self):
        return self.attribute("params", ())

    @property
    def setup_cache(self):
        return self.attribute("setup_cache", None)

    def attribute(self, name, default=None):
        for source in (getattr(self.suite, self.name), self.suite()):
            if hasattr(source, name):
                return getattr(source, name)
        return default

    def combinations(self):
        skipped = set(self.attribute("skip_params", ()))
        return [each for each in itertools.product(*self.params) if each not in skipped]

    def smallest(self):
        """Return the combinations with the least of each number, and all names."""
        least = [[min(values)] if all(isinstance(value, int) for value in values) else values for values in self.params]
        return [each for each in itertools.product(*least) if each in set(self.combinations())]

    def call(self, cache, arguments):
        return self.body(*arguments) if cache is None else self.body(cache, *arguments)


def benchmarks_of_the_suite():
    package = importlib.import_module("benchmarks")
    modules = [importlib.import_module(f"benchmarks.{found.name}") for found in pkgutil.iter_modules(package.__path__)]
    return [
        Benchmark(suite, name)
        for module in modules
        for _, suite in inspect.getmembers(module, inspect.isclass)
        if suite.__module__ == module.__name__
        for name, _ in inspect.getmembers(suite, inspect.isfunction)
        if name.startswith(PREFIXES)
    ]


def four_elements():
    """Make the arrays of every case as small as possible, of its dtype and order."""
    make = Case.make
    Case.make = lambda case: make(Case(2, 2, case.dtype, case.order))


SUITE = benchmarks_of_the_suite()
every_benchmark = pytest.mark.parametrize("benchmark_", SUITE, ids=str)
UNAVAILABLE = {kernel: reason for kernel, reason in gradstep.available().items() if reason is not None}


def skip_unavailable(*names):
    for name in names:
        if name in UNAVAILABLE:
            pytest.skip(UNAVAILABLE[name])


class ShelfOnDemand(Shelf):
    """Makes only what is requested, where `setup_cache` would make everything."""

    def __getitem__(self, case):
        self.put([case])
        return self.load(case)


class TimesOnDemand(dict):
    """Measures only what is requested, where `setup_cache` would measure everything."""

    def __missing__(self, case):
        self[case] = scaling.measure([case])[case]
        return self[case]


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    """The argument of each kind of benchmark; each case that is tracked is measured once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scaling, "TRACKED_ROUNDS", 1)
        shelf, times = ShelfOnDemand(tmp_path_factory.mktemp("shelf")), TimesOnDemand()
        yield {"time": shelf, "peakmem": shelf, "track": times, "timeraw": None}


@every_benchmark
def test_body_runs_at_its_smallest_size(benchmark_, caches):
    smallest = benchmark_.smallest()
    assert smallest
    if "kernel" in benchmark_.attribute("param_names", ()):
        assert {arguments[0] for arguments in smallest} >= set(benchmark_.params[0])
    if benchmark_.kind == "track":
        skip_unavailable(*gradstep.available())
    for arguments in smallest:
        if UNAVAILABLE.keys() & set(arguments):
            continue
        result = benchmark_.call(caches[benchmark_.kind], arguments)
        if benchmark_.kind == "track":
            assert math.isfinite(result) and result > 0, arguments
        elif benchmark_.kind == "timeraw":
            statement, setup = result if isinstance(result, tuple) else (result, "")
            run(f"{setup}\n{statement}\nassert 'gradstep' in globals()")


@every_benchmark
def test_setup_cache_leaves_what_every_combination_needs(benchmark_, tmp_path, monkeypatch):
    if benchmark_.setup_cache is None:
        assert benchmark_.kind == "timeraw"
        return
    skip_unavailable(*gradstep.available())
    make = Case.make
    monkeypatch.setattr(Case, "make", lambda case: make(Case(2, 2, case.dtype, case.order)))
    monkeypatch.setattr(scaling, "TRACKED_ROUNDS", 1)
    monkeypatch.setattr(scaling, "TRACKED_SECONDS", 0.0)
    monkeypatch.chdir(tmp_path)
    # asv hands it to other processes like this.
    cache = pickle.loads(pickle.dumps(benchmark_.setup_cache()))
    assert benchmark_.combinations()
    for arguments in benchmark_.combinations():
        benchmark_.call(cache, arguments)


@every_benchmark
def test_benchmark_is_declared_as_asv_needs_it(benchmark_):
    assert not hasattr(benchmark_.suite, "setup"), "asv would make one call per sample"
    assert isinstance(benchmark_.attribute("version"), str), (
        "to be set by hand: an edited comment would hide its history"
    )
    assert len(benchmark_.params) == len(benchmark_.attribute("param_names", ()))
    if "kernel" in benchmark_.attribute("param_names", ()):
        assert benchmark_.attribute("param_names")[0] == "kernel"
        assert set(benchmark_.params[0]) <= set(gradstep.available())
    if benchmark_.kind == "track":
        assert isinstance(benchmark_.attribute("unit"), str)
    if benchmark_.kind in ("time", "timeraw"):
        repeat = benchmark_.attribute("repeat")
        # A compilation takes seconds, so timeraw takes fewer samples there, as benchmarks/README.md says.
        samples = repeat if isinstance(repeat, int) else repeat[0 if benchmark_.kind == "time" else 1]
        assert benchmark_.attribute("rounds") * samples >= 6, "asv's test of significance needs six samples"
    for skipped in benchmark_.attribute("skip_params", ()):
        assert skipped in set(itertools.product(*benchmark_.params))


def test_names():
    """By which results of earlier commits and the page of scaling find them."""
    assert {str(each) for each in SUITE} == {
        "curvature.Curvature.time_objective",
        "layouts.Layouts.time_step",
        "memory.Memory.peakmem_reference",
        "memory.Memory.peakmem_step",
        "models.Models.time_step",
        "scaling.ExponentInM.track_exponent_in_m",
        "scaling.ExponentInN.track_exponent_in_n",
        "scaling.InM.time_step",
        "scaling.InM.track_bandwidth",
        "scaling.InM.track_floor_ratio",
        "scaling.InM.track_speedup_over_numpy",
        "scaling.InN.time_step",
        "scaling.InN.track_bandwidth",
        "scaling.InN.track_floor_ratio",
        "scaling.InN.track_speedup_over_numpy",
        "startup.FirstCall.timeraw_first_call",
        "startup.Import.timeraw_import",
        "threads.Threads.time_step",
    }


@pytest.mark.parametrize(
    ("suite", "case_of", "least", "most"),
    [
        (scaling.InM, lambda n, log10_m: (n, 10**log10_m), 10**2, 10**6),
        (scaling.InN, lambda m, log10_n: (m, 10**log10_n), 10**0, 10**4),
    ],
    ids=["in m", "in n"],
)
def test_series_reach_as_far_as_they_should(suite, case_of, least, most):
    benchmark = Benchmark(suite, "time_step")
    series = {}
    for kernel, *others in benchmark.combinations():
        fixed, size = case_of(*others)
        assert 8 * fixed * size <= problems.MOST_BYTES
        series.setdefault((kernel, fixed), []).append(size)
    assert len({fixed for _, fixed in series}) >= 2
    for (kernel, fixed), sizes in series.items():
        # A single size has no slope.
        assert len(sizes) >= 2
        assert min(sizes) == least
        # One step further would exceed a bound.
        bound = problems.MOST_PYTHON_ELEMENTS if kernel == "python" else problems.MOST_BYTES // 8
        assert max(sizes) == most or fixed * max(sizes) * 10 > bound, (kernel, fixed)
    assert {kernel for (kernel, _), sizes in series.items() if max(sizes) == most} >= {"numba", "cython", "numpy"}


def test_compilation_is_over_before_the_first_timing():
    """In a fresh interpreter: here, other tests may have compiled the kernel already."""
    skip_unavailable("numba", "cython")
    output = run(COUNT_SIGNATURES.format(root=str(ROOT), tests=str(ROOT / "tests")))
    imported, timed = map(int, output.split())
    assert imported == timed > 0


def test_peak_memory_has_a_reference_of_the_same_arrays():
    by_name = {each.name: each for each in SUITE}
    step, reference = by_name["peakmem_step"], by_name["peakmem_reference"]
    assert list(step.params[1]) == list(reference.params[0])
    assert step.attribute("setup_cache").__func__ is reference.attribute("setup_cache").__func__


@pytest.mark.parametrize("name", ["models.Models.time_step", "curvature.Curvature.time_objective"])
def test_commit_that_lacks_what_is_measured_is_skipped(name, caches, monkeypatch):
    """asv makes NaN, a skip, of this exception, and None, a failure, of any other."""
    marks = pytest.importorskip("asv_runner.benchmarks.mark", reason="asv is in the extra bench")
    monkeypatch.setattr(internals, "SERVES_MODELS_AND_CURVATURE", False)
    (benchmark,) = [each for each in SUITE if str(each) == name]
    with pytest.raises(marks.SkipNotImplemented):
        benchmark.call(caches["time"], benchmark.smallest()[0])


def test_every_model_is_another_one():
    examples = models.several(Case(7, 3).make(), 33)
    steps = problems.step(examples, "numpy")
    assert steps.w.shape == (3, 33)
    assert len(set(steps.J.tolist())) == 33


@pytest.mark.parametrize(
    "case", [Case(7, 3), Case(7, 3, "float32", "F"), Case(7, 3, "float16"), Case(7, 3, "uint8", "F")]
)
def test_shelf_keeps_every_bit_and_the_layout(case, tmp_path):
    made = case.make()
    found = Shelf(tmp_path).put([case])[case]
    assert made.X.shape == (case.m, case.n) and made.X.dtype == case.dtype
    assert made.X.flags.f_contiguous == (case.order == "F")
    for one, other in zip(made, found, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    assert found.X.strides == made.X.strides


def test_shelf_names_what_it_does_not_have(tmp_path):
    with pytest.raises(FileNotFoundError, match="7-3-float64-C-X"):
        Shelf(tmp_path)[Case(7, 3)]


TIMES = {"cython": 2e-4, "numpy": 8e-4, "read limit": 1e-4}


def test_what_is_tracked():
    assert scaling.over_read_limit(TIMES, "cython") == pytest.approx(2.0)
    assert scaling.bandwidth(Case(1000, 100), TIMES, "cython") == pytest.approx(4.0)
    assert scaling.speedup_over_numpy(TIMES, "cython") == pytest.approx(4.0)
    # The first one has no effect: only the last three count.
    assert scaling.exponent([1, 10, 100, 1000], [9.0, 1.0, 10.0, 100.0]) == pytest.approx(1.0)
    assert scaling.exponent([10, 1000], [2.0, 2.0]) == pytest.approx(0.0, abs=1e-12)


def test_times_are_those_of_one_call(monkeypatch):
    """By a clock that each step advances by a second, and each reading of X by a quarter."""
    now = [0.0]

    def advance(seconds):
        now[0] += seconds

    monkeypatch.setattr(scaling, "step", lambda examples, kernel: advance(1.0 + KERNEL_NAMES.index(kernel)))
    monkeypatch.setattr(scaling, "ReadLimit", lambda X: lambda: advance(0.25))
    monkeypatch.setattr(scaling, "Timer", functools.partial(timeit.Timer, timer=lambda: now[0]))
    monkeypatch.setattr(scaling, "TRACKED_SECONDS", 10.0)
    case = Case(2, 2)
    expected = {kernel: 1.0 + index for index, kernel in enumerate(KERNEL_NAMES)} | {scaling.READ_LIMIT: 0.25}
    assert scaling.measure([case]) == {case: expected}


def configuration(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))


def test_two_configurations_differ_in_versions_alone():
    default, versions = configuration("asv.conf.json"), configuration("asv.versions.conf.json")
    wanted = {name: versions["matrix"]["req"].pop(name) for name in ("numpy", "numba")}
    for name, several in wanted.items():
        assert default["matrix"]["req"].pop(name) == [""]
        assert len(set(several)) == 2 and "" in several
    assert versions.pop("exclude") and "exclude" not in default
    assert default == versions


def test_environment_holds_what_the_package_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    build = {re.split(r"\W", each)[0].lower() for each in project["build-system"]["requires"]}
    extras = project["project"]["optional-dependencies"]
    listed = [*project["project"]["dependencies"], *extras["numba"], *extras["compare"]]
    # The suite draws its data itself and judges nothing.
    needed = {re.split(r"[^\w-]", each)[0].lower() for each in listed} - {"gradstep", "scikit-learn", "scipy"}
    # With NumPy in it, pip would build and run with another version than the matrix names.
    assert "numpy" not in build
    matrix = configuration("asv.conf.json")["matrix"]
    assert set(matrix["req"]) == needed | build | {"threadpoolctl"}
    assert all(threads == ["1"] for threads in matrix["env_nobuild"].values())


def test_readme_names_every_benchmark():
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for each in SUITE:
        assert f"`{each}`" in text or f"`...{each.name}`" in text, each


def test_make_has_every_target_that_is_called():
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for path in [ROOT / ".ci" / "run", *(ROOT / ".github" / "workflows").glob("*.yml")]:
        called = re.findall(
            r"^\s*(?:- run: )?make (?:--silent )?([a-z-]+)", path.read_text(encoding="utf-8"), re.MULTILINE
        )
        assert set(called) <= targets, path
