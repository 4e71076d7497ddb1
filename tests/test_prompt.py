"""What a prompt and a notebook show: short reprs, the public names, a line of progress."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

import gradstep
from gradstep import registry

X = np.random.default_rng(0).standard_normal((200, 50)) * 1e-3
Y = (X[:, 0] + 1e-3 * np.random.default_rng(1).standard_normal(200) > 0).astype(float)
W = np.full(50, -1.2345678e-5)


@pytest.mark.filterwarnings("ignore::gradstep.ConvergenceWarning")
def results():
    """Return everything that a prompt may show."""
    seen = []
    fit = gradstep.fit(X, Y, l2=1e-5, callback=seen.append)
    return [
        fit,
        seen[-1],
        gradstep.gradient(X, Y, W, 0.0),
        gradstep.step(X, Y, W, -1e-5, 0.1),
        gradstep.objective(X, Y, l2=1e-5),
        gradstep.fastest(10, 10),
        registry.Availability(dict.fromkeys(registry.KERNELS)),
        *(registry.load(name) for name, reason in gradstep.available().items() if reason is None),
    ]


@pytest.mark.parametrize("result", results(), ids=lambda result: type(result).__name__)
def test_a_repr_fits_a_line(result):
    text = repr(result)
    assert "\n" not in text
    assert len(text) <= 120
    assert " at 0x" not in text


def test_a_fit_says_how_it_ended():
    X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1]
    fit = gradstep.fit(X, y)
    assert repr(fit).startswith(f"Fit(converged after {fit.n_iter} steps: J={fit.J:.6g}, w=[{fit.w[0]:.5g}], b=")
    stopped = gradstep.fit(X, y, callback=lambda iterate: iterate.n_iter == 1)
    assert repr(stopped).startswith("Fit(not converged after 1 step: ")


def test_a_fit_is_still_its_six_values():
    fit = gradstep.fit([[0.0], [1.0], [2.0]], [0, 1, 0])
    w, b, J, n_iter, converged, history = fit
    assert (w, b, J, n_iter, converged, history) == tuple(fit)
    assert fit._fields == ("w", "b", "J", "n_iter", "converged", "history")
    assert fit._replace(b=1.0).advice is None


def test_available_reads_like_a_sentence():
    assert gradstep.available() == dict(gradstep.available())
    missing = "the slow kernel is not available: no such thing. Fix: install it"
    assert repr(registry.Availability(fast=None)) == "fast can run here."
    assert repr(registry.Availability(fast=None, slow=missing)) == f"fast can run here.\n{missing}"
    assert repr(registry.Availability(a=None, b=None, slow=missing, c=None)) == f"a, b and c can run here.\n{missing}"
    assert repr(registry.Availability(slow=missing)) == f"No kernel can run here.\n{missing}"


def test_the_prompt_completes_the_public_names():
    assert dir(gradstep) == gradstep.__all__


# In a notebook


@pytest.fixture
def notebook(monkeypatch):
    """Let the process look as if its output went to a cell of Jupyter, without Rich."""
    shell = types.SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "rich", None)


def test_progress_in_a_notebook_is_one_line_of_text(notebook, capsys):
    result = gradstep.fit(X, Y, l2=1e-5, progress=True)
    shown = capsys.readouterr().err
    assert shown.startswith("\r[")
    assert shown.count("\n") == 1
    last = shown.split("\r")[-1]
    assert f"{result.n_iter:,} of 10,000 steps, J = {result.J:.6g}, largest gradient " in last


def test_progress_in_a_notebook_ends_its_line_after_an_error(notebook, capsys):
    def interrupt(iterate):
        raise KeyboardInterrupt

    with pytest.raises(gradstep.FitInterrupted):
        gradstep.fit(X, Y, progress=True, callback=interrupt)
    assert capsys.readouterr().err.endswith("\n")
