"""The fixtures: a test that takes `kernel` runs on every kernel of the registry.

What is imported here is all that some tests have, where the packages of extras are not there: those import it inside.
"""

from __future__ import annotations

import csv
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import asv_history
import browser as browsers
import hypothesis
import pytest
from availability import load_or_explain
from command_line import Command, Outcome, write_csv

from gradstep import Kernel, environment, registry, threads

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# The same examples in every run: a failure on a pull request is a failure of that change.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None, database=None, print_blob=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


# A wheel is tested in a folder that holds the tests and pyproject.toml alone.
if not (Path(__file__).parents[1] / "setup.py").exists():
    _of_the_checkout = re.compile(
        r"^(from (tools|benchmarks)\b|import asv_history)|\(__file__\)\.parents\[1\]", re.MULTILINE
    )
    # These look for what they need, or need pyproject.toml alone.
    _without = {"test_browser.py", "test_html_looks.py", "test_package.py"}
    collect_ignore = [
        path.name
        for path in Path(__file__).parent.glob("test_*.py")
        if path.name not in _without and _of_the_checkout.search(path.read_text(encoding="utf-8"))
    ]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes run tests side by side: one a core, and not many, because each loads every peer."""
    return min(4, threads.usable_cores())


@pytest.fixture(params=registry.KERNELS, scope="session")
def kernel(request: pytest.FixtureRequest) -> Kernel:
    """Each of the kernels in turn."""
    return load_or_explain(request.param)


@pytest.fixture(params=[name for name, entry in registry.KERNELS.items() if entry.releases_gil], scope="session")
def threaded_kernel(request: pytest.FixtureRequest) -> Kernel:
    """Each of the kernels that several threads can enter at the same time."""
    return load_or_explain(request.param)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the caller's choice of kernel and threads out of the tests."""
    for name in ("GRADSTEP_KERNEL", "GRADSTEP_THREADS", "GRADSTEP_ISA", "GRADSTEP_VARIANT", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    environment.variable.cache_clear()


@pytest.fixture(autouse=True, scope="session")
def heed_ctrl_c() -> None:
    """Heed Ctrl-C, which the tests press, in a job in the background of a shell as well."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line within this process."""
    from gradstep.cli.main import main

    def run(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as ending:
            main([str(argument) for argument in arguments], prog_name="gradstep")
        captured = capsys.readouterr()
        return Outcome(int(ending.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def no_added_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a comparison end after its rounds: how many it would add until the fastest is known is up to the machine."""
    monkeypatch.setattr("gradstep.cli.compare.still_open", lambda cell: False)


@pytest.fixture
def separable(tmp_path: Path) -> Path:
    """A CSV of two classes that overlap a little."""
    rows = "\n".join(f"{x},{x * x},{'ill' if x > 4 or x == 2 else 'well'}" for x in range(10))
    return write_csv(tmp_path / "data.csv", f"x,square,state\n{rows}\n")


@pytest.fixture(scope="session")
def breast_cancer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The breast cancer table of scikit-learn as a CSV."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    path = tmp_path_factory.mktemp("data") / "breast cancer.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(["diagnosis", *data.feature_names])
        for x, target in zip(data.data.tolist(), data.target, strict=True):
            writer.writerow([data.target_names[target], *x])
    return path


# One a module: while Playwright runs, no other test of the same thread can use asyncio.run.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium; the test is skipped where none is installed."""
    with browsers.launched() as running:
        yield running


@pytest.fixture
def open_page(browser: Browser) -> Iterator[browsers.Open]:
    """Opens a page without a network; the test fails if anything went wrong on it."""
    with browsers.visits(browser) as opening:
        yield opening


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    """A repository with results of asv's that are not yet published, asv's home there, and the commits."""
    folder = tmp_path_factory.mktemp("history")
    home, repository = folder / "home", folder / "repository"
    home.mkdir()
    repository.mkdir()
    hashes = asv_history.make_repository(repository)
    asv_history.discover(repository, home)
    asv_history.write_results(repository, hashes)
    return repository, home, hashes
