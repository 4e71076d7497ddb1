"""Ctrl-C while the command still imports NumPy, and in programs that are not the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import processes
import pytest

from gradstep import startup

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to one process")

# A shell makes its background jobs ignore Ctrl-C, and the tests may be one.
HEEDED = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
PRESSED = "import signal, time\nsignal.raise_signal(signal.SIGINT)\ntime.sleep(900)\n"
# As an installation writes it.
SCRIPT = "import sys\nfrom gradstep.__main__ import main\nif __name__ == '__main__':\n    sys.exit(main())\n"


@pytest.fixture
def pressed(tmp_path: Path):
    """Return a function that runs Python where Ctrl-C is pressed as soon as NumPy is imported."""
    (tmp_path / "sitecustomize.py").write_text(HEEDED)
    (tmp_path / "numpy.py").write_text(PRESSED)

    def run(*line: object, **options: object) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, *map(str, line)]
        return subprocess.run(
            command,
            env=variables,
            stdout=subprocess.PIPE,
            text=True,
            timeout=processes.PATIENCE,
            check=False,
            **options,
        )

    return run


@pytest.mark.parametrize("options", [("-m", "gradstep"), ("-mgradstep",), ("-X", "dev", "-m", "gradstep")])
@pytest.mark.parametrize("arguments", [(), ("info",), ("fit", "t.csv", "--label", "y", "--quiet")])
def test_ctrl_c_while_numpy_is_imported_is_one_line(pressed, options, arguments):
    done = pressed(*options, *arguments, stderr=subprocess.PIPE)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "gradstep: error: interrupted\n")


def test_ctrl_c_while_the_installed_command_imports_numpy(pressed, tmp_path):
    script = tmp_path / "gradstep"
    script.write_text(SCRIPT)
    # The script lies beside a NumPy that is none, and Python looks there first.
    done = pressed(script, "info", stderr=subprocess.PIPE)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "gradstep: error: interrupted\n")


def test_a_stderr_that_is_closed_does_not_change_how_it_ends(pressed):
    done = pressed("-m", "gradstep", preexec_fn=lambda: os.close(2))
    assert (done.returncode, done.stdout) == (130, "")


@pytest.mark.parametrize("line", [("-c", "import gradstep"), ("-c", "import gradstep", "gradstep"), ("-m", "other")])
def test_another_program_keeps_its_own_ctrl_c(pressed, tmp_path, line):
    (tmp_path / "other.py").write_text("import gradstep\n")
    done = pressed(*line, stderr=subprocess.PIPE)
    assert done.stderr.endswith("KeyboardInterrupt\n")
    assert startup.WORDS not in done.stderr


@pytest.mark.parametrize(
    ("started", "whole", "expected"),
    [
        (["-m", "info"], ["python", "-I", "-m", "gradstep", "info"], True),
        (["-m"], ["python", "-m", "gradstep"], True),
        (["-m", "-m", "gradstep"], ["python", "-m", "pytest", "-m", "gradstep"], False),
        (["-m", "gradstep"], ["python", "-m", "pytest", "gradstep"], False),
        (["/usr/bin/gradstep", "info"], ["/usr/bin/python", "/usr/bin/gradstep", "info"], True),
        (["-c", "gradstep"], ["python", "-c", "import gradstep", "gradstep"], False),
        ([""], ["python"], False),
        ([], ["program"], False),
    ],
)
def test_what_is_the_command(monkeypatch, started, whole, expected):
    monkeypatch.setattr(sys, "argv", started)
    monkeypatch.setattr(sys, "orig_argv", whole)
    assert startup.is_the_command() is expected
