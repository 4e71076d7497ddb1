"""LogisticRegression computes with gradstep, and scikit-learn's own tests of it pass as before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import sklearn
from scikit_learn_client import Notes

TESTS = ["sklearn/linear_model/tests/test_logistic.py", "sklearn/linear_model/tests/test_linear_loss.py"]
HELPERS = Path(__file__).parents[1]


def run(folder, *arguments) -> Notes:
    """Run tests of scikit-learn's in a process of their own, and return what the plugin noted."""
    root = Path(sklearn.__file__).parents[1]
    notes = folder / "notes.json"
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", root, "-p", "no:cacheprovider"]
    command += ["-p", "scikit_learn_client", "--notes", notes, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(HELPERS)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return Notes(**json.loads(notes.read_text(encoding="utf-8")))


def test_nothing_fails_that_passes_without_gradstep(tmp_path):
    ours = run(tmp_path, "--with-gradstep", *TESTS)
    failed = [name for name, outcome in ours.outcomes.items() if outcome == "failed"]
    if failed:
        theirs = run(tmp_path, *failed)
        failed = [name for name in failed if theirs.outcomes[name] != "failed"]
    assert failed == []
    assert list(ours.outcomes.values()).count("passed") > 400
    assert set(ours.computed) == {"loss_gradient", "gradient", "gradient_hessian_product"}
    assert min(ours.computed.values()) > 0
