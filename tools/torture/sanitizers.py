"""The Cython kernel under AddressSanitizer and UndefinedBehaviorSanitizer, in the tests that look at its edges."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path

from gradstep import processor
from tools.torture import children
from tools.torture.part import Amount, Outcome

_ROOT = Path(__file__).parents[2]
_FLAGS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g1", "-O1")

# Prime, so that every number of features has its turn.
_SHORT_STEP = 101

# Python keeps memory until the very end, which is no leak of ours.
_VARIABLES = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1"}

# Small integers and short strings of Python come from arenas that hide what is read behind them.
_EVERY_ALLOCATION_SEEN = {"PYTHONMALLOC": "malloc"}

USE = """
import sys
import gradstep.kernels

gradstep.kernels.__path__.insert(0, sys.argv[1])
sys.path[:0] = [sys.argv[2], sys.argv[2] + "/tests"]
from gradstep import processor

module = processor.load(sys.argv[3])
assert module.__file__.startswith(sys.argv[1]), module.__file__
import guard_pages
import numpy as np

shapes = guard_pages.SHAPES[:: int(sys.argv[4])]

def run_in_exact_memory(shapes):
    calls = 0
    for case in guard_pages.cases(shapes):
        arrays = {
            name: guard_pages.lay(values, strides, np.empty(guard_pages.span_bytes(values, strides), np.uint8))
            for name, (values, strides) in guard_pages.data(case).items()
        }
        guard_pages.call(module.partial_sums, case, arrays)
        calls += 1
    return calls

calls = run_in_exact_memory(shapes)
calls += guard_pages.run_kernel(module.partial_sums, shapes, lambda case: None)
calls += guard_pages.run_kernel(module.partial_sums, shapes[::5], lambda case: None, guard_pages.NARROW_DTYPES)
calls += guard_pages.run_read(module.read, lambda case: None)
print(calls)
"""
"""Arrays that end where their memory does, and arrays beside pages that must not be touched."""

CONFORM = """
import os, sys
import gradstep.kernels

gradstep.kernels.__path__.insert(0, sys.argv[1])
os.chdir(sys.argv[2])
os.environ["GRADSTEP_ISA"] = sys.argv[3]
import pytest

end = pytest.main(["-q", "-x", "-p", "no:cacheprovider", "tests/test_conformance.py", "-k", "cython", *sys.argv[4:]])
sys.exit(int(end))
"""


COMPILE = """
import sys
import setuptools
from distutils.core import run_setup

build, flags = sys.argv[1], sys.argv[2:]
distribution = run_setup("setup.py", stop_after="init")
distribution.ext_modules = [each for each in distribution.ext_modules if each.name.endswith("_" + build)]
(extension,) = distribution.ext_modules
extension.extra_compile_args += flags
extension.extra_link_args += flags
command = distribution.get_command_obj("build_ext")
command.build_lib, command.build_temp = "sanitized", "build/sanitized"
distribution.run_command("build_ext")
"""


def run(amount: Amount, first: str = "", change: Callable[[Path], None] = lambda _: None) -> Outcome:
    """Compile each build that runs here, and run guard pages and the conformance suite on it.

    `change` may edit the copy of the sources before that: the tests plant a fault in the C headers.
    """
    outcome = Outcome("the Cython kernel under AddressSanitizer and UndefinedBehaviorSanitizer")
    library = _sanitizer()
    if library is None:
        outcome.skipped = "the compiler has no AddressSanitizer"
        return outcome
    variables = {"LD_PRELOAD": library, **_VARIABLES, **_EVERY_ALLOCATION_SEEN}
    names = processor.supported()
    with tempfile.TemporaryDirectory() as name:
        copy = _copy(Path(name, "source"))
        change(copy)
        for build in names[-amount.of(len(names)) :]:
            modules = _compile(copy, build)
            step = str(1 if amount.share == 1 else _SHORT_STEP)
            arguments = (str(modules), str(_ROOT), build)
            ended = children.run(children.after(first, USE), 900, arguments=(*arguments, step), variables=variables)
            outcome.check(ended._replace(errors=_headline(ended.errors)).failure(f"{build}, edges"))
            outcome.tried += int(ended.output) - 1 if ended.code == 0 else 0
            if amount.share == 1:
                ended = children.run(children.after(first, CONFORM), 900, arguments=arguments, variables=variables)
                outcome.check(ended._replace(errors=_headline(ended.errors)).failure(f"{build}, conformance"))
    return outcome


def _sanitizer() -> str | None:
    """Return the path of AddressSanitizer's library, or None where the compiler has none."""
    compiler = sysconfig.get_config_var("CC")
    if sys.platform != "linux" or not compiler or shutil.which(compiler.split()[0]) is None:
        return None
    line = [compiler.split()[0], "-print-file-name=libasan.so"]
    path = subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()
    return path if Path(path).is_absolute() else None


def _copy(folder: Path) -> Path:
    """Copy what the extensions are built from, with the C files that Cython has made already."""
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(_ROOT / "kernels", folder / "kernels", ignore=ignored)
    shutil.copytree(_ROOT / "src", folder / "src", ignore=ignored)
    if (_ROOT / "build" / "cython").exists():
        shutil.copytree(_ROOT / "build" / "cython", folder / "build" / "cython")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(_ROOT / name, folder)
    return folder


def _compile(source: Path, build: str) -> Path:
    """Compile one build as setup.py says, with the sanitizers, and return the folder of its module."""
    ended = children.run(COMPILE, 600, arguments=(build, *_FLAGS), folder=source)
    if ended.code != 0:
        raise RuntimeError(f"{build} cannot be compiled with sanitizers: {ended.errors[-1000:]}")
    return source / "sanitized" / "gradstep" / "kernels"


def _headline(errors: str) -> str:
    """Return the line of a sanitizer's report that says what happened, or everything if there is none."""
    found = [line for line in errors.splitlines() if "ERROR: AddressSanitizer" in line or "runtime error:" in line]
    return found[0] if found else errors
