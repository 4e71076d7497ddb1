"""What `make dashboard` asks asv to measure, and what it says of it."""

import json
import re
from pathlib import Path

import asv_history
import pytest
from asv.config import Config
from asv.machine import Machine, MachineCollection

from tools.dashboard import measure, results


def test_what_failed_is_named(made, monkeypatch):
    repository, _, hashes = made
    monkeypatch.chdir(repository)
    conf = Config.load(measure.CONFIG)
    assert list(measure.failures(conf, set(hashes))) == []
    broken = min((repository / ".asv/results").glob(f"*/{hashes[0][:8]}-*.json"))
    text = broken.read_text(encoding="utf-8")
    record = json.loads(text)
    values, parameters = record["results"]["scaling.InN.time_step"][:2]
    values[parameters[0].index("'numba'") * len(parameters[1]) * len(parameters[2])] = None
    broken.write_text(json.dumps(record), encoding="utf-8")
    try:
        failed = list(measure.failures(conf, set(hashes)))
        assert failed == [f"{hashes[0][:8]} scaling.InN.time_step('numba', {parameters[1][0]}, {parameters[2][0]})"]
        assert list(measure.failures(conf, set(hashes[1:]))) == []
    finally:
        broken.write_text(text, encoding="utf-8")


def test_range_without_a_commit_is_refused(made):
    done = asv_history.run_dashboard(made, "--range", "HEAD..HEAD")
    assert done.returncode == 1
    assert "the range HEAD..HEAD holds no commit" in done.stdout


@pytest.fixture
def asked(monkeypatch, made):
    """What asv was asked to measure: the folder of the results, the commits and the patterns of each run."""
    runs = []

    def run(conf, range_spec, bench, **_):
        runs.append((Path(conf.results_dir).name, range_spec, bench))

    monkeypatch.chdir(made[0])
    monkeypatch.setattr(measure.Run, "run", run)
    monkeypatch.setenv("HOME", str(made[1]))
    return runs


def test_newest_commit_is_measured_twice(asked, made):
    newest, *older = reversed(made[2])
    assert measure.measure(Config.load(measure.CONFIG), "HEAD~2..HEAD", None, None) == []
    (first, commits, everything), (second, again, scaling) = asked
    assert (first, commits, everything) == ("results", [newest, older[0]], None)
    assert (second, again) == ("again", [newest])
    matched = {name for name in results.SCALING for pattern in scaling if re.search(pattern, name)}
    assert matched == set(results.SCALING)
    assert not any(re.search(pattern, "startup.Import.timeraw_import") for pattern in scaling)


@pytest.mark.parametrize(
    ("bench", "folders"),
    [("startup", ["results", "results"]), ("time_step.*numba", ["results", "results", "again"])],
)
def test_selected_benchmarks_are_measured_whole(asked, bench, folders):
    """asv would count a benchmark as measured though only some of its parameters were."""
    measure.measure(Config.load(measure.CONFIG), "HEAD^!", bench, None)
    assert [folder for folder, *_ in asked] == folders
    assert asked[0][2] == ["just-discover"]
    for _, _, patterns in asked[1:]:
        assert all(re.fullmatch(r"\^[\w\\.]+\(\\\(\|\$\)", pattern) for pattern in patterns), patterns


@pytest.mark.parametrize(
    ("bench", "complaint"),
    [("nosuch", r"no benchmark matches 'nosuch'; there are curvature\.Curvature"), ("(", "is no regular expression")],
)
def test_name_of_no_benchmark_is_refused(asked, bench, complaint):
    with pytest.raises(measure.DashboardError, match=complaint):
        measure.measure(Config.load(measure.CONFIG), "HEAD^!", bench, None)


@pytest.mark.parametrize("name", [None, "another"])
def test_machine_is_described_to_asv_without_a_word(tmp_path, monkeypatch, capfd, name):
    """On a computer that asv has never seen; asv itself prints its questions even with `--yes`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    measure.add_machine(name)
    written = MachineCollection.load(name or Machine.get_unique_machine_name())
    assert written["machine"] == (name or Machine.get_unique_machine_name())
    assert written["num_cpu"]
    assert capfd.readouterr() == ("", "")
