"""What is shown of a record by default: one grid and the verdict, on at most 30 lines of at most 80 columns."""

from __future__ import annotations

import io

import made_records
import pytest
import sample_records
from comparisons import shown, shown_in_short

from gradstep.compare.judge.findings import findings
from gradstep.compare.record.records import Conditions, LeftOut, Record, Result, changed
from gradstep.compare.show import overview
from gradstep.compare.show.console import PlainConsole

KERNELS = ("python", "numba", "cython", "numpy")
PEERS = ("numpy-formula", "numba-loop", "scikit-learn", "daal4py", "torch", "jax")


def quick(contenders: tuple[str, ...] = KERNELS) -> Record:
    """Return a record of the sizes of the quick preset, all of whose peers were timed."""
    data = sample_records.sample(m_list=[569], n_list=[30], problem="breast_cancer", contenders=contenders)
    grid = sample_records.sample(m_list=[100, 1000, 10_000, 100_000], n_list=[2, 10, 100], contenders=contenders)
    peers = {name: "1.0" for name in contenders if name in PEERS}
    return changed(grid, cells=[*data.cells, *grid.cells], peers=peers, notes=[])


def on_terminal(record: Record, width: int) -> list[str]:
    return shown_in_short(
        record, lambda m, n: "cython", force_terminal=True, color_system=None, width=width
    ).splitlines()


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("contenders", [KERNELS, (*KERNELS, *PEERS)])
def test_quick_preset_fits_on_30_lines_and_ends_with_the_verdict(contenders, width):
    lines = on_terminal(quick(contenders), width)
    assert len(lines) <= 30
    assert max(map(len, lines)) <= width
    assert lines[-1] == 'import gradstep; gradstep.step(X, y, w, b, alpha)  # kernel="auto" is cython'
    assert sum(line.split()[:2] in (["569", "30"], ["100,000", "100"]) for line in lines) == 2


def test_grid_has_the_time_and_how_many_times_faster():
    cell = made_records.cell(1000, 10, {"python": 1e-3, "cython": 1e-5, "numpy": 4e-3})
    cell = changed(cell, results=[*cell.results, Result("numba", "wrong", "off by 1e-3")])
    lines = shown_in_short(made_records.record(cell)).splitlines()
    assert lines[0] == "Time of one gradient-descent step, and how many times faster than python"
    assert lines[1] == "Random data; float64, C order, 1 thread"
    assert lines[2].split() == ["m", "n", "python", "cython", "numpy", "numba"]
    assert lines[4].split() == [
        "1,000", "10", "1.00", "ms", "10.0", "µs", "100×", "4.00", "ms", "4.0×", "slower", "wrong",
    ]  # fmt: skip


def test_row_without_the_base_says_so_and_compares_with_nothing_else():
    cells = [made_records.cell(m, 10, {"python": m * 1e-6, "cython": m * 1e-8, "numpy": m * 2e-8}) for m in (10, 100)]
    kept = [result for result in cells[1].results if result.contender != "python"]
    skipped = Result("python", "skipped", "about 1000 s expected", expected=1000.0)
    text = shown_in_short(made_records.record(cells[0], changed(cells[1], results=[skipped, *kept])))
    lines = text.splitlines()
    assert lines[4].split()[2:] == ["10.0", "µs", "100", "ns", "100×", "200", "ns", "50×"]
    assert lines[5].split()[2:] == ["skipped", "1.00", "µs", "2.00", "µs"]
    # Times stand below times.
    assert lines[5].index("1.00 µs") + len("1.00 µs") == lines[4].index("100 ns") + len("100 ns")
    assert "Not timed within --limit 20: python at m = 100." in lines


def test_narrow_screen_shows_the_kernels_beside_the_fastest_peer():
    def head(width: int) -> list[str]:
        return on_terminal(quick((*KERNELS, *PEERS)), width)[2].split()

    assert head(200) == ["m", "n", *KERNELS, *PEERS]
    assert head(80) == head(100) == ["m", "n", *KERNELS, "fastest", "peer"]
    rows = [line.split() for line in on_terminal(quick((*KERNELS, *PEERS)), 80) if line.split()[:2] == ["100", "2"]]
    medians = {
        result.contender: result.median
        for result in quick((*KERNELS, *PEERS)).cells[1].results
        if result.contender in PEERS
    }
    assert [row[-1] for row in rows] == [min(medians, key=medians.__getitem__)]


def test_many_kernels_on_a_narrow_screen_take_several_grids():
    names = ("python", *(f"name-{number}" for number in range(9)))
    lines = on_terminal(made_records.record(made_records.cell(100, 2, dict.fromkeys(names, 1e-3))), 80)
    assert max(map(len, lines)) <= 80
    heads = [line.split() for line in lines if line.split()[:1] == ["m"]]
    assert len(heads) > 1
    assert [name for head in heads for name in head[2:]] == list(names)


def test_conditions_that_vary_are_columns_and_the_others_stand_above():
    record = sample_records.sample(m_list=[100], threads=[1, None], dtypes=["float64", "float32"])
    lines = shown_in_short(record).splitlines()
    assert lines[1] == "Random data; C order"
    assert lines[2].split()[:4] == ["m", "n", "dtype", "threads"]
    assert lines[4].split()[:4] == ["100", "2", "float64", "1"]
    assert lines[-2].endswith("faster than NumPy.")


def test_data_of_one_size_is_told_apart_by_name():
    wine, other = (made_records.cell(178, 13, {"numpy": 1e-3}, problem=name, task=name) for name in ("wine", "beer"))
    lines = shown_in_short(made_records.record(wine, other)).splitlines()
    assert [line.split()[2] for line in lines[2:6] if "13" in line] == ["wine", "beer"]


def test_all_contenders_and_the_verdict_follow_the_details():
    lines = shown(quick((*KERNELS, *PEERS)), force_terminal=True, color_system=None, width=80).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("Time of one gradient-descent step"))
    heads = [line.split() for line in lines[start:] if line.split()[:2] == ["m", "n"]]
    assert [name for head in heads for name in head[2:]] == [*KERNELS, *PEERS]
    assert max(map(len, lines[start:])) <= 80
    assert lines[-1].startswith("import gradstep; ")


def test_record_of_nothing_says_so():
    machine = "Test processor, 2 of 2 cores, gradstep 0.1.0. More with --details."
    title = "Time of one gradient-descent step"
    lines = shown_in_short(made_records.record()).splitlines()
    assert lines == [title, "Nothing was measured", "", machine, "", "Nothing was timed."]


def test_what_the_budget_left_out_is_named_once_and_not_blamed_on_the_limit():
    record = quick()
    largest = record.cells[-1]
    results = [Result("python", "skipped", "5 s", expected=5.0), *largest.results[1:]]
    where = {name: getattr(largest, name) for name in Conditions.__struct_fields__}
    left = [
        LeftOut(**where, contender="python", cause="budget", reason="too long"),
        LeftOut(**{**where, "m": 10**9}, contender=None, cause="memory", reason="too large"),
    ]
    text = shown_in_short(changed(record, cells=[*record.cells[:-1], changed(largest, results=results)], left_out=left))
    assert "\nNot timed within the budget: python at 100,000 x 100.\n" in text
    assert "\nNot timed for lack of memory: everything at m = 1,000,000,000.\n" in text
    assert "--limit" not in text


def test_noise_and_what_is_left_out_are_said_before_the_verdict():
    record = changed(quick(), unavailable={"numba": "no numba. Fix: install it"}, notes=["wine is left out."])
    lines = on_terminal(record, 80)
    assert "no numba. Fix: install it" in lines
    assert "wine is left out." in lines
    several = changed(record, unavailable={"numba": "no numba", "jax": "no jax"})
    assert "numba and jax did not take part; --details says why." in on_terminal(several, 80)
    assert "no jax" in shown(several)


def test_output_in_ascii_has_other_signs_of_the_same_width():
    def lines(encoding: str) -> list[str]:
        console = PlainConsole()
        console.file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        with console.capture() as captured:
            overview.show(findings(quick()), console)
        return captured.get().splitlines()

    ascii_lines, others = lines("ascii"), lines("utf-8")
    assert all(line.isascii() for line in ascii_lines)
    rows = [(one, other) for one, other in zip(ascii_lines, others, strict=True) if "×" in other]
    assert len(rows) > 13
    # Rich draws the lines between columns where a table in ASCII has no others.
    assert all(one.replace("|", " ") == other.replace("×", "x").replace("µ", "u") for one, other in rows)
