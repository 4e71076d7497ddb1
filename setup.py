"""Builds the Cython kernel, and maps the folder kernels/ to the package gradstep.kernels."""

import os
import sys

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

NO_COMPILER = """
gradstep could not compile its Cython kernel: {error}
What the compiler said, if it was found, stands above.

  Cure: install a C compiler and the Python headers
        Debian, Ubuntu   apt-get install gcc python3-dev
        Fedora           dnf install gcc python3-devel
        macOS            xcode-select --install
        Windows          the "Desktop development with C++" workload of the Visual Studio Build Tools
  or set GRADSTEP_NO_EXTENSIONS=1 to install without it; the python, numba and numpy kernels remain.
"""


class BuildExtensions(build_ext):
    """The usual build, whose failure names the cure instead of leaving a compiler's words alone."""

    def build_extension(self, ext):
        try:
            super().build_extension(ext)
        except (BaseError, CCompilerError, OSError) as error:
            raise SystemExit(NO_COMPILER.format(error=error)) from error


def extensions():
    if os.environ.get("GRADSTEP_NO_EXTENSIONS", "0") not in ("", "0"):
        return []
    from Cython.Build import cythonize

    # Not among the flags: -march=native, which a wheel must not have, and -ffast-math, which breaks the rounding that
    # the kernels rely on. Contraction would make results depend on whether the processor has a fused multiply-add.
    flags = [] if sys.platform == "win32" else ["-O3", "-fno-math-errno", "-ffp-contract=off"]
    kernel = Extension("gradstep.kernels.cython_loop", ["kernels/cython_loop.pyx"], extra_compile_args=flags)
    return cythonize([kernel], build_dir="build/cython")


setup(
    packages=[*find_packages("src"), "gradstep.kernels"],
    package_dir={"": "src", "gradstep.kernels": "kernels"},
    package_data={"gradstep": ["py.typed"], "gradstep.kernels": ["*.pyi"]},
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildExtensions},
)
