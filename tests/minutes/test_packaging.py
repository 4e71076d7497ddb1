"""Source distribution, wheels and editable installations: built from a copy of the checkout, used from outside it."""

import email
import importlib.metadata
import json
import math
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = (".ci", ".github", ".clang-format", ".pre-commit-config.yaml")
"""The hidden files that a source distribution holds; git's own are of no use there."""

NOT_COPIED = (".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".asv", ".*_cache", ".hypothesis", "*.so")

needs_compiler = pytest.mark.skipif(
    os.environ.get("GRADSTEP_NO_EXTENSIONS", "0") not in ("", "0"),
    reason="GRADSTEP_NO_EXTENSIONS is set, so there need not be a compiler",
)

# Users of the functions for compiled code, each built or found outside the checkout: they return [J, dw, db].
CIMPORTER = """# cython: language_level=3
from gradstep.kernels.cython_loop cimport (
    Posterior, logistic_gradient_f32, logistic_gradient_f64, logistic_posterior, logistic_sums_f32, logistic_sums_f64,
)

def use():
    cdef double *X = [1.0, 2.0, 3.0, 5.0]
    cdef double *y = [0.0, 1.0]
    cdef double *theta = [0.0, 0.0, 0.0]
    cdef float *Xf = [1.0, 2.0, 3.0, 5.0]
    cdef float *yf = [0.0, 1.0]
    cdef float *thetaf = [0.0, 0.0, 0.0]
    cdef double[5] J
    cdef double[2] dw, dwf
    cdef double[5] db
    cdef double[4] out, outf
    cdef Posterior posterior = Posterior(X, y, NULL, 2, 2, 2, 1, 2.0, 0.0, 0.0)
    cdef int code
    with nogil:
        code = logistic_gradient_f64(X, 2, 2, 2, 1, y, NULL, 2.0, theta, 0.0, 0.0, J, dw, db)
        code += logistic_gradient_f32(Xf, 2, 2, 2, 1, yf, NULL, 2.0, thetaf, 0.0, 0.0, J, dwf, db)
        code += logistic_sums_f64(X, 2, 2, 2, 1, y, 0, NULL, 0, theta, NULL, 1, 2, out)
        code += logistic_sums_f32(Xf, 2, 2, 2, 1, yf, 0, NULL, 0, thetaf, NULL, 1, 2, outf)
        density = logistic_posterior(3, theta, &posterior)
    return code, dw, dwf, out, outf, density
"""

CONSUME = """
import ctypes, json, pathlib, sys
sys.path.insert(0, ".")
import consumer, scipy, gradstep.kernels.cython_loop as kernel
from numba.extending import get_cython_function_address

name, pointer = "logistic_posterior", ctypes.pythonapi.PyCapsule_GetPointer
pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
called = scipy.LowLevelCallable.from_cython(kernel, name)
print(json.dumps({
    "package": kernel.__file__,
    "used": consumer.use(),
    "scipy": called.signature,
    "addresses": [
        pointer(kernel.__pyx_capi__[name], called.signature.encode()),
        get_cython_function_address(kernel.__name__, name),
    ],
}))
"""

# Run in a fresh interpreter: one gradient with each kernel, and what the installation reports.
USE = """
import json, sys
import gradstep, gradstep.kernels

def use(kernel):
    try:
        return gradstep.gradient([[1.0, 2.0], [3.0, 5.0]], [0, 1], [0.0, 0.0], 0.0, kernel=kernel).dw.tolist()
    except gradstep.KernelUnavailable as error:
        return str(error)

print(json.dumps({
    "package": gradstep.__file__,
    "kernels": gradstep.kernels.__file__,
    "version": gradstep.__version__,
    "available": gradstep.available(),
    "dw": {kernel: use(kernel) for kernel in [*gradstep.available(), "auto"]},
}))
"""
DW = [-0.5, -0.75]


def run(*command, cwd, succeeds=True, **variables):
    """Run a command outside the checkout, without this session's GRADSTEP_ variables, and return its output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GRADSTEP_")}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", **variables}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode == 0) == succeeds, done.stdout
    return done.stdout


class Environment:
    """A new virtual environment that sees the dependencies installed here, but not this session's gradstep."""

    def __init__(self, folder):
        venv.create(folder, with_pip=False)
        self.folder = folder
        self.python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        site_packages = run(self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
        # A path in a .pth file is searched, but the .pth files in it, such as an editable gradstep's, are not read.
        here = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        Path(site_packages.strip(), "dependencies.pth").write_text("\n".join(here))

    def install(self, *what, **variables):
        pip = (sys.executable, "-m", "pip", "--python", self.python, "install", "--no-deps", "--no-index")
        run(*pip, "--no-build-isolation", "--ignore-installed", *what, cwd=self.folder, **variables)

    def use(self):
        """Compute with every kernel and return what the installation reports."""
        return json.loads(run(self.python, "-I", "-c", USE, cwd=self.folder))


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    """A copy of the sources, so that nothing is built in the user's checkout."""
    return shutil.copytree(
        ROOT, tmp_path_factory.mktemp("source") / "gradstep", ignore=shutil.ignore_patterns(*NOT_COPIED)
    )


@pytest.fixture(scope="session")
def sdist(checkout, tmp_path_factory):
    dist = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", dist, checkout, cwd=dist)
    (archive,) = dist.iterdir()
    return archive


@pytest.fixture(scope="session")
def unpacked(sdist, tmp_path_factory):
    """The folder that the source distribution unpacks to."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    return top


@pytest.fixture(scope="session")
def built(unpacked, tmp_path_factory):
    """A wheel built from the source distribution, and the build's output."""
    dist = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", dist, unpacked)
    said = run(*build, cwd=dist)
    (wheel,) = dist.iterdir()
    return wheel, said


@pytest.fixture(scope="session")
def pure_wheel(checkout, tmp_path_factory):
    """A wheel built without extensions, as on a machine without a compiler."""
    dist = tmp_path_factory.mktemp("pure")
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", dist, checkout)
    run(*build, cwd=dist, GRADSTEP_NO_EXTENSIONS="1", CC="/nonexistent")
    (wheel,) = dist.iterdir()
    return wheel


@pytest.fixture
def environment(tmp_path):
    return Environment(tmp_path / "environment")


def names_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def files_below(folder):
    """Return the relative paths of the files in a folder, without what building leaves there."""
    paths = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {path for path in paths if path.parts[0] != "build" and ".egg-info" not in str(path)}


def test_sdist_holds_the_checkout_and_nothing_else(checkout, unpacked):
    hidden = {path for path in files_below(checkout) if path.parts[0].startswith(".") and path.parts[0] not in SHIPPED}
    added_by_setuptools = {Path("PKG-INFO"), Path("setup.cfg")}
    held = files_below(unpacked)
    assert held - added_by_setuptools == files_below(checkout) - hidden
    assert Path("kernels/cython_loop.pyx") in held
    assert not (unpacked / "build").exists()


@needs_compiler
def test_wheel_holds_the_package_and_nothing_else(built, checkout):
    names = {name for name in names_in(built[0]) if not name.endswith("/")}
    metadata = {name for name in names if ".dist-info/" in name}
    extension = re.compile(r"gradstep/(kernels/cython_loop_\w+|team)\.[^/]*(so|pyd)")
    extensions = {name for name in names if extension.fullmatch(name)}
    assert {"gradstep/kernels/cython_loop_baseline", "gradstep/team"} <= {name.split(".")[0] for name in extensions}
    assert {name.split("/")[0] for name in metadata} == {f"gradstep-{importlib.metadata.version('gradstep')}.dist-info"}

    library = {path.as_posix() for path in files_below(checkout / "src") if path.suffix != ".pyx"}
    kernels = {
        f"gradstep/kernels/{path.as_posix()}"
        for path in files_below(checkout / "kernels")
        if path.suffix in (".py", ".pyi", ".pxd")
    }
    assert names - metadata - extensions == library | kernels


@needs_compiler
def test_metadata(built):
    with zipfile.ZipFile(built[0]) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Name"] == "gradstep"
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata["Requires-Python"] == ">=3.11"
    required = [re.split(r"[<>=!~; ]", line)[0] for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert required == ["numpy"]


@needs_compiler
def test_compile_commands_have_neither_native_nor_fast_math(built):
    commands = [line for line in built[1].splitlines() if "cython_loop" in line and re.search(r" [-/]c ", line)]
    assert commands
    unwanted = re.compile(r"-m(arch|cpu|tune)=native|-Ofast|-ffast-math|/fp:fast")
    assert not [command for command in commands if unwanted.search(command)]


@needs_compiler
def test_wheel_computes_with_every_kernel(built, environment):
    environment.install(built[0])
    found = environment.use()
    assert Path(found["package"]).is_relative_to(environment.folder)
    assert found["version"] == importlib.metadata.version("gradstep")
    assert not any(found["available"].values())
    assert found["dw"] == dict.fromkeys(found["dw"], DW)


def test_tests_of_a_wheel_need_no_checkout(tmp_path):
    """cibuildwheel runs them in a folder that holds the tests and pyproject.toml alone."""
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__", "minutes"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    collect = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "tests", "--collect-only")
    found = set(re.findall(r"^tests/\w+\.py", run(*collect, cwd=tmp_path), re.MULTILINE))
    assert {"tests/test_conformance.py", "tests/test_package.py"} <= found
    assert found.isdisjoint({"tests/test_readme.py", "tests/test_torture.py", "tests/test_simd_math.py"})


@needs_compiler
def test_compiled_code_uses_the_kernel_of_a_wheel(built, environment):
    environment.install(built[0])
    (environment.folder / "consumer.pyx").write_text(CIMPORTER)
    cythonize = (environment.python, "-c", "from Cython.Build.Cythonize import main; main(['-i', 'consumer.pyx'])")
    run(*cythonize, cwd=environment.folder)
    found = json.loads(run(environment.python, "-c", CONSUME, cwd=environment.folder))
    assert Path(found["package"]).is_relative_to(environment.folder)
    code, dw, dw_of_floats, sums, sums_of_floats, density = found["used"]
    assert (code, dw, dw_of_floats) == (0, DW, DW)
    assert sums == pytest.approx([-1.0, -1.5, 0.0, 2 * math.log(2)], rel=1e-15)
    assert sums_of_floats == pytest.approx(sums, rel=1e-6)
    assert density == pytest.approx(0.25, rel=1e-14)
    assert found["scipy"] == "double (int, double *, void *)"
    assert len(set(found["addresses"])) == 1


@needs_compiler
@pytest.mark.parametrize("mode", ["lenient", "strict"])
def test_editable_installation_computes_with_every_kernel(mode, checkout, environment, tmp_path):
    source = shutil.copytree(checkout, tmp_path / "source")
    environment.install("--editable", source, "--config-settings", f"editable_mode={mode}")
    found = environment.use()
    assert Path(found["package"]).is_relative_to(source)
    assert Path(found["kernels"]).is_relative_to(source)
    assert not any(found["available"].values())
    assert found["dw"] == dict.fromkeys(found["dw"], DW)

    contract = source / "kernels" / "__init__.py"
    contract.write_text(contract.read_text() + "\nedited = 1\n")
    run(environment.python, "-I", "-c", "from gradstep.kernels import edited", cwd=environment.folder)


def test_without_extensions_the_cython_kernel_gives_the_reason(pure_wheel, environment):
    assert pure_wheel.name.endswith("-py3-none-any.whl")
    assert not [name for name in names_in(pure_wheel) if name.endswith((".so", ".pyd"))]
    environment.install(pure_wheel)
    found = environment.use()
    reasons = found["available"]
    assert "built without it" in reasons["cython"]
    assert "GRADSTEP_NO_EXTENSIONS" in reasons["cython"]
    assert [name for name, reason in reasons.items() if reason] == ["cython"]
    assert found["dw"].pop("cython") == reasons["cython"]
    assert found["dw"] == dict.fromkeys(["python", "numba", "numpy", "auto"], DW)


@pytest.mark.skipif(sys.platform == "win32", reason="Microsoft's compiler is not chosen by CC")
@pytest.mark.parametrize("compiler", ["/nonexistent", "false"], ids=["missing", "failing"])
def test_without_a_compiler_the_build_names_the_fix(compiler, checkout, tmp_path):
    pip = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation", checkout)
    said = run(*pip, cwd=tmp_path, succeeds=False, CC=compiler)
    assert "gradstep could not compile its Cython kernel" in said
    assert "Fix:  install a C compiler and the Python headers" in said
    assert "GRADSTEP_NO_EXTENSIONS=1" in said
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())
