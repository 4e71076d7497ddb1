"""Builds of the Cython kernel that cannot be loaded: the next best one runs, and `gradstep info` says why."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import processes
import pytest
from availability import load_or_explain

import gradstep
from gradstep import processor

# Where ELF, the format of extensions on Linux, holds the architecture, and a number that none has.
MACHINE, NO_MACHINE = slice(18, 20), b"\xff\xfe"

USE = """
    import sys
    sys.path.insert(0, {folder!r})
    import gradstep
    assert gradstep.__file__.startswith({folder!r})
    from gradstep import registry
    import numpy as np
    X, y = np.ones((100_000, 4)), np.ones(100_000)
    assert all(gradstep.gradient(X, y, np.zeros(4), 0.0, threads=1).db == -0.5 for _ in range(30))
    kernel = registry.load("cython")
    print(kernel.partial_sums.__module__)
    print(*sorted({{name.partition("-")[0] for name in kernel.variants}}))
    print(gradstep.available()["cython"])
    from gradstep.kernels import cython_loop
    assert cython_loop.instruction_set == kernel.partial_sums.__module__.rpartition("_")[2]
    from gradstep.cli.main import main
    main(["info"])
"""


def other_architecture(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[MACHINE] = NO_MACHINE
    file.unlink()
    file.write_bytes(content)


def replaced(content: bytes) -> Callable[[Path], None]:
    """Return what puts another content into a file."""

    def replace(file: Path) -> None:
        file.unlink()
        file.write_bytes(content)

    return replace


def cut_off(length: int) -> Callable[[Path], None]:
    """Return what leaves so many bytes of a file, or all but so many."""

    def cut(file: Path) -> None:
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(content[:length])

    return cut


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
    "empty": replaced(b""),
    "nonsense": replaced(b"nonsense" * 1000),
    "a page that an installer sent": replaced(b"<html>404</html>"),
    "a folder": folder,
    **{f"cut off at {length}": cut_off(length) for length in (20, 63, 1_000, 50_000, -1_000, -1)},
    "other architecture": other_architecture,
}


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str, Callable[[Path], None]], str]:
    """Return a function that damages a build in a copy of the package and returns the folder of the copy."""
    load_or_explain("cython")
    package = Path(gradstep.__file__).parent
    shutil.copytree(package, tmp_path / "gradstep", ignore=shutil.ignore_patterns("__pycache__"))

    def damage(name: str, how: Callable[[Path], None]) -> str:
        file = Path(processor.build(name).__file__).name
        how(tmp_path / "gradstep" / "kernels" / file)
        return str(tmp_path)

    return damage


@pytest.fixture
def names() -> list[str]:
    """Return the names of the builds that this processor can run, of which there are several."""
    load_or_explain("cython")
    names = processor.supported()
    if len(names) == 1:
        pytest.skip("this processor has only the baseline")
    return names


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_next_best_build_runs_and_info_says_why(copy, names, damage):
    *_, following, best = names
    said = processes.run(USE.format(folder=copy(best, DAMAGES[damage]))).splitlines()
    assert said[0] == f"gradstep.kernels.cython_loop_{following}"
    assert best not in said[1].split()
    assert said[2] == "None"
    instructions = next(line for line in said if "in the cython kernel" in line)
    assert f"{following} in the cython kernel: the best one that this processor has; {best} cannot be loaded (" in (
        instructions
    )


def test_the_baseline_runs_where_all_others_are_lost(copy, names):
    for name in names[1:]:
        place = copy(name, Path.unlink)
    said = processes.run(USE.format(folder=place)).splitlines()
    assert said[:3] == ["gradstep.kernels.cython_loop_baseline", "baseline", "None"]
    assert sum("cannot be loaded" in line for line in said) == 1


def test_a_build_that_is_not_the_best_is_missed_by_nobody(copy, names):
    *_, other, best = names
    said = processes.run(USE.format(folder=copy(other, Path.unlink))).splitlines()
    assert said[0] == f"gradstep.kernels.cython_loop_{best}"
    assert not any("cannot be loaded" in line for line in said)


NAMED = """
    import sys
    sys.path.insert(0, {folder!r})
    import gradstep
    for kernel in ("auto", "cython"):
        try:
            gradstep.gradient([[1.0]], [1.0], [1.0], 0.0, kernel=kernel)
        except gradstep.KernelUnavailable as error:
            print(error)
    from gradstep.cli.main import main
    sys.stderr = sys.stdout
    main(["info"])
"""


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_build_that_is_named_is_an_error_that_names_it(copy, names, damage):
    named = names[-1]
    code = NAMED.format(folder=copy(named, DAMAGES[damage]))
    process = processes.start(code, {"GRADSTEP_ISA": named})
    said, errors = process.communicate(timeout=processes.PATIENCE)
    assert (process.returncode, errors) == (1, "")
    lines = said.splitlines()
    for line in lines[:2]:
        assert line.startswith(f"GRADSTEP_ISA is {named!r}, but ")
    assert lines[-1].startswith(f"gradstep: error: GRADSTEP_ISA is {named!r}, but ")
    assert sum("auto takes" in line for line in lines) == 2


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_lost_baseline_is_a_reason_against_the_kernel(copy, damage):
    code = """
        import sys
        sys.path.insert(0, {folder!r})
        import gradstep
        print(gradstep.available()["cython"])
        assert gradstep.gradient([[1.0]], [1.0], [0.0], 0.0).db == -0.5
        from gradstep.cli.main import main
        main(["info"])
    """
    said = processes.run(code.format(folder=copy("baseline", DAMAGES[damage])))
    assert said.startswith("the cython kernel is not available: ")
    assert "none: " in said
