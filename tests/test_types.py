"""What mypy and pyright say about a user's script: nothing where it is right, and where a name or a type is wrong."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

CHECKERS = {
    "mypy": [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "cache"],
    "pyright": [sys.executable, "-m", "pyright", "--pythonpath", sys.executable],
}


@pytest.fixture(params=CHECKERS)
def errors(request, tmp_path):
    """Return a function that gives the lines in which a type checker finds an error."""
    pytest.importorskip(request.param, reason=f"{request.param} is of the extra dev")

    def check(code: str) -> set[str]:
        (tmp_path / "script.py").write_text(code.lstrip())
        # Pyright obeys the settings of the folder it runs in; without any it checks as an editor does.
        done = subprocess.run(
            [*CHECKERS[request.param], "script.py"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert re.search(r"^(Success|Found|\d+ errors?)", done.stdout, re.MULTILINE), done.stdout
        found = re.findall(r"script\.py:(\d+):.*\berror\b", done.stdout)
        return {code.lstrip().splitlines()[int(line) - 1] for line in found}

    return check


def test_a_script_with_one_model_is_right(errors):
    assert (
        errors("""
import gradstep
import numpy as np
import numpy.typing as npt


def train(X: npt.NDArray[np.float32], y: npt.NDArray[np.float64]) -> float:
    fit: gradstep.Fit = gradstep.fit(X, y, sample_weight=y, l2=0.1, callback=lambda iterate: iterate.J < 0.1)
    J, dw, db = gradstep.gradient(X, y, fit.w, fit.b, kernel="numba", threads=2)
    step = gradstep.step(X, y, fit.w, fit.b, alpha=0.1, kernel=gradstep.fastest(*X.shape))
    dw *= 2.0
    return max(J, db, step.J, float(fit.history[-1]), gradstep.objective(X, y).gradient(step.w, step.b).db)


w, b, J, n_iter, converged, history = gradstep.fit([[1.0], [2.0]], [0, 1])
label: str = f"{J:.3f} after {n_iter}, {converged and b > 0.0}"
print(label, train(np.ones((3, 2), np.float32), np.ones(3)), w.shape, len(history))
""")
        == set()
    )


def test_a_script_with_many_models_is_right(errors):
    assert (
        errors("""
import gradstep
import numpy as np
import numpy.typing as npt


def gradients(X: npt.NDArray[np.float64], y: npt.NDArray[np.float64], w: npt.ArrayLike) -> list[float]:
    J, dw, db = gradstep.gradient(X, y, w, np.zeros(3), l2=[0.0, 0.1, 1.0])
    step = gradstep.step(X, y, w, [0.0, 0.0, 0.0], alpha=[0.1, 0.2, 0.3])
    costs: list[float] = (J + step.b + db).tolist()
    print(dw.shape, step.w.max())
    return costs


X, Y = np.ones((4, 2)), np.ones((4, 3))
fits = gradstep.fit(X, Y, l2=[0.0, 0.1, 1.0], callback=lambda iterates: bool(iterates.J.max() < 0.1))
print(fits.largest.max(), fits.history[0].min(), fits.advice[2], gradients(X, Y, fits.w))
print(gradstep.fit(X, gradstep.OneAgainstRest(np.array([0, 1, 2, 1]))).b.mean())
print(gradstep.fit(X, [[0, 1], [1, 0], [0, 1], [0, 1]]).b.mean())
print(gradstep.fit(X, Y[:, 0], b0=[0.0, 0.1]).b.mean())
""")
        == set()
    )


def test_a_typo_in_the_name_of_a_kernel_is_found(errors):
    right = """
import gradstep
X, y, w = [[1.0]], [1], [0.0]
gradstep.gradient(X, y, w, 0.0, kernel="numba")
gradstep.step(X, y, w, 0.0, 0.1, kernel=gradstep.fastest(10, 10))
"""
    wrong = [
        'gradstep.gradient(X, y, w, 0.0, kernel="numbaa")',
        'gradstep.gradient(X, y, [w], [0.0], kernel="numbaa")',
        'gradstep.step(X, y, w, 0.0, 0.1, kernel="numbaa")',
        'gradstep.objective(X, y, kernel="numbaa")',
        'gradstep.fit(X, y, kernel="numbaa")',
        'gradstep.fit(X, [y], kernel="numbaa")',
    ]
    assert errors(right + "\n".join(wrong)) == set(wrong)


def test_one_model_is_not_taken_for_many(errors):
    wrong = [
        "gradstep.gradient(X, y, w, 0.0).J.mean()",
        "gradstep.step(X, y, w, 0.0, 0.1).b.mean()",
        "gradstep.fit(X, y).b.mean()",
        "gradstep.fit(X, [[0], [1]]).b.is_integer()",
    ]
    assert errors("import gradstep\nX, y, w = [[1.0], [2.0]], [0, 1], [0.0]\n" + "\n".join(wrong)) == set(wrong)


def test_every_container_is_accepted(errors):
    nothing = "gradstep.gradient(object(), frame, frame, 0.0)"
    assert errors(f"""
from typing import Any
import gradstep
import polars, zarr
class Stream:
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: return 0
class OnlyDLPack:
    def __dlpack__(self, *, max_version: Any = None, dl_device: Any = None, copy: Any = None) -> object: return 0
    def __dlpack_device__(self) -> tuple[int, int]: return 1, 0
frame, data = polars.DataFrame({{"a": [1.0]}}), zarr.open_array("X")
gradstep.fit(Stream(), data, sample_weight=Stream())
gradstep.fit(OnlyDLPack(), Stream(), sample_weight=frame["a"])
gradstep.fit(memoryview(b""), frame["a"])
gradstep.step(Stream(), OnlyDLPack(), frame["a"], 0.0, 0.1)
gradstep.objective(data, frame["a"])
{nothing}
""") == {nothing}
