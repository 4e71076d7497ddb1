"""Which variant of a kernel runs: the fastest one, found while they work, and never one that the user did not pin."""

from __future__ import annotations

import os
import threading
import time
from types import SimpleNamespace

import numpy as np
import processes
import pytest
from availability import load_or_explain
from clocks import Clock

import gradstep
from gradstep import engine, environment, registry, validate, variants
from gradstep.threads import threads_for


def times_of(choice: variants.Choice, durations: list[float], turns: int) -> list[int]:
    """Give a choice so many turns, whose options take the durations; return the options that it took."""
    taken = []
    for _ in range(turns):
        option = choice.next()
        choice.took(option, durations[option])
        taken.append(option)
    return taken


@pytest.mark.parametrize("fastest", range(4))
def test_the_fastest_is_chosen(fastest):
    durations = [1.1, 1.2, 1.15, 1.05]
    durations[fastest] = 1.0
    choice = variants.Choice(4)
    times_of(choice, durations, 200)
    assert (choice.best, choice.settled) == (fastest, True)
    assert set(times_of(choice, durations, 50)) == {fastest}


def test_trying_costs_little_from_the_first_turn_on():
    """At most one turn in six goes to another than the best so far, and hopeless ones have two turns each."""
    durations = [1.0, 3.0, 1.1, 5.0]
    taken = times_of(variants.Choice(4), durations, 400)
    for turns in range(12, 400, 12):
        assert sum(option != 0 for option in taken[:turns]) <= turns / 6
    assert [taken.count(option) for option in (1, 3)] == [2, 2]


def test_a_short_turn_counts_only_after_another_of_the_same_way():
    """The first one of a way finds the caches and the clock as another way left them."""
    choice, last = variants.Choice(2), 0
    for _ in range(200):
        way = choice.next()
        choice.took(way, 1e-3 * ((5.0 if way != last else 1.0) + 0.1 * way))
        last = way
    # By the first turns the second way would have been the faster one: 0 finds its cache cold more often.
    assert (choice.best, choice.settled) == (0, True)


def test_one_slow_turn_does_not_decide():
    choice = variants.Choice(2)
    for turn in range(200):
        option = choice.next()
        choice.took(option, (0.9 if option == 1 else 1.0) * (100.0 if turn % 9 == 4 else 1.0))
    assert choice.best == 1


@pytest.mark.parametrize("durations", [[0.0, 0.0], [-1.0, -2.0], [float("nan")] * 2], ids=["stands", "back", "nan"])
def test_a_clock_that_tells_nothing_leaves_the_default(durations):
    choice = variants.Choice(2)
    taken = times_of(choice, durations, 1_200)
    assert (choice.best, choice.settled) == (0, True)
    assert set(taken[-100:]) == {0}


def test_one_option_needs_no_turns():
    assert variants.Choice(1).settled


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "perf_counter", made.perf_counter)
    return made


class Counted:
    """A kernel with two variants, which count their calls; each call lasts as long as the test says."""

    name = "counted"
    releases_gil = True

    def __init__(self, clock: Clock, seconds: tuple[float, float]) -> None:
        self.calls = {"first": 0, "second": 0}
        load_or_explain("cython")
        sums = registry.load("cython").partial_sums

        def counted(name, duration):
            def call(*arguments):
                self.calls[name] += 1
                clock.pass_by(duration)
                sums(*arguments)

            return call

        self.variants = {name: counted(name, each) for name, each in zip(self.calls, seconds, strict=True)}
        self.partial_sums = self.variants["first"]


def example(m: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).standard_normal((m, n))
    return X, (X[:, 0] > 0) * 1.0


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [1_000, 60_000], ids=["one block", "many blocks"])
def test_the_engine_stays_with_the_faster_variant(clock, rows, threads):
    X, y = example(rows, 50)
    kernel = Counted(clock, (0.002, 0.001))
    objective = gradstep.objective(X, y, kernel=kernel, threads=threads)
    results = {objective(np.zeros(51))[0] for _ in range(100)}
    assert len(results) == 1
    before = dict(kernel.calls)
    objective(np.zeros(51))
    assert kernel.calls["first"] == before["first"]
    assert kernel.calls["second"] > before["second"]


def test_a_small_problem_has_the_default_alone(clock):
    X, y = example(100, 50)
    kernel = Counted(clock, (0.002, 0.001))
    for _ in range(50):
        gradstep.gradient(X, y, np.zeros(50), 0.0, kernel=kernel)
    assert kernel.calls == {"first": 50, "second": 0}


def test_many_threads_choose_at_once(clock):
    X, y = example(20_000, 50)
    expected = gradstep.gradient(X, y, np.zeros(50), 0.0, kernel=registry.load("cython"))
    kernel = Counted(clock, (0.001, 0.001))
    wrong = []

    def work():
        for _ in range(20):
            J, dw, _ = gradstep.gradient(X, y, np.zeros(50), 0.0, kernel=kernel, threads=2)
            if J != expected.J or (dw != expected.dw).any():
                wrong.append(J)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert min(kernel.calls.values()) > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_of_a_fork_goes_on_choosing():
    load_or_explain("cython")
    code = """
        import os, sys
        import numpy as np
        import gradstep
        X = np.random.default_rng(0).standard_normal((60_000, 50))
        f = gradstep.objective(X, (X[:, 0] > 0) * 1.0, threads=2)
        before = f(np.zeros(51))[0]
        child = os.fork()
        if child == 0:
            os._exit(0 if all(f(np.zeros(51))[0] == before for _ in range(60)) else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert processes.run(code, {}).strip() == "0"


def test_the_environment_pins_a_variant():
    load_or_explain("cython")
    code = """
        import numpy as np
        from gradstep import engine, environment, registry, validate
        kernel = registry.load("cython")
        X = np.ones((50_000, 10))
        run = engine.Pass(kernel, validate.data(X, np.ones(50_000)), 1)
        point = engine.Point(np.zeros((1, 11)))
        run.means(*point)
        print(list(kernel.variants), run.way(point).variant, registry.load("numpy").name)
    """
    last = list(registry.load("cython").variants)[-1]
    assert processes.run(code, {"GRADSTEP_VARIANT": f"cython:{last}"}).strip() == f"['{last}'] {last} numpy"


@pytest.mark.parametrize("named", ["avx2", "cython", "cython:", "cytho:avx2-plain"])
def test_a_pin_that_names_no_kernel(named, monkeypatch):
    monkeypatch.setattr(registry.environment, "variable", {"GRADSTEP_VARIANT": named}.get)
    with pytest.raises(ValueError, match="GRADSTEP_VARIANT is '.*'; it should be KERNEL:VARIANT"):
        registry.load.__wrapped__("python")


def test_a_pinned_variant_never_falls_back(monkeypatch):
    load_or_explain("cython")
    monkeypatch.setattr(registry.environment, "variable", {"GRADSTEP_VARIANT": "cython:fastest"}.get)
    with pytest.raises(gradstep.KernelUnavailable, match="variants of the cython kernel here are .*-prefetch"):
        registry.load.__wrapped__("cython")


def test_a_kernel_without_variants_is_one_with_one():
    plain = SimpleNamespace(name="plain", releases_gil=False, partial_sums=registry.load("numpy").partial_sums)
    assert dict(variants.of(plain)) == {"plain": plain.partial_sums}
    assert list(registry.load("numpy").variants) == ["numpy"]
    X, y = example(10_000, 50)
    run = engine.Pass(plain, validate.data(X, y), 1)
    assert run.way(engine.Point(np.zeros((1, 51)))).variant == "plain"


class Serial:
    """A kernel whose calls all last equally long, however few rows they get: it is the fastest on one thread.

    It notes its callers. If the test says that there is a helper, the caller waits until the helper has called.
    """

    name = "serial"
    releases_gil = True

    def __init__(self, clock: Clock) -> None:
        load_or_explain("cython")
        self._sums = registry.load("cython").partial_sums
        self._clock = clock
        self._user = threading.get_ident()
        self._helped = threading.Event()
        self.callers: set[int] = set()

    def expect_help(self) -> None:
        self._helped.clear()
        self.callers.clear()

    def partial_sums(self, *arguments: object) -> None:
        caller = threading.get_ident()
        self.callers.add(caller)
        self._clock.pass_by(0.001)
        if caller != self._user:
            self._helped.set()
        self._sums(*arguments)
        if caller == self._user:
            assert self._helped.wait(300), "there is no helper"


@pytest.fixture
def two_cores() -> None:
    if threads_for(1 << 30)[0] < 2:
        pytest.skip("a choice of threads needs two cores")


@pytest.mark.usefixtures("two_cores")
def test_threads_are_chosen_by_their_times(clock):
    """Where a second thread only costs, it is soon left out, and the result keeps its bits."""
    X, y = example(20_000, 50)
    kernel = Serial(clock)
    objective = gradstep.objective(X, y, kernel=kernel)
    assert objective.threads > 1
    # The first call is one of all threads.
    results = {objective(np.zeros(51))[0] for _ in range(100)}
    assert len(results) == 1
    assert len(kernel.callers) > 1
    kernel.callers.clear()
    objective(np.zeros(51))
    assert kernel.callers == {threading.get_ident()}


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("named", ["argument", "variable"])
def test_a_number_of_threads_that_is_named_is_no_choice(named, clock, monkeypatch):
    X, y = example(20_000, 50)
    kernel = Serial(clock)
    if named == "variable":
        monkeypatch.setenv("GRADSTEP_THREADS", "2")
        environment.variable.cache_clear()
    objective = gradstep.objective(X, y, kernel=kernel, threads=2 if named == "argument" else None)
    for _ in range(60):
        kernel.expect_help()
        objective(np.zeros(51))
        assert len(kernel.callers) == 2
