"""The command line in a notebook: results as text, and no bar that stays behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

LINE = "compare --m 50 --n 3 --rounds 2 --kernels numpy --budget 1e6"
IN_A_PROCESS = f"!{{sys.executable}} -m gradstep {LINE}"
IN_THE_KERNEL = f"""
from gradstep.cli.main import main

try:
    main({LINE.split()})
except SystemExit as ending:
    assert ending.code == 0
"""


def test_comparison_in_a_notebook_leaves_text_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    cells = [nbformat.v4.new_code_cell(source) for source in ("import sys", IN_A_PROCESS, IN_THE_KERNEL)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=500).execute()
    for cell in notebook.cells[1:]:
        assert {output["output_type"] for output in cell.outputs} == {"stream"}
        text = "".join(output["text"] for output in cell.outputs)
        assert "numpy is the only kernel timed." in text
        # Neither a bar, nor what moves the cursor back to draw it again.
        assert "━" not in text
        assert "elapsed" not in text
        assert "\x1b[2K" not in text
