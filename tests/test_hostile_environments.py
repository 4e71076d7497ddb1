"""A hostile world: packages that fail in odd ways, damaged caches, refused questions; each in a fresh interpreter."""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import processes
import pytest
from availability import load_or_explain
from command_line import assert_one_line, process

from gradstep import machine

NUMBA_CANNOT_BE_IMPORTED = """
    import sys
    sys.path.insert(0, {folder!r})
    import gradstep
    print(gradstep.available()["numba"])
    try:
        gradstep.gradient([[1.0]], [1.0], [1.0], 0.0, kernel="numba")
    except gradstep.KernelUnavailable as error:
        assert str(error) == gradstep.available()["numba"]
    from gradstep.cli.main import main
    main(["info"])
"""


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        ("raise SystemExit('no AVX')", "SystemExit: no AVX"),
        ("class Panic(BaseException): pass\nraise Panic('panicked')", "Panic: panicked"),
        ("raise BaseExceptionGroup('two', [SystemExit(1)])", "BaseExceptionGroup: two (1 sub-exception)"),
        (r"raise RuntimeError('one\ntwo\r\n  three\x1b[31m')", r"RuntimeError: one two three\x1b[31m"),
        ("raise NotImplementedError", "NotImplementedError"),
        ("class Bad(Exception):\n    def __str__(self): raise ValueError\nraise Bad", "Bad"),
        ("raise RuntimeError('x' * 100_000)", f"RuntimeError: {'x' * 400} [...]"),
    ],
)
def test_what_numba_raises_at_its_import_is_one_line_against_it(tmp_path, package, reason):
    (tmp_path / "numba.py").write_text(package)
    said = processes.run(NUMBA_CANNOT_BE_IMPORTED.format(folder=str(tmp_path)))
    assert said.startswith(f"the numba kernel is not available: {reason}. Fix: ")
    assert "auto takes" in said


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
@pytest.mark.parametrize("raised", ["TimeoutError('enough')", "SystemExit('terminated')", "ValueError('x')"])
def test_what_the_handler_of_a_signal_raises_is_no_reason_against_a_kernel(tmp_path, raised):
    (tmp_path / "numba.py").write_text("import signal\nsignal.raise_signal(signal.SIGALRM)\nraise OSError('usual')")
    code = f"""
        import signal, sys
        sys.path.insert(0, {str(tmp_path)!r})
        import gradstep
        def handle(number, frame):
            raise {raised}
        signal.signal(signal.SIGALRM, handle)
        for _ in range(2):
            try:
                gradstep.available()
            except BaseException as error:  # KeyboardInterrupt and SystemExit are among what the handler raises
                print(type(error).__name__)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        print("OSError: usual" in gradstep.available()["numba"])
    """
    name = raised.partition("(")[0]
    assert processes.run(code).split() == [name, name, "True"]


def test_an_import_that_was_interrupted_begins_anew(tmp_path):
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "part.py").write_text("name = 'part'")
    (tmp_path / "numba" / "__init__.py").write_text(
        "import os\n"
        "import numba.part\n"
        "if os.environ.setdefault('TIMES', 'first') == 'first':\n"
        "    os.environ['TIMES'] = 'second'\n"
        "    raise KeyboardInterrupt\n"
        "raise OSError(numba.part.name)\n"
    )
    code = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        import gradstep
        try:
            gradstep.available()
        except KeyboardInterrupt:
            print(gradstep.available()["numba"])
    """
    assert processes.run(code).startswith("the numba kernel is not available: OSError: part. Fix: ")


@pytest.mark.parametrize(
    "passing",
    [
        "RecursionError",
        "MemoryError",
        "OSError(24, 'Too many open files')",
        f"ImportError('', path='numba{EXTENSION_SUFFIXES[-1]}')",
    ],
)
def test_a_failure_that_may_pass_is_not_remembered(tmp_path, passing):
    (tmp_path / "numba.py").write_text(
        f"import os\nif os.environ.setdefault('TIMES', '1') == '1': raise {passing}\nraise AttributeError('for good')"
    )
    code = f"""
        import os, sys
        sys.path.insert(0, {str(tmp_path)!r})
        import gradstep
        assert "for good" not in gradstep.available()["numba"]
        for times in "23":
            os.environ["TIMES"] = times
            print(gradstep.available()["numba"])
    """
    for reason in processes.run(code).splitlines():
        assert reason.startswith("the numba kernel is not available: AttributeError: for good. Fix: ")


USUAL_GRADIENT = """
    import gradstep
    print(gradstep.gradient([[1.0]], [1.0], [0.0], 0.0, kernel="numba").db)
"""


@pytest.fixture(scope="module")
def numba_cache(tmp_path_factory) -> Path:
    """Return a folder with what Numba keeps of one call."""
    load_or_explain("numba")
    folder = tmp_path_factory.mktemp("numba")
    assert processes.run(USUAL_GRADIENT, {"NUMBA_CACHE_DIR": str(folder)}) == "-0.5\n"
    return folder


def _damage(file: Path, how: str) -> None:
    content = file.read_bytes()
    file.unlink()
    if how == "a folder":
        file.mkdir()
    else:
        file.write_bytes({"nonsense": b"nonsense", "empty": b"", "half": content[: len(content) // 2]}[how])


@pytest.mark.parametrize(
    ("suffix", "how"), [("nbi", "nonsense"), ("nbi", "a folder"), ("nbc", "half"), ("nbc", "empty")]
)
def test_a_damaged_cache_of_numba_costs_a_compilation_and_no_more(tmp_path, numba_cache, suffix, how):
    shutil.copytree(numba_cache, tmp_path, dirs_exist_ok=True)
    damaged = list(tmp_path.rglob(f"numba_loop.*.{suffix}"))
    assert damaged
    for file in damaged:
        _damage(file, how)
    assert processes.run(USUAL_GRADIENT, {"NUMBA_CACHE_DIR": str(tmp_path)}) == "-0.5\n"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_full_disk_costs_numba_its_cache_and_no_more(tmp_path):
    load_or_explain("numba")
    code = "    import resource\n    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))" + USUAL_GRADIENT
    assert processes.run(code, {"NUMBA_CACHE_DIR": str(tmp_path)}) == "-0.5\n"
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and file.stat().st_size > 100]


def test_warnings_of_numba_are_no_errors_where_warnings_are(tmp_path):
    load_or_explain("numba")
    assert processes.run(USUAL_GRADIENT, {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_OPT": "0"}) == "-0.5\n"


# What runs as soon as Numba begins to compile, however fast or busy the machine is.
AT_A_COMPILATION = """
        import numpy as np
        import gradstep
        from numba.core import event

        class Once(event.Listener):
            def __init__(self, then):
                self.then = then

            def on_start(self, _):
                then, self.then = self.then, lambda: None
                then()

            def on_end(self, _):
                pass

        def call(dtype="f8"):
            return gradstep.gradient(np.ones((9, 2), dtype), np.ones(9), np.zeros(2), 0.0, kernel="numba").db

        gradstep.registry.load("numba")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_of_a_process_that_compiles_does_not_wait_for_ever(tmp_path):
    load_or_explain("numba")
    code = """
        import os, signal, threading, warnings
        warnings.simplefilter("ignore")
        began = threading.Event()
        event.register("numba:compile", Once(began.set))
        compiling = threading.Thread(target=call)
        compiling.start()
        began.wait()
        assert compiling.is_alive()
        child = os.fork()
        if not child:
            signal.alarm(300)
            os._exit(0 if call() == -0.5 else 1)
        compiling.join()
        print(os.waitpid(child, 0)[1])
    """
    assert processes.run(AT_A_COMPILATION + code, {"NUMBA_CACHE_DIR": str(tmp_path)}) == "0\n"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_the_handler_of_a_signal_cannot_compile_what_is_being_compiled(tmp_path):
    load_or_explain("numba")
    code = """
        import signal

        def handle(number, frame):
            try:
                call("f4")
            except gradstep.KernelUnavailable as error:
                print(error)

        signal.signal(signal.SIGUSR1, handle)
        event.register("numba:compile", Once(lambda: signal.raise_signal(signal.SIGUSR1)))
        print(call())
    """
    said = processes.run(AT_A_COMPILATION + code, {"NUMBA_CACHE_DIR": str(tmp_path)}).splitlines()
    assert said[0].startswith("the numba kernel is not available: this thread is compiling it, and was interrupted")
    assert said[1] == "-0.5"


LARGE = """
    import sys
    import numpy as np
    import gradstep
    from gradstep import processor
    lost = processor.WORTH_TRYING[processor.chosen()[0]][-1].partition("-")[0]
    if lost != processor.chosen()[0]:
        sys.modules[f"gradstep.kernels.cython_loop_{lost}"] = None
    X, y = np.ones((100_000, 4)), np.ones(100_000)
    for _ in range(30):
        print(gradstep.gradient(X, y, np.zeros(4), 0.0, kernel="cython", threads=1).db)
    from gradstep.cli.main import main
    main(["info"])
"""


def test_a_build_that_cannot_be_imported_is_one_variant_less():
    load_or_explain("cython")
    said = processes.run(LARGE).splitlines()
    assert said[:30] == ["-0.5"] * 30
    assert any("kernel cython" in line and "available" in line for line in said)


def test_a_pinned_variant_of_numba_is_named_where_auto_would_take_it():
    code = """
        import sys
        sys.modules["gradstep.kernels.cython_loop_baseline"] = None
        import numpy as np
        import gradstep
        try:
            gradstep.gradient(np.ones((20_000, 1)), np.ones(20_000), [0.0], 0.0)
        except gradstep.KernelUnavailable as error:
            print(error)
        from gradstep.cli.main import main
        sys.stderr = sys.stdout
        main(["info"])
    """
    load_or_explain("numba")
    process = processes.start(code, {"GRADSTEP_VARIANT": "numba:fast"})
    said, _ = process.communicate(timeout=processes.PATIENCE)
    assert said.startswith("GRADSTEP_VARIANT is 'numba:fast', but the variants of the numba kernel here are ")
    assert process.returncode == 1


@pytest.mark.parametrize("kernel", ["numba", "numpy"])
def test_info_fails_where_a_named_variant_cannot_be_had(kernel):
    process = processes.start("from gradstep.cli.main import main; main(['info'])", {"GRADSTEP_VARIANT": f"{kernel}:x"})
    said, errors = process.communicate(timeout=processes.PATIENCE)
    assert process.returncode == 1
    assert f"error: GRADSTEP_VARIANT is '{kernel}:x', but the variants of the {kernel} kernel here are " in errors
    assert "auto takes" in said


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("GRADSTEP_THREADS", "9" * 10, f"'{'9' * 10}'; it should be an integer, at least 1 and at most 999,999,999"),
        ("GRADSTEP_THREADS", "9" * 5000, f"'{'9' * 100}'... of 5000 characters; it should be an integer, at least 1"),
        ("GRADSTEP_KERNEL", "x" * 5000, f"'{'x' * 100}'... of 5000 characters; it should be 'auto' or one of "),
        ("GRADSTEP_THREADS", "\u0663", "'\u0663'; it should be an integer, at least 1 and at most 999,999,999"),
    ],
)
def test_the_message_about_a_variable_is_short_and_true(name, value, shown):
    code = """
        import numpy as np
        import gradstep
        try:
            gradstep.gradient(np.ones((9_000, 9)), np.ones(9_000), np.ones(9), 0.0)
        except ValueError as error:
            print(error)
    """
    assert processes.run(code, {name: value}).startswith(f"{name} is {shown}")


@pytest.mark.parametrize(
    ("name", "value"),
    [("GRADSTEP_THREADS", "two"), ("GRADSTEP_KERNEL", "fast"), ("GRADSTEP_ISA", "mmx"), ("GRADSTEP_VARIANT", "fast")],
)
def test_a_variable_is_refused_before_the_table_is_read_and_without_its_name(tmp_path, name, value):
    outcome = process("fit", tmp_path / "none.csv", "--label", "y", **{name: value})
    assert_one_line(outcome, 1, f"gradstep: error: {name} is {value!r}")


@pytest.mark.parametrize(
    "world",
    [
        "import os, tempfile; folder = tempfile.mkdtemp(); os.chdir(folder); os.rmdir(folder)",
        "sys.executable = None",
        "sys.executable = ''",
    ],
)
def test_a_missing_package_is_named_in_a_deleted_folder_and_in_another_program(world):
    code = f"""
        import sys
        sys.modules["numba"] = None
        {world}
        import gradstep
        print(gradstep.available()["numba"])
    """
    said = processes.run(code)
    assert said.endswith(' -m pip install "gradstep[numba]"\n')
    assert "''" not in said


@pytest.mark.parametrize("package", ["click", "rich"])
def test_a_damaged_package_of_the_command_line_is_named_in_one_line(tmp_path, package):
    (tmp_path / f"{package}.py").write_text("raise RuntimeError('half\\ninstalled')")
    code = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        sys.argv = ["gradstep", "info"]
        from gradstep.__main__ import main
        try:
            main()
        except SystemExit as ending:
            print(ending)
    """
    said = processes.run(code)
    start = f"gradstep: error: The command line cannot import {package} (RuntimeError: half installed): "
    assert said.startswith(start)
    assert said.endswith('-m pip install --upgrade "gradstep[cli]"\n')


def test_versions_of_a_copy_without_metadata():
    code = """
        import importlib.metadata, json
        def version(package):
            raise KeyError("Version") if package == "numba" else importlib.metadata.PackageNotFoundError(package)
        importlib.metadata.version = version
        from gradstep import machine
        print(json.dumps(machine.versions()))
    """
    versions = json.loads(processes.run(code))
    assert versions["numba"] is versions["scikit-learn"] is None
    assert versions["gradstep"] == "0.1.0"
    assert versions["numpy"][0].isdigit()


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"model name\t: Gr\xfcn CPU\nflags\t: sse2\n", "Gr\ufffdn CPU"), (b"", None), (None, None)],
)
def test_whatever_the_system_says_about_the_processor(monkeypatch, tmp_path, content, name):
    file = tmp_path / "cpuinfo"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setattr(machine, "CPUINFO", file)
    # Each of its files is a folder, so that reading fails.
    monkeypatch.setattr(machine, "CPU", tmp_path)
    (tmp_path / "cpufreq" / "scaling_governor").mkdir(parents=True)
    described = machine.Machine.here()
    assert described.governor is None
    assert described.processor == (name or described.processor)
    assert described.processor
