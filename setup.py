"""Builds the Cython kernel and its team of threads, and maps the folder kernels/ to the package gradstep.kernels."""

import glob
import os
import platform
import sys

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

NO_COMPILER = """
gradstep could not compile its Cython kernel: {error}
What the compiler said, if there is one, stands above.

  Fix:  install a C compiler and the Python headers
        Debian, Ubuntu   apt-get install gcc python3-dev
        Fedora           dnf install gcc python3-devel
        macOS            xcode-select --install
        Windows          the "Desktop development with C++" workload of the Visual Studio Build Tools
  or set GRADSTEP_NO_EXTENSIONS=1 to install without it; the python, numba and numpy kernels remain.
"""


class BuildExtensions(build_ext):
    """The usual build; a failure adds what fixes it to what the compiler said."""

    def build_extension(self, ext):
        try:
            super().build_extension(ext)
        except (BaseError, CCompilerError, OSError) as error:
            raise SystemExit(NO_COMPILER.format(error=error)) from error


MODULE = "gradstep.kernels.cython_loop"

# The source is compiled once for each of these, to a module named after it; gradstep.kernels.cython_loop is the module
# that gradstep.processor chooses. The first runs on every processor of its architecture. GRADSTEP_ISA takes the names.
INSTRUCTION_SETS = {
    "baseline": [],
    "avx2": ["-mavx2", "-mfma", "-mf16c"],
    # Processors with these four exist since 2017; 512-bit registers are asked for by name, GCC prefers 256.
    "avx512": [
        *("-mavx2", "-mfma", "-mf16c", "-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl"),
        "-mprefer-vector-width=512",
    ],
}
MSVC_FLAGS = {"baseline": [], "avx2": ["/arch:AVX2"], "avx512": ["/arch:AVX512"]}

# Neither -march=native, which makes a wheel useless elsewhere, nor -ffast-math, which breaks the rounding that the
# kernels rely on. Contraction would make the results depend on whether the processor has a fused multiply-add.
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-Wno-psabi"]
MSVC_COMMON_FLAGS = ["/O2", "/fp:precise"]


def extensions():
    if os.environ.get("GRADSTEP_NO_EXTENSIONS", "0") not in ("", "0"):
        return []
    from Cython.Build import cythonize

    on_x86_64 = platform.machine().lower() in ("x86_64", "amd64")
    windows = sys.platform == "win32"
    built = []
    for instruction_set in INSTRUCTION_SETS if on_x86_64 else ["baseline"]:
        flags = (
            MSVC_COMMON_FLAGS + MSVC_FLAGS[instruction_set] if windows else FLAGS + INSTRUCTION_SETS[instruction_set]
        )
        kernel = Extension(
            f"{MODULE}_{instruction_set}",
            ["kernels/cython_loop.pyx"],
            include_dirs=["kernels"],
            depends=[*glob.glob("kernels/*.pxi"), *glob.glob("kernels/vector/*.h")],
            extra_compile_args=flags,
        )
        # Each has its own build folder, because Cython names the C file after the source, and writes the module in it.
        built += cythonize([kernel], build_dir=f"build/cython/cython_loop_{instruction_set}")
    team = Extension(
        "gradstep.team",
        ["src/gradstep/team.pyx"],
        include_dirs=["kernels"],
        depends=[f"kernels/vector/{name}.h" for name in ("atomics", "cores", "team", "waiting")],
    )
    return built + cythonize([team], build_dir="build/cython/team")


setup(
    packages=[*find_packages("src"), "gradstep.kernels"],
    package_dir={"": "src", "gradstep.kernels": "kernels"},
    package_data={
        "gradstep": ["py.typed", "*.pyi"],
        "gradstep.compare": ["show/html/assets/*"],
        "gradstep.kernels": ["*.pyi", "*.pxd"],
    },
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildExtensions},
)
