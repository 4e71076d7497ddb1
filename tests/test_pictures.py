"""The pictures of a record: what is drawn, what is left out and why, and that no words overlap."""

from __future__ import annotations

import itertools
import re
from importlib import resources

import pytest
import sample_records
from drawn_words import check_words, words_in
from matplotlib.image import imread

from gradstep import registry
from gradstep.compare.judge import series
from gradstep.compare.judge.findings import findings
from gradstep.compare.judge.series import CannotDraw
from gradstep.compare.measure import peers
from gradstep.compare.record import records
from gradstep.compare.record.records import READ_LIMIT, Result, timed
from gradstep.compare.show import styles
from gradstep.compare.show.pictures import drawing, fastest
from gradstep.compare.show.pictures.labels import apart

ALL = {"time-against-m", "time-against-n", "speed-up", "roofline", "fastest"}

MANY = (
    *("python", "numba", "cython", "numpy", "scikit-learn", "daal4py", "torch", "jax"),
    *("numpy-formula", "numba-loop", "one of one's own"),
)

# A run of the default size, one with every peer and close times, one line of each size as of --preset scaling, and one
# in which rows of very different n share an arithmetic intensity.
RECORDS = {
    "quick": lambda: sample_records.sample(m_list=(100, 1000, 10_000, 100_000), n_list=(2, 10, 100)),
    "many": lambda: sample_records.sample(m_list=(100, 1_000_000), n_list=(2, 100), contenders=MANY),
    "wide": lambda: sample_records.sample(m_list=(100, 1000), n_list=(1, 3, 10, 32, 100, 316, 1000, 3162, 10_000)),
    "two": lambda: sample_records.sample(contenders=("cython", "numpy"), threads=(1, None), n_list=(2, 10)),
}


def figures_of(record):
    """Return each picture of a record, by the name of its file."""
    return {
        f"{name}{ending}": figure
        for name, draw in drawing.PICTURES.items()
        for ending, figure in draw(findings(record)).items()
    }


@pytest.mark.parametrize("kind", RECORDS)
def test_no_words_overlap_and_all_lie_within_the_picture(kind):
    for name, figure in figures_of(RECORDS[kind]()).items():
        assert len(words_in(figure)) > 10, name
        check_words(figure)


def test_every_contender_and_the_read_limit_are_named_in_the_pictures_of_times():
    figures = figures_of(RECORDS["many"]())
    for along in ("m", "n"):
        words = {text for text, _ in words_in(figures[f"time-against-{along}"])}
        assert {*MANY, READ_LIMIT} <= words


def test_files_are_the_same_each_time_and_as_wide_as_a_page(tmp_path):
    record = sample_records.sample(contenders=("cython", "numpy"))
    folders = tmp_path / "first", tmp_path / "second"
    for folder in folders:
        assert drawing.write(findings(record), folder) == {}
    first, second = (sorted(folder.iterdir()) for folder in folders)
    assert {file.name for file in first} == {f"{name}{suffix}" for name in ALL for suffix in (".png", ".svg")}
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        if one.suffix == ".png":
            assert imread(one).shape[1] == 1280
        else:
            assert b"<dc:date>" not in one.read_bytes()


def test_pictures_of_several_conditions_have_names_of_their_own():
    names = {name for name in figures_of(RECORDS["two"]()) if name.startswith("fastest")}
    assert names == {"fastest-random-float64-C-1", "fastest-random-float64-C-auto"}


@pytest.mark.parametrize(
    ("sizes", "skipped"),
    [
        ({"m_list": [100]}, {"time-against-m": "two numbers of examples", "fastest": "two numbers of examples"}),
        ({"n_list": [10]}, {"time-against-n": "two numbers of features", "roofline": "two numbers of features"}),
        ({"contenders": ["cython"]}, {"speed-up": "another contender"}),
    ],
    ids=["one m", "one n", "one contender"],
)
def test_what_the_record_does_not_support_is_left_out_with_the_reason(tmp_path, sizes, skipped):
    left_out = drawing.write(findings(sample_records.sample(**sizes)), tmp_path)
    for name, reason in skipped.items():
        assert reason in left_out[name]
    assert {file.stem for file in tmp_path.iterdir()} == ALL - left_out.keys()


def test_run_that_was_interrupted_before_its_first_cell_has_no_picture(tmp_path):
    left_out = drawing.write(findings(records.changed(sample_records.sample(), cells=[])), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert left_out.keys() == ALL


def test_wrong_and_skipped_results_are_in_no_picture():
    record = sample_records.sample(m_list=(100, 1000))
    for cell in record.cells:
        cell.results[2] = Result("cython", "wrong", "off by 1.0e+00")
    assert {line.name for line in series.lines_along(findings(record), "m")[0].lines} == {"python", "numba", "numpy"}
    assert all(bar.name != "cython" for bars in series.speed_ups(findings(record), 4) for bar in bars.bars)
    assert all(place.name != "cython" for place in series.maps(findings(record))[0].places.values())


def test_map_is_unsure_where_the_interval_spans_one():
    record = sample_records.sample(contenders=("cython", "numpy"))
    cell = record.cells[0]
    cell.results[:] = [
        timed("cython", sample_records.RIGHT, [1.0, 1.1, 0.9, 1.0, 1.2, 0.8, 1.0], 1),
        timed("numpy", sample_records.RIGHT, [1.1, 1.0, 1.0, 0.9, 1.1, 1.0, 1.1], 1),
    ]
    unsure, sure = (each.fastest for each in findings(record).cells[:2])
    assert unsure.alike == ["numpy"]
    assert not sure.alike
    assert sure.margin is not None
    assert sure.margin.lower > 1
    words = {text for text, _ in words_in(fastest.draw(findings(record))[""])}
    assert "cython\nor numpy" in words


def test_tie_is_pale_and_only_what_is_open_is_hatched():
    record = sample_records.sample(contenders=("cython", "numpy"))
    steady, a_little_slower, unsteady = [1.0] * 7, [1.01, 0.99] * 3 + [1.01], [0.9, 1.1] * 3 + [1.0]
    for cell, (cython, numpy) in zip(
        record.cells, [(steady, a_little_slower), (steady, unsteady), *[(steady, [2.0] * 7)] * 4], strict=True
    ):
        cell.results[:] = [
            timed("cython", sample_records.RIGHT, cython, 1),
            timed("numpy", sample_records.RIGHT, numpy, 1),
        ]
    found = findings(record)
    assert [each.fastest.verdict for each in found.cells] == ["tie", "open", *["decided"] * 4]
    patches = fastest.draw(found)[""].axes[0].patches
    assert sum(patch.get_hatch() is not None for patch in patches) == 1
    # The tie, what is open, and what is decided have a shade each.
    assert len({patch.get_facecolor() for patch in patches if patch.get_hatch() is None}) == 3


def test_roof_counts_one_pass_over_the_data():
    record = sample_records.sample(m_list=(1000,), n_list=(2, 10), contenders=("cython", "numpy"))
    roof = series.roofs(findings(record))[0]
    point = next(point for point in roof.points if (point.name, point.n) == ("cython", 10))
    (cell,) = (cell for cell in record.cells if cell.n == 10)
    # 1000 rows of 10 float64 and a label each; 4 n + 60 operations a row (docs/performance.md).
    assert point.intensity == pytest.approx((4 * 10 + 60) / (8 * 11))
    assert point.operations * cell.results[0].median == pytest.approx(1000 * 100)
    assert point.bytes * cell.results[0].median == pytest.approx(1000 * 88)
    assert roof.best.operations == max(each.operations for each in roof.points)


def test_ceilings_are_the_fastest_readings_of_memory_and_of_the_caches():
    record = sample_records.sample(m_list=(1000, 1_000_000), n_list=(10, 100), contenders=("cython", "numpy"))
    rates = {(cell.m, cell.n): cell.X_bytes / cell.read_limit.median for cell in record.cells}
    bandwidths = series.roofs(findings(record))[0].bandwidths
    # The machine of the record has a cache of 32 MiB; at m = 1,000,000 X has 80 and 800 MB.
    assert bandwidths["memory"] == max(rates[1_000_000, 10], rates[1_000_000, 100])
    assert bandwidths["cache"] == max(rates[1000, 10], rates[1000, 100])


def test_without_a_read_limit_there_is_no_roofline():
    record = sample_records.sample()
    cells = [records.changed(cell, read_limit=None) for cell in record.cells]
    with pytest.raises(CannotDraw, match="read limit"):
        series.roofs(findings(records.changed(record, cells=cells)))


@pytest.mark.parametrize("wanted", [[5.0, 5.0, 5.0, 90.0], [99.0, 98.0, 97.0], [0.0, 50.0, 100.0], [1.0]])
def test_labels_are_moved_apart_in_their_order_and_within_bounds(wanted):
    placed = apart(wanted, 10.0, 0.0, 100.0)
    in_order = sorted(range(len(wanted)), key=lambda k: wanted[k])
    gaps = [placed[later] - placed[earlier] for earlier, later in itertools.pairwise(in_order)]
    assert all(gap >= 10.0 - 1e-9 for gap in gaps)
    assert min(placed) >= 0.0
    assert max(placed) <= 100.0


@pytest.mark.parametrize("paper", ["#FFFFFF", "#0D1117"])
def test_every_colour_of_a_name_can_be_read(paper):
    inks = [styles.readable(style.colour, paper) for style in styles.styles([*MANY, "another"]).values()]
    assert all(styles.contrast(ink, paper) >= 4.5 for ink in inks)


def test_no_two_contenders_look_alike():
    names = [*MANY, "another", "and one more"]
    assert len({(style.colour, style.marker) for style in styles.styles(names).values()}) == len(names)


def test_kernel_that_is_added_to_the_registry_is_drawn_as_it_says(monkeypatch):
    fifth = registry.KERNELS["numpy"]._replace(colour="#123456", marker="H")
    monkeypatch.setitem(registry.KERNELS, "fifth", fifth)
    assert styles.styles(["jax", "fifth"])["fifth"] == styles.Style("#123456", "H", dashed=False)


def test_no_kernel_shares_its_colour_with_a_peer_or_another_kernel():
    look = styles.styles([*registry.KERNELS, *peers.PEERS, *(f"unknown {k}" for k in range(16))])
    kernels = [look[name].colour for name in registry.KERNELS]
    others = {style.colour for name, style in look.items() if name not in registry.KERNELS}
    assert len(set(kernels)) == len(kernels)
    assert others.isdisjoint(kernels)
    assert len({look[name].colour for name in peers.PEERS}) == len(peers.PEERS)
    assert all(look[name].dashed == (name not in registry.KERNELS) for name in look)


def test_command_draws_a_saved_record_and_says_what_is_left_out(command, tmp_path):
    records.save(sample_records.sample(n_list=[10]), tmp_path / "record.json")
    outcome = command("report", tmp_path / "record.json", "--plot", tmp_path / "pictures")
    assert outcome.code == 0
    assert "time-against-n is not drawn" in outcome.err
    assert (tmp_path / "pictures" / "time-against-m.svg").exists()


def test_command_refuses_a_folder_that_is_a_file(command, tmp_path):
    records.save(sample_records.sample(), tmp_path / "record.json")
    outcome = command("report", tmp_path / "record.json", "--plot", tmp_path / "record.json")
    assert outcome.code == 1
    assert "record.json" in outcome.err


def test_pictures_have_the_ink_of_our_pages():
    sheet = resources.files("gradstep.compare.show.html").joinpath("assets", "style.css").read_text(encoding="utf-8")
    light = dict(re.findall(r"--([a-z]+): (#\w{6})", sheet[: sheet.index("@media")]))
    assert [light[name].upper() for name in ("paper", "ink", "soft", "grid")] == [
        *(styles.WHITE, styles.INK, styles.SOFT, styles.GRID)
    ]


def test_names_that_differ_in_few_signs_or_are_long_have_pictures_of_their_own(command, tmp_path):
    names = ("a b.csv", "a-b.csv", "x" * 250 + ".csv", "../../../c.csv")
    each = [sample_records.sample(problem=name, m_list=(100, 10_000), n_list=(2,)) for name in names]
    cells = [cell for record in each for cell in record.cells]
    cells += [records.changed(cell, dtype="../" * 40) for cell in each[0].cells]
    records.save(records.changed(each[0], cells=cells), tmp_path / "r.json")
    outcome = command("report", tmp_path / "r.json", "--plot", tmp_path / "p")
    assert outcome.code == 0
    assert len(list((tmp_path / "p").glob("time-against-m-*.png"))) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "r.json"]
