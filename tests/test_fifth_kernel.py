"""A fifth kernel is one file and one entry in the registry: everything else finds it there."""

from __future__ import annotations

import importlib
import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import problems
import pytest
from command_line import UNHURRIED, Command
from conformance import CHECKS

import gradstep
from gradstep import Kernel, registry
from gradstep.compare.measure import presets
from gradstep.compare.record import records
from gradstep.registry import KERNELS, Entry
from tools.dashboard import page as start_page
from tools.dashboard.results import AXES, MEASURES, Commit, History, Measured, Point, Row

NAME = "fifth"
COLOUR = "#4B3A8F"

# The whole of the kernel's file.
SOURCE = '''
"""The formula in NumPy; each row is summed by itself, so that a block has the same bits wherever it lies."""

import numpy as np


def partial_sums(X, y, theta, block_rows, out, sample_weight=None, direction=None):
    """Write the sums of each block and model.

    Examples
    --------
    >>> out = np.empty((1, 1, 3))
    >>> partial_sums(np.ones((1, 1)), np.ones(1), np.zeros((1, 2)), 1, out)
    >>> out[0, 0, :2]
    array([-0.5, -0.5])
    """
    with np.errstate(all="ignore"):
        for block, sums_of_block in enumerate(out):
            rows = slice(block * block_rows, (block + 1) * block_rows)
            x = X[rows].astype(np.float64)
            for j, sums in enumerate(sums_of_block):
                label, c = (_of_model(values, j, rows) for values in (y, sample_weight))
                slopes, lasts = _terms(x, label, theta[j], None if direction is None else direction[j])
                lasts = np.where((label >= 0.0) & (label <= 1.0) & (c >= 0.0), lasts, np.nan)
                sums[:-2] = ((c * slopes)[:, None] * x).sum(axis=0)
                sums[-2:] = (c * slopes).sum(), (c * lasts).sum()


def _terms(x, label, theta, v):
    z = _scores(x, theta)
    e = np.exp(-np.abs(z))
    q = e / (1.0 + e)
    if v is not None:
        u = _scores(x, v)
        return q / (1.0 + e) * u, q / (1.0 + e) * u * u
    dz = np.where(z >= 0.0, (1.0 - label) - q, q - label)
    return dz, (np.maximum(z, 0.0) - label * z) + np.log1p(e)


def _scores(x, theta):
    return (x * theta[:-1].astype(np.float64)).sum(axis=1) + float(theta[-1])


def _of_model(values, j, rows):
    if values is None:
        return np.array(1.0)
    return (values if values.ndim == 1 else values[j])[rows].astype(np.float64)
'''


@pytest.fixture(scope="module")
def fifth(tmp_path_factory: pytest.TempPathFactory):
    """Put a fifth kernel, in a package of its own, into the registry; return it loaded."""
    folder = tmp_path_factory.mktemp("package")
    package = folder / "package_of_the_fifth_kernel"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "formula.py").write_text(SOURCE, encoding="utf-8")
    entry = Entry(
        load_module=partial(importlib.import_module, "package_of_the_fifth_kernel.formula"),
        releases_gil=True,
        summary="the formula in NumPy, in a package of its own",
        fix="install the package",
        colour=COLOUR,
        marker="P",
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(folder)
        patched.setitem(KERNELS, NAME, entry)
        yield registry.load(NAME)
    registry.load.cache_clear()


def test_gradient(fifth: Kernel):
    problem = problems.random_weighted_problem(65, 8)
    problem.assert_right(problem.gradient(NAME))
    X = np.random.default_rng(0).standard_normal((400_000, 2))
    y = (X[:, 0] > 0).astype(float)
    one, several = (gradstep.gradient(X, y, [1.0, 2.0], 0.5, kernel=NAME, threads=threads) for threads in (1, 3))
    assert (one.J, one.dw.tolist(), one.db) == (several.J, several.dw.tolist(), several.db)
    assert gradstep.available()[NAME] is None


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_conformance(fifth: Kernel, check):
    check(fifth)


@pytest.mark.usefixtures("fifth")
def test_messages_and_info_name_it(command: Command):
    with pytest.raises(ValueError, match=f"'numpy', '{NAME}'$"):
        gradstep.gradient([[1.0]], [1], [0.0], 0.0, kernel="nosuch")
    assert f"kernel {NAME}" in command("info").out
    assert KERNELS[NAME].summary in command("info").out


@pytest.mark.usefixtures("fifth")
def test_fit(command: Command, separable: Path):
    outcome = command("fit", separable, "--label", "state", "--positive", "ill", "--standardize", "--kernel", NAME)
    assert (outcome.code, outcome.err) == (0, "")


@pytest.mark.usefixtures("fifth")
def test_presets_have_it():
    assert all(preset.kernels[-1] == NAME for preset in presets.PRESETS.values())


@pytest.mark.usefixtures("fifth", "no_added_rounds")
def test_compare_with_report_and_pictures(command: Command, tmp_path: Path):
    record, page, pictures = tmp_path / "run.json", tmp_path / "run.html", tmp_path / "pictures"
    sizes = ("--m", "50,100,200", "--n", "2,5", "--rounds", 3, "--kernels", f"numpy,{NAME}", *UNHURRIED)
    outcome = command("compare", *sizes, "--quiet", "--json", record, "--html", page, "--plot", pictures)
    assert (outcome.code, outcome.err) == (0, "")
    assert any(line.split() == ["m", "n", "numpy", NAME] for line in outcome.out.splitlines())
    cells = records.load(record).cells
    assert {result.status for cell in cells for result in cell.results if result.contender == NAME} == {"timed"}
    assert COLOUR in page.read_text(encoding="utf-8")
    drawn = [path for path in pictures.glob("*.svg") if COLOUR.lower() in path.read_text(encoding="utf-8").lower()]
    assert drawn


@pytest.mark.usefixtures("fifth")
def test_start_page_of_the_dashboard():
    measured = Measured(Commit(1, "0123456789abcdef", "01234567 2026-01-01", ""), dict(_points()))
    page = start_page.render("gradstep", [History("a machine", [measured])])
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])
    (shown,) = data["histories"][0]["commits"]
    for chart in shown["charts"]:
        (line,) = [trace for trace in chart if trace.get("name") == NAME]
        assert line["line"]["color"] == f"var(--c-{COLOUR[1:]})"
    assert f"--c-{COLOUR[1:]}:{COLOUR}" in page
    (exponents,) = shown["exponents"]
    assert all(row[exponents["head"].index(NAME)] != "–" for row in exponents["rows"])


def _points():
    """Yield made-up results of every kernel, as asv would have them."""
    for axis in AXES:
        for kernel in KERNELS:
            yield Row(axis.exponent, kernel, 100, 0), Point(1.0, None, None, ())
            for measure in MEASURES:
                for size in (100, 1_000, 10_000):
                    samples = tuple(1e-9 * size * factor for factor in (1.0, 1.1, 1.2))
                    row = Row(f"{axis.suite}.{measure.benchmark}", kernel, 100, size)
                    yield row, Point(samples[1], samples[0], samples[2], samples)
