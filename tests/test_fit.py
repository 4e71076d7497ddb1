"""Descent: where it ends, how it stops, and what it leaves behind."""

from __future__ import annotations

import copy
import errno
import io
import pickle
import signal
import sys

import numpy as np
import processes
import pytest
import scipy.optimize
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from gradstep import ConvergenceWarning, FitDiverged, FitInterrupted, KernelUnavailable, fit, gradient, objective, step
from gradstep.compare.measure.run import RunInterrupted
from gradstep.extras import MissingExtra, install

L2 = 0.05

# Many descents here are short on purpose; test_convergence.py is about the warning.
pytestmark = pytest.mark.filterwarnings("ignore::gradstep.ConvergenceWarning")


@pytest.fixture(scope="module")
def cancer():
    """Return the breast cancer data, standardized, and the optimum that scikit-learn finds."""
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    # scikit-learn minimizes C sum loss + ||w||^2 / 2, which is m C times ours if l2 = 1 / (m C).
    model = LogisticRegression(C=1 / (len(y) * L2), solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(X, y)
    return X, y.astype(np.float64), np.append(model.coef_[0], model.intercept_[0])


@pytest.fixture
def small():
    """Return a small problem whose classes overlap."""
    generator = np.random.default_rng(0)
    X = generator.standard_normal((50, 3))
    return X, (X @ [1.0, -1.0, 0.5] + generator.standard_normal(50) > 0).astype(np.float64)


def test_fit_reaches_the_optimum_of_scikit_learn(kernel, cancer):
    X, y, optimum = cancer
    # J is strongly convex in w with modulus l2, so the error of w is about tol / l2.
    result = fit(X, y, l2=L2, tol=1e-9, kernel=kernel)
    assert result.converged
    assert np.abs(np.append(result.w, result.b) - optimum).max() < 1e-6


@pytest.mark.parametrize("weighted", [False, True])
def test_lbfgs_reaches_the_optimum_of_scikit_learn(kernel, cancer, weighted):
    X, y, optimum = cancer
    weight = None
    if weighted:
        weight = np.where(y == 1, 1.0, 3.0)
        model = LogisticRegression(C=1 / (weight.sum() * L2), solver="newton-cholesky", tol=1e-12, max_iter=1000)
        model.fit(X, y, sample_weight=weight)
        optimum = np.append(model.coef_[0], model.intercept_[0])
    f = objective(X, y, l2=L2, sample_weight=weight, kernel=kernel)
    options = {"ftol": 0.0, "gtol": 1e-9, "maxiter": 1000}
    result = scipy.optimize.minimize(f, np.zeros(X.shape[1] + 1), jac=True, method="L-BFGS-B", options=options)
    assert np.abs(result.x - optimum).max() < 1e-6


def test_history_falls_and_counts_the_steps(kernel, small):
    X, y = small
    result = fit(X, y, kernel=kernel, tol=1e-5)
    assert result.converged
    assert result.history.shape == (result.n_iter + 1,)
    assert result.history[0] == gradient(X, y, np.zeros(3), 0.0, kernel=kernel).J
    assert result.history[-1] == result.J
    assert (np.diff(result.history) < 0).all()
    final = gradient(X, y, result.w, result.b, kernel=kernel)
    assert (final.J, max(np.abs(final.dw).max(), abs(final.db))) == (result.J, result.largest)
    assert result.largest_scaled <= 1e-5
    assert result.advice is None


def test_steps_of_fit_are_steps(kernel, small):
    X, y = small
    result = fit(X, y, alpha=0.5, max_iter=5, tol=1e-12, l2=0.1, kernel=kernel)
    w, b = np.zeros(3), 0.0
    for _ in range(5):
        _, dw, db = gradient(X, y, w, b, l2=0.1, kernel=kernel)
        w, b = w - 0.5 * dw, b - 0.5 * db
    assert (result.n_iter, result.converged) == (5, False)
    assert (result.w.tobytes(), result.b) == (w.tobytes(), b)


def test_no_step_at_all(small):
    X, y = small
    result = fit(X, y, max_iter=0)
    assert (result.n_iter, result.converged, len(result.history)) == (0, False, 1)
    assert (result.w == 0).all() and result.b == 0.0


def test_a_start_is_used_and_not_written_to(small):
    X, y = small
    optimum = fit(X, y, tol=1e-8)
    w0 = optimum.w.copy()
    again = fit(X, y, tol=1e-8, w0=w0, b0=optimum.b)
    assert (again.n_iter, again.converged, again.J) == (0, True, optimum.J)
    onwards = fit(X, y, tol=1e-12, max_iter=3, w0=w0, b0=optimum.b)
    assert onwards.n_iter == 3
    assert w0.tobytes() == optimum.w.tobytes()
    assert not np.shares_memory(again.w, w0)


@pytest.mark.parametrize(
    ("w0", "expected"), [(None, "float32"), (np.zeros(3, "float64"), "float64"), ([0, 0, 0], "float32")]
)
def test_float32(kernel, small, w0, expected):
    X, y = (values.astype(np.float32) for values in small)
    result = fit(X, y, w0=w0, l2=0.01, tol=1e-5, kernel=kernel)
    assert result.converged
    assert result.w.dtype == expected
    exact = fit(*small, l2=0.01, tol=1e-9)
    assert np.abs(result.w - exact.w).max() < 1e-3


def test_a_callback_sees_each_step_and_stops_it(small):
    X, y = small
    seen = []

    def stop_after_four(iterate):
        seen.append(iterate)
        return iterate.n_iter == 4

    result = fit(X, y, callback=stop_after_four)
    assert (result.n_iter, result.converged) == (4, False)
    assert [iterate.n_iter for iterate in seen] == [0, 1, 2, 3, 4]
    assert [iterate.J for iterate in seen] == result.history.tolist()
    assert (seen[0].w == 0).all(), "an iterate that was kept has changed"
    assert (seen[-1].w.tobytes(), seen[-1].b) == (result.w.tobytes(), result.b)
    for iterate in seen:
        exact = gradient(X, y, iterate.w, iterate.b)
        assert iterate.largest == max(np.abs(exact.dw).max(), abs(exact.db))
    assert (result.largest, result.largest_scaled) == (seen[-1].largest, seen[-1].largest_scaled)


def test_a_callback_may_not_change_the_state(small):
    X, y = small

    def spoil(iterate):
        iterate.w[:] = np.nan

    assert fit(X, y, callback=spoil).J == fit(X, y).J


def test_an_alpha_that_is_too_large(kernel):
    X, y = np.array([[1e200], [-1e200]]), [0.0, 1.0]
    with pytest.raises(FitDiverged) as raised:
        fit(X, y, alpha=1e200, w0=[1e-200], kernel=kernel)
    message, state = str(raised.value), raised.value.fit
    assert message.startswith(f"J is no longer finite after 1 steps; the last good J was {state.J:.6g} after 0 steps. ")
    assert "alpha = 1e+200 is too large: take a smaller one, or alpha='auto'" in message
    assert (state.n_iter, state.converged, state.w.tolist()) == (0, False, [1e-200])
    assert np.isfinite(state.history).all()


def test_divergence_by_the_penalty_keeps_the_last_good_state(small):
    X, y = small
    with pytest.raises(FitDiverged) as raised:
        fit(X, y, alpha=1e10, l2=1.0)
    state = raised.value.fit
    assert state.n_iter > 1
    assert np.isfinite(state.w).all() and np.isfinite(state.history).all()
    assert len(state.history) == state.n_iter + 1
    assert state.history[-1] == state.J == gradient(X, y, state.w, state.b, l2=1.0).J


@pytest.mark.parametrize("alpha", ["auto", 1e-3])
@pytest.mark.parametrize("max_iter", [1, 10_000])
def test_a_gradient_that_is_not_finite_although_the_cost_is(kernel, alpha, max_iter):
    X, y = [[1.0, 2.0], [3.0, 4.0], [-1.0, 0.5]], [0, 1, 1]
    with pytest.raises(FitDiverged, match="^the gradient is not finite after 0 steps, where J is ") as raised:
        fit(X, y, l2=1.7e308, w0=[1.2, 0.0], max_iter=max_iter, alpha=alpha, kernel=kernel)
    assert raised.value.fit.n_iter == 0
    assert np.isfinite(raised.value.fit.J)
    assert fit(X, y, l2=1.7e308, w0=[1.2, 0.0], max_iter=0, alpha=alpha, kernel=kernel).w.tolist() == [1.2, 0.0]


@pytest.mark.parametrize("seed", range(40))
def test_descent_ends_whatever_the_numbers(seed):
    """It ends after at most 2,098 halvings a step, in a result or in one of the errors that the docstring names."""
    generator = np.random.default_rng(seed)

    def extreme(*shape):
        return generator.choice([-1.0, 1.0], shape) * 10.0 ** generator.choice([-308, -150, 0, 1, 150, 300, 308], shape)

    options = {"l2": abs(extreme()), "w0": extreme(2), "b0": extreme(), "max_iter": 3, "tol": 1e-300}
    options["alpha"] = "auto" if seed % 2 else abs(extreme())
    try:
        result = fit(extreme(4, 2), [0, 1, 1, 0], **options)
    except (FitDiverged, ValueError):
        return
    assert result.n_iter <= 3
    assert np.isfinite(result.J)


def errors_and_results():
    """Yield every exception and result of ours."""
    X, y = [[0.0], [1.0], [2.0]], [0, 1, 1]
    state = fit(X, y, l2=0.1)
    yield from (state, gradient(X, y, [0.0], 0.0), step(X, y, [0.0], 0.0, 0.1))
    yield from (FitDiverged("it diverged", state), FitInterrupted(state), ConvergenceWarning("too soon", state))
    yield from (RunInterrupted(state), KernelUnavailable("no such thing"), MissingExtra("The progress bar needs rich"))
    yield from (BadVariable("GRADSTEP_ISA is 'mmx'"), ImportFailed(OSError("no such file")))


def contents(value):
    """Return what tells whether a copy is whole."""
    return type(value), str(value), {name: str(field) for name, field in getattr(value, "__dict__", {}).items()}


@pytest.mark.parametrize("value", list(errors_and_results()), ids=lambda value: type(value).__name__)
def test_errors_and_results_are_copied_and_pickled(value):
    copies = [copy.copy(value), copy.deepcopy(value)]
    copies += [pickle.loads(pickle.dumps(value, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    assert [contents(copied) for copied in copies] == [contents(value)] * len(copies)


def test_a_note_on_an_error_is_kept():
    error = FitDiverged("it diverged", fit([[0.0]], [0.5]))
    error.add_note("in fold 3")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["in fold 3"]


@pytest.mark.skipif(sys.platform == "win32", reason="the worker's function comes by fork, which Windows lacks")
def test_a_pool_passes_divergence_on():
    code = """
        import multiprocessing, sys
        from gradstep import ConvergenceWarning, FitDiverged, fit
        def diverge(l2):
            fit([[1.0], [2.0]], [0, 1], alpha=1e10, l2=l2)
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(1) as pool:
                try:
                    pool.apply_async(diverge, (1.0,)).get(timeout=300)
                except FitDiverged as error:
                    print(error.fit.n_iter > 1, "too large" in str(error))
    """
    assert processes.run(code).split() == ["True", "True"]


@pytest.mark.parametrize("alpha", ["auto", 0.9])
def test_ctrl_c_in_a_callback_leaves_a_state_to_go_on_from(small, alpha):
    X, y = small

    def interrupt(iterate):
        if iterate.n_iter == 7:
            raise KeyboardInterrupt

    with pytest.raises(FitInterrupted) as raised:
        fit(X, y, alpha=alpha, callback=interrupt)
    assert isinstance(raised.value, KeyboardInterrupt)
    state = raised.value.fit
    assert (state.n_iter, len(state.history)) == (7, 8)
    assert str(raised.value) == f"interrupted after 7 steps at J = {state.J:.9g}"
    resumed = fit(X, y, alpha=alpha, w0=state.w, b0=state.b)
    assert resumed.converged
    assert resumed.history[0] == state.J
    through = fit(X, y, alpha=alpha)
    # The automatic step begins anew; a given one goes on with the same bits.
    assert resumed.J == (pytest.approx(through.J, abs=1e-10) if alpha == "auto" else through.J)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process on Windows")
def test_a_real_interrupt():
    code = """
        import numpy as np
        from gradstep import FitInterrupted, fit, gradient
        X = np.random.default_rng(0).standard_normal((200_000, 4))
        y = (X[:, 0] > 0).astype(float)
        def announce(iterate):
            if iterate.n_iter == 3:
                print("running", flush=True)
        try:
            fit(X, y, tol=1e-300, max_iter=10**9, callback=announce, threads=2)
        except FitInterrupted as interrupt:
            state = interrupt.fit
            intact = gradient(X, y, state.w, state.b, threads=1).J == state.J == state.history[-1]
            print(intact, state.n_iter >= 3, len(state.history) == state.n_iter + 1)
    """
    process = processes.start(code)
    assert process.stdout.readline() == "running\n"
    process.send_signal(signal.SIGINT)
    assert processes.finish(process).split() == ["True", "True", "True"]


@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_auto_never_rises_on_badly_scaled_data(kernel, small, l2):
    X, y = small
    result = fit(X * [1e6, 1.0, 1e-6], y, max_iter=100, l2=l2, kernel=kernel)
    assert np.isfinite(result.J)
    assert (np.diff(result.history) <= 1e-13).all()
    assert result.history[-1] < result.history[0]


def test_auto_on_separable_data(kernel):
    X, y = np.array([[-2.0], [-1.0], [1.0], [2.0]]), [0, 0, 1, 1]
    result = fit(X, y, max_iter=300, kernel=kernel)
    assert not result.converged
    assert (np.diff(result.history) < 0).all()
    assert result.w[0] > 2.0


def test_auto_where_every_feature_is_zero(kernel):
    result = fit(np.zeros((4, 2)), [0, 1, 1, 1], tol=1e-10, kernel=kernel)
    assert result.converged
    assert result.b == pytest.approx(np.log(3), abs=1e-8)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_auto_at_extreme_scales(kernel, small, scale):
    X, y = small
    result = fit(X * scale, y, max_iter=20, tol=1e-300, kernel=kernel)
    assert (np.diff(result.history) <= 1e-13).all()


def test_auto_where_the_squares_overflow(kernel, small):
    X, y = small
    result = fit(X * 1e300, y, kernel=kernel)
    assert result.converged
    assert result.w * 1e300 == pytest.approx(fit(X, y).w, rel=1e-4)


def test_progress_goes_to_stderr(small, capfd):
    X, y = small
    quiet = fit(X, y, max_iter=5)
    assert capfd.readouterr() == ("", "")
    shown = fit(X, y, max_iter=5, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "5/5" in err and "J = " in err
    assert shown.J == quiet.J


class Gone(io.StringIO):
    """A terminal whose other end has gone, or a stream that is full."""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "gone")

    def flush(self) -> None:
        raise OSError(errno.EIO, "gone")


@pytest.mark.parametrize("stderr", [Gone(), None])
def test_progress_that_cannot_be_shown_loses_nothing(small, monkeypatch, stderr):
    X, y = small
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stderr)
    assert fit(X, y, max_iter=5, progress=True).J == fit(X, y, max_iter=5).J


def test_progress_without_rich_is_refused_before_the_work(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    with pytest.raises(MissingExtra) as raised:
        fit(*small, progress=True, callback=pytest.fail)
    assert str(raised.value) == f"The progress bar needs rich: {install('cli')}"
