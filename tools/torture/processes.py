"""Child processes made in every way that Python has, out of a process whose threads are at work."""

from __future__ import annotations

from tools.torture import children
from tools.torture.part import Amount, Outcome

WAYS = ("fork", "forkserver", "spawn", "loky", "bare fork")
ROUNDS = 40

BUSY = """
import multiprocessing, os, sys, threading, warnings
import numpy as np
import gradstep
from gradstep import blocks, threads

# Python warns of forks of a process with threads: here, that is what is tried.
warnings.simplefilter("ignore")

def bits(seed):
    # Set here, because loky's children run this function without the lines around it.
    blocks.BLOCK_BYTES = 1 << 14
    threads.usable_cores = lambda: 4
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((40_000, 4))
    y = (X[:, 0] > 0).astype(float)
    w = generator.standard_normal(4)
    return [
        (J, dw.tobytes(), db)
        for kernel in ("numpy", "cython")
        if not gradstep.available()[kernel]
        for J, dw, db in [gradstep.gradient(X, y, w, 0.5, kernel=kernel, threads=3)]
    ]

def fork_bare(seeds):
    answers = []
    for seed in seeds:
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.write(writer, b"same" if bits(seed) == expected[seed] else b"other")
            os._exit(0)
        os.close(writer)
        answers.append(expected[seed] if os.read(reader, 9) == b"same" else None)
        os.close(reader)
        assert os.waitpid(child, 0)[1] == 0
    return answers

def main(way, rounds):
    global expected
    seeds = list(range(8))
    expected = [bits(seed) for seed in seeds]
    stop = threading.Event()

    def work():
        while not stop.is_set():
            bits(0)

    busy = [threading.Thread(target=work) for _ in range(2)]
    for thread in busy:
        thread.start()
    try:
        for _ in range(rounds):
            if way == "bare fork":
                answers = fork_bare(seeds)
            elif way == "loky":
                from joblib import Parallel, delayed
                answers = Parallel(n_jobs=2, backend="loky")(delayed(bits)(seed) for seed in seeds)
            else:
                with multiprocessing.get_context(way).Pool(2) as pool:
                    answers = pool.map(bits, seeds)
            assert answers == expected, "a child has other bits"
    finally:
        stop.set()
        for thread in busy:
            thread.join()

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
"""


def run(amount: Amount, first: str = "") -> Outcome:
    """Compute in children of every kind, while two threads of the parent compute as well."""
    outcome = Outcome("children of a busy process have the bits of their parent")
    for way in WAYS:
        # A child that starts anew takes a second; a fork takes none.
        rounds = amount.of(ROUNDS if way in ("fork", "bare fork") else ROUNDS // 8)
        ended = children.run(children.after(first, BUSY), 900, arguments=(way, str(rounds)))
        outcome.check(ended.failure(way))
        outcome.tried += 8 * rounds - 1
    return outcome
