"""What the README shows is what the record beside it says, and what it tells its readers to type works."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import code_blocks
import processes
import pytest
import sample_records
from drawn_words import check_words, words_in

from gradstep.compare.judge.findings import findings
from gradstep.compare.record import records
from gradstep.compare.record.records import READ_LIMIT, timed
from gradstep.compare.show import styles
from tools import readme_picture, update_readme
from tools.dashboard.publish import START

CHECKOUT = Path(__file__).parents[1]
README = CHECKOUT / "README.md"
TEXT = README.read_text(encoding="utf-8")
CONTENDERS = ("python", "cython", "numpy", "numba", "scikit-learn")

COMMANDS = [line[2:] for line in TEXT.splitlines() if line.startswith("$ ")]
MAKE, GRADSTEP, PIP = ("make ", ".venv/bin/gradstep ", "python -m pip install ")


@pytest.fixture(scope="module")
def recorded():
    """The findings about the record beside the README."""
    return findings(records.load(CHECKOUT / "docs" / "comparison.json"))


@pytest.fixture
def record():
    return sample_records.sample(m_list=(100, 10_000), n_list=(2, 100), contenders=CONTENDERS, threads=(1, 2))


def rows_of(table):
    """Return the entries of each row of a Markdown table below its head."""
    lines = table.replace("\N{NO-BREAK SPACE}", " ").splitlines()[2:]
    return [[entry.strip() for entry in line.strip("|").split("|")] for line in lines]


def with_times(record, m, **samples):
    """Return a record in which these contenders have these samples on m examples, n = 100 and one thread."""
    cells = []
    for cell in record.cells:
        results = cell.results
        if (cell.m, cell.n, cell.threads) == (m, 100, 1):
            results = [
                timed(result.contender, sample_records.RIGHT, samples[name], 1)
                if (name := result.contender.replace("-", "_")) in samples
                else result
                for result in results
            ]
        cells.append(records.changed(cell, results=results))
    return records.changed(record, cells=cells)


def run(command, folder):
    """Run a command; fail with what it printed if it does not succeed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=processes.PATIENCE, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


# What it tells its readers to type.


def test_it_can_be_read_in_a_minute():
    assert len(TEXT.splitlines()) <= 150


def test_its_python_runs_and_prints_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert code_blocks.run(README) == ["python", "text"]


def test_every_command_is_one_that_is_tested_here():
    assert all(command.startswith((MAKE, GRADSTEP, PIP)) for command in COMMANDS)
    assert {command.split()[1] for command in COMMANDS if command.startswith(GRADSTEP)} == {"compare", "fit", "predict"}


def test_its_gradstep_commands_run_as_they_are_typed(tmp_path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    rows = [f"{age},{age % 7},{'ill' if age % 3 else 'well'}" for age in range(20, 80)]
    (tmp_path / "data.csv").write_text("\n".join(["age,visits,outcome", *rows]), encoding="utf-8")
    (tmp_path / "new.csv").write_text("age,visits\n30,2\n70,1\n", encoding="utf-8")
    for command in COMMANDS:
        if command.startswith(GRADSTEP):
            run(shlex.split(command, comments=True), tmp_path)
    assert len((tmp_path / "predictions.csv").read_text(encoding="utf-8").splitlines()) == 3


def test_its_make_targets_exist():
    mentioned = re.findall(r"`make ([\w-]+)", TEXT)
    typed = [command.split()[1] for command in COMMANDS if command.startswith(MAKE)]
    assert {"compare", "dashboard"} <= set(typed)
    for target in {*mentioned, *typed}:
        run(["make", "--dry-run", target], CHECKOUT)


def test_dashboard_ends_with_the_page_that_it_names():
    (address,) = re.findall(r"^The start page: file://(.*)$", TEXT, re.MULTILINE)
    assert address.endswith(f"/.asv/html/{START}")


def test_its_extras_exist():
    known = importlib.metadata.metadata("gradstep").get_all("Provides-Extra")
    asked = {
        extra
        for command in COMMANDS
        for extras in re.findall(r"\.\[([\w,]+)\]", command)
        for extra in extras.split(",")
    }
    assert asked
    assert asked <= set(known)


def test_its_links_lead_somewhere():
    links = {link for link in re.findall(r'(?:\]\(|src="|srcset=")([^)"]+)', TEXT) if "://" not in link}
    assert "docs/comparison.svg" in links
    assert [link for link in sorted(links) if not (CHECKOUT / link).exists()] == []


# What it shows of the record.


def test_it_shows_the_record_beside_it(recorded):
    assert update_readme.update(TEXT, {"comparison": update_readme.comparison(recorded)}) == TEXT


def test_the_record_beside_it_has_every_kernel_and_a_peer_at_every_size(recorded):
    rows = rows_of(update_readme.table(recorded))
    assert len(rows) > 2
    assert all(all(row) for row in rows)


@pytest.mark.parametrize("ending", ["", "-dark"])
def test_picture_is_of_the_record_beside_it(recorded, ending):
    drawn = (CHECKOUT / "docs" / f"comparison{ending}.svg").read_text(encoding="utf-8")
    again = readme_picture.drawn(recorded, dark=bool(ending)).decode()
    # How curves are written depends on the version of Matplotlib; the words stand in comments, as letters are outlines.
    words = re.compile("<!-- (.*?) -->")
    assert words.findall(drawn) == words.findall(again)
    assert recorded.record.created[:10] in drawn
    # Nor are the ticks of an axis alike.
    mark = re.compile(r'<use [^>]*style="(fill: #\w+; stroke: #\w+(?:; stroke-linejoin: miter)?)"')
    assert len(set(mark.findall(drawn))) > 3
    assert Counter(mark.findall(drawn)) == Counter(mark.findall(again))


def test_table_has_the_sizes_at_which_python_was_timed_and_the_slowest_kernel_first(record):
    head, _, *_ = table = update_readme.table(findings(record)).splitlines()
    assert head == "| m | python | numpy | numba | cython | fastest peer | read limit |"
    rows = rows_of("\n".join(table))
    assert [row[0] for row in rows] == ["100", "10,000"]
    assert all(re.fullmatch(r"\d[\d.]* (µs|ms)", row[1]) for row in rows)
    assert all(re.fullmatch(r"\d[\d.]* (µs|ms), \d[\d.]*×", row[2]) for row in rows)


def test_fastest_and_what_is_too_close_to_it_are_bold(record):
    one, two, four, unsteady = [1.0] * 7, [2.0] * 7, [4.0] * 7, [0.9, 1.1, 0.9, 1.1, 1.0, 0.9, 1.1]
    record = with_times(record, 100, python=four, numpy=two, numba=two, cython=two, scikit_learn=one)
    record = with_times(record, 10_000, python=four, numpy=two, numba=unsteady, cython=one, scikit_learn=two)
    first, second = rows_of(update_readme.table(findings(record)))
    assert first[1:6] == ["4.00 s", *["2.00 s, 2.0×"] * 3, "scikit-learn **1.00 s, 4.0×**"]
    assert second[1:6] == ["4.00 s", "2.00 s, 2.0×", *["**1.00 s, 4.0×**"] * 2, "scikit-learn 2.00 s, 2.0×"]


def test_update_replaces_what_stands_between_the_markers_and_nothing_else():
    begin, end = update_readme.markers("output")
    readme = f"before\n{begin}\nwhat stood there\n{end}\nafter\n"
    assert update_readme.update(readme, {"output": "new\n"}) == f"before\n{begin}\nnew\n{end}\nafter\n"


@pytest.mark.parametrize("places", ["", "{end}\n{begin}\n", "{begin}\n{begin}\n{end}\n", "{begin}\n"])
def test_readme_without_the_markers_once_and_in_order_is_refused(places):
    begin, end = update_readme.markers("output")
    with pytest.raises(ValueError, match="markers"):
        update_readme.update(places.format(begin=begin, end=end), {"output": "new\n"})


def test_output_of_a_run_is_cut_to_its_first_lines_and_the_verdict():
    rows = [f"row {k}" for k in range(9)]
    written = "\n".join([*rows, "", "noise", "", "fast is fastest.", "code", ""])
    assert update_readme.output(written).splitlines() == [
        *("```console", "$ make compare"),
        *rows[:6],
        *("...", "fast is fastest.", "code", "```"),
    ]


def test_it_shows_a_run_as_runs_are_shown(command, tmp_path):
    records.save(sample_records.sample(), tmp_path / "record.json")
    written = command("report", tmp_path / "record.json").out.splitlines()
    begin, end = update_readme.markers("output")
    shown = TEXT[TEXT.index(begin) : TEXT.index(end)].splitlines()
    # What does not depend on the machine: the first line, the heads, and the beginning of the line of code.
    assert shown[3] == written[0]
    assert shown[5].split() == written[2].split()
    code = "import gradstep; gradstep.step(X, y, w, b, alpha"
    assert shown[-2].startswith(code)
    assert written[-1].startswith(code)


def test_record_without_peers_is_refused(record):
    with pytest.raises(ValueError, match="no peers"):
        update_readme.comparison(findings(records.changed(record, peers={})))


# The picture.


def test_picture_has_a_line_for_each_kernel_the_fastest_peer_and_the_read_limit(record):
    record = records.changed(record, peers={"scikit-learn": "1", "numpy": "2"})
    found = findings(record)
    drawn = {line.name: dict(line.points) for line in readme_picture.lines(found)}
    assert list(drawn) == ["python", "numba", "cython", "numpy", "fastest of 2 peers", READ_LIMIT]
    for each in readme_picture.row(found):
        m, python = each.cell.m, each.times["python"].value
        assert drawn["python"][m] == 1.0
        assert drawn["cython"][m] == python / each.times["cython"].value
        assert drawn["fastest of 2 peers"][m] == python / min(
            each.times[name].value for name in ("scikit-learn", "numpy")
        )
        assert drawn[READ_LIMIT][m] == python / each.read_limit.time.value


def test_no_two_lines_of_the_picture_share_a_colour(recorded):
    look = [(line.style.colour, line.style.dashed) for line in readme_picture.lines(recorded)]
    assert len({colour for colour, _ in look}) == len(look)


def test_words_of_the_picture_do_not_overlap_and_name_every_line(recorded):
    figure = readme_picture.figure(recorded)
    check_words(figure)
    words = " ".join(text for text, _ in words_in(figure))
    assert all(line.name in words and line.idea in words for line in readme_picture.lines(recorded))


def test_dark_picture_has_dark_paper_and_only_its_grid_is_faint(recorded):
    light, dark = (readme_picture.drawn(recorded, dark=dark).decode() for dark in (False, True))
    paper = re.search(r'id="patch_1">.*?fill: (#\w+)', dark, re.DOTALL)[1]
    assert styles.luminance(paper) < 0.01
    colours = set(re.findall(r"(?:fill|stroke): (#\w{6})", dark)) - {paper}
    assert sum(styles.contrast(colour, paper) < 4.5 for colour in colours) == 1
    # Black is what an SVG takes where no colour is written.
    assert light.count("<g style=") == light.count('<g style="fill: #')


def test_record_in_which_python_was_timed_once_has_no_picture():
    once = sample_records.sample(m_list=(100,), contenders=CONTENDERS)
    with pytest.raises(ValueError, match="'python' at two numbers of examples"):
        readme_picture.row(findings(once))
