"""A processor that has only the baseline never meets an instruction, nor imports a build, that it lacks."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import processes
import pytest
from availability import load_or_explain

from gradstep import processor

# What may stand before the opcode: the legacy prefixes, then one of REX.
PREFIXES = {0x66, 0xF2, 0xF3, 0x2E, 0x36, 0x3E, 0x26, 0x64, 0x65, 0x67, 0xF0}
REX = range(0x40, 0x50)
# Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, sections 2.3 and 2.7 and appendix A: in 64-bit
# mode the first two begin only VEX instructions (AVX, AVX2, FMA, BMI) and the third only EVEX (AVX-512); all opcodes
# that begin with the last two came after SSE3.
NEWER = {b"\xc5": "VEX", b"\xc4": "VEX", b"\x62": "EVEX", b"\x0f\x38": "after SSE3", b"\x0f\x3a": "after SSE3"}

INSTRUCTION = re.compile(r"^\s*[0-9a-f]+:\s+((?:[0-9a-f]{2} )+)\s*(.*)$", re.MULTILINE)


def newer_instructions(disassembly: str) -> dict[str, list[str]]:
    """Return the instructions that not every x86-64 processor has, by what tells them apart."""
    found: dict[str, list[str]] = {"VEX": [], "EVEX": [], "after SSE3": [], "wide registers": []}
    for code, text in INSTRUCTION.findall(disassembly):
        opcode = bytes.fromhex(code)
        while opcode and opcode[0] in PREFIXES:
            opcode = opcode[1:]
        if opcode and opcode[0] in REX:
            opcode = opcode[1:]
        for start, kind in NEWER.items():
            if opcode.startswith(start):
                found[kind].append(text)
        if re.search(r"%[yz]mm\d", text):
            found["wide registers"].append(text)
    return found


def disassembly(name: str) -> str:
    """Return all instructions of one build of the Cython kernel."""
    load_or_explain("cython")
    if platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip(f"{platform.machine()} has no other instruction set than the baseline")
    if sys.platform != "linux":
        pytest.skip("only what GNU objdump prints is read here, and only ELF files keep tables apart from instructions")
    objdump = shutil.which("objdump")
    if objdump is None:
        pytest.skip("objdump, which comes with GCC, is not installed")
    # Found beside the baseline, because importing another build is what some processors would not survive.
    baseline = Path(processor.load("baseline").__file__)
    file = baseline if name == "baseline" else baseline.with_name(baseline.name.replace("_baseline.", f"_{name}.", 1))
    command = [objdump, "--disassemble", "--wide", str(file)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert len(INSTRUCTION.findall(text)) > 1_000
    return text


def test_the_baseline_has_no_newer_instruction():
    assert not any(newer_instructions(disassembly("baseline")).values())


@pytest.mark.parametrize(("name", "kind"), [("avx2", "VEX"), ("avx512", "EVEX")])
def test_newer_instructions_are_recognized(name, kind):
    found = newer_instructions(disassembly(name))
    assert found[kind]
    assert found["wide registers"]


# Both ways by which a build gets loaded, and what lists them.
USE_THE_CYTHON_KERNEL = """
    import sys
    import click.testing
    import gradstep
    from gradstep import registry
    from gradstep.cli import main as cli
    from gradstep import processor
    print(sum(name.startswith("gradstep.kernels.cython_loop") for name in sys.modules))
    {processor}
    gradstep.gradient([[1.0, 2.0], [3.0, 5.0]], [0, 1], [0.1, 0.2], 0.0, kernel="cython")
    gradstep.available(), gradstep.fastest(10, 2)
    print(processor.chosen()[0], registry.load("cython").partial_sums.__module__)
    said = click.testing.CliRunner().invoke(cli.main, ["info"], catch_exceptions=False)
    print(said.exit_code, *sorted(name for name in sys.modules if name.startswith("gradstep.kernels.cython_loop")))
"""
ONLY_BASELINE = """
    from gradstep.kernels import cython_loop_baseline
    cython_loop_baseline.instruction_sets_of_processor = lambda: ["baseline"]
"""


@pytest.mark.parametrize(
    ("processor", "environment"),
    [("", {"GRADSTEP_ISA": "baseline"}), (ONLY_BASELINE.strip(), {})],
    ids=["GRADSTEP_ISA is baseline", "the processor has only the baseline"],
)
def test_no_other_build_is_imported(processor, environment):
    load_or_explain("cython")
    said = processes.run(USE_THE_CYTHON_KERNEL.format(processor=processor), environment)
    assert said.splitlines() == [
        "0",
        "baseline gradstep.kernels.cython_loop_baseline",
        "0 gradstep.kernels.cython_loop_baseline",
    ]


def test_an_import_of_another_build_would_show():
    load_or_explain("cython")
    best = processor.supported()[-1]
    said = processes.run(USE_THE_CYTHON_KERNEL.format(processor=""), {"GRADSTEP_ISA": best}).splitlines()[-1]
    assert said.split() == ["0", *sorted({"gradstep.kernels.cython_loop_baseline", processor.load(best).__name__})]
