"""Damaged files of every kind that gradstep reads: each ends in a result, or in one line that names the file."""

from __future__ import annotations

import json
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from gradstep import threads
from gradstep.cli.main import main
from tools.torture import children
from tools.torture.part import Amount, Outcome

FILES = 20_000
FILES_A_CHILD = 500

COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "table.csv": (
        ("fit", "FILE", "--label", "y", "--max-iter", "3", "--quiet"),
        ("predict", "model.json", "FILE", "--out", "out.csv"),
    ),
    "table.npz": (
        ("fit", "FILE", "--label", "y", "--max-iter", "3", "--quiet"),
        ("predict", "model.json", "FILE", "--out", "out.csv"),
    ),
    "table.parquet": (
        ("fit", "FILE", "--label", "y", "--max-iter", "3", "--quiet"),
        ("predict", "model.json", "FILE", "--out", "out.csv"),
    ),
    "model.json": (("predict", "FILE", "table.csv", "--out", "out.csv"),),
    "record.json": (
        ("report", "FILE", "--details"),
        ("diff", "FILE", "record.json"),
        ("export", "FILE", "--csv", "out.csv"),
    ),
}
"""What reads each kind of file."""

DAMAGE = """
import contextlib, faulthandler, io, json, os, random, resource, sys, time, traceback
from pathlib import Path
from gradstep.cli.main import main

first, count = int(sys.argv[1]), int(sys.argv[2])
commands = json.loads(sys.argv[3])
SECONDS, BYTES = 20, 3 << 29

# A request for more memory than this raises MemoryError, and a call that hangs shows where.
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))

def damaged(whole, generator):
    content = bytearray(whole)
    for _ in range(generator.choice((1, 1, 1, 2, 5))):
        start = generator.randrange(len(content) or 1)
        stop = min(len(content), start + generator.choice((1, 1, 4, 30, 300)))
        kind = generator.randrange(7)
        if kind == 0 and content:
            content[start] ^= 1 << generator.randrange(8)
        elif kind == 1:
            del content[start:stop]
        elif kind == 2:
            content[start:start] = content[start:stop] * generator.choice((1, 2, 50))
        elif kind == 3:
            content[start:stop] = generator.randbytes(stop - start)
        elif kind == 4:
            del content[start:]
        elif kind == 5:
            content[start:stop] = generator.choice(TOKENS)
        else:
            other = generator.randrange(len(content) or 1)
            content[start:start] = content[other : other + 40]
    return bytes(content)

TOKENS = [
    b"nan", b"1e999", b"-1", b"99999999999999999999", b"\\x00", b'"', b",,,", b"\\r", b"\\n\\n", b"null", b"{}", b"[]",
    b"1e-320", b"\\xff\\xfe", b"[red]", b"<script>", b"$x$", b"true", b"0x10", "\\u2603".encode(), b"'", b"\\x1b[31m",
]

def ending(line):
    out, said = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    code, error = None, None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        try:
            main(line, prog_name="gradstep")
        except SystemExit as end:
            code = end.code or 0
        except BaseException as other:  # whatever it is, it is what this part looks for
            error = other
    said.seek(0)
    return code, said.read(), error

def failure(line, name):
    # Processor time, because the machine may have others to serve.
    began = time.process_time()
    faulthandler.dump_traceback_later(300, exit=True)
    code, said, error = ending(line)
    faulthandler.cancel_dump_traceback_later()
    if time.process_time() - began > SECONDS:
        return f"takes {time.process_time() - began:.0f} s"
    if error is not None:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}: {error}"
    if code in (0, 3):
        return ""
    complaints = [each for each in said.splitlines() if each.startswith("gradstep: error: ")]
    if code != 1 or len(complaints) != 1:
        return f"exit code {code} with {said[-200:]!r}"
    return "" if name in complaints[0] else f"names no file: {complaints[0]}"

names = sorted(commands)
originals = {name: Path(name).read_bytes() for name in names}
failures, left = [], set(os.listdir("."))
for number in range(first, first + count):
    name = names[number % len(names)]
    generator = random.Random(number)
    path = f"damaged-{number}{Path(name).suffix}"
    Path(path).write_bytes(damaged(originals[name], generator))
    for line in commands[name]:
        wrong = failure([path if part == "FILE" else part for part in line], path)
        if wrong:
            failures.append(f"{name} number {number}, {line[0]}: {wrong}")
    os.unlink(path)
    Path("out.csv").unlink(missing_ok=True)
unknown = set(os.listdir(".")) - left
if unknown:
    failures.append(f"leaves {sorted(unknown)[:3]}")
# Not ru_maxrss, which begins with the size of the process that started this one.
(peak,) = (int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
if peak * 1024 > BYTES:
    failures.append(f"takes {peak >> 10} MiB of memory")
print(json.dumps([" ".join(each.split())[:400] for each in failures]))
"""


def run(amount: Amount, first: str = "") -> Outcome:
    """Damage a good file of each kind in many ways, and hand it to every command that reads it."""
    outcome = Outcome("damaged files end in a result or in one line that names the file")
    with tempfile.TemporaryDirectory() as name:
        originals = Path(name, "originals")
        originals.mkdir()
        _write_originals(originals)
        files = amount.of(FILES)
        starts = range(0, files, FILES_A_CHILD)
        with ThreadPoolExecutor(threads.usable_cores()) as pool:
            for failures in pool.map(lambda start: _child(first, originals, start, files), starts):
                outcome.failures += failures
        outcome.tried = files
    return outcome


def _child(first: str, originals: Path, start: int, files: int) -> list[str]:
    folder = originals.with_name(f"from-{start}")
    shutil.copytree(originals, folder)
    count = min(FILES_A_CHILD, files - start)
    ended = children.run(
        children.after(first, DAMAGE), 1800, arguments=(str(start), str(count), json.dumps(COMMANDS)), folder=folder
    )
    failure = ended.failure(f"files from {start}")
    return [failure] if failure else list(json.loads(ended.output))


def _write_originals(folder: Path) -> None:
    """Write one good file of each kind, by gradstep where it writes such files."""
    import pyarrow
    import pyarrow.parquet

    generator = np.random.default_rng(0)
    X = generator.standard_normal((40, 3)).round(3)
    labels = np.where(X[:, 0] + X[:, 1] ** 2 > 0.5, "1", "0")
    rows = [",".join((*map(str, row), label)) for row, label in zip(X.tolist(), labels.tolist(), strict=True)]
    (folder / "table.csv").write_text("\n".join(("a,b,c,y", *rows, "")), encoding="utf-8")
    np.savez_compressed(folder / "table.npz", X=X, y=labels)
    columns = dict(zip("abc", X.T, strict=True)) | {"y": labels}
    pyarrow.parquet.write_table(
        pyarrow.table(columns), folder / "table.parquet", row_group_size=16, write_page_checksum=True
    )
    _gradstep("fit", folder / "table.csv", "--label", "y", "--quiet", "--save", folder / "model.json")
    # With time enough however busy the machine is, and two kernels of which one is soon known to be faster.
    sizes = ("--m", "20,40,80", "--n", "2", "--rounds", "3", "--kernels", "python,numpy", "--budget", "600")
    _gradstep("compare", *sizes, "--quiet", "--json", folder / "record.json")


def _gradstep(*line: object) -> None:
    done = CliRunner().invoke(main, [str(part) for part in line])
    if done.exit_code:
        raise RuntimeError(f"gradstep {line[0]} failed: {done.output}")
