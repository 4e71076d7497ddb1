"""The peer torch: PyTorch's loss and its automatic differentiation."""

from __future__ import annotations

from importlib import import_module

from gradstep.compare.measure.contenders import Call
from gradstep.compare.measure.peers.peer import Peer, Setting, number_set, step
from gradstep.compare.measure.problems import Examples
from gradstep.contract import Step


def _prepare(examples: Examples, threads: int) -> Call:
    torch = import_module("torch")
    X, y = torch.from_numpy(examples.X), torch.from_numpy(examples.y)
    w = torch.from_numpy(examples.w.copy()).requires_grad_()
    b = torch.tensor(examples.b, dtype=X.dtype, requires_grad=True)
    cost = torch.nn.functional.binary_cross_entropy_with_logits

    def call() -> Step:
        J = cost(X @ w + b, y)
        dw, db = torch.autograd.grad(J, (w, b))
        return step(examples, J.item(), dw.numpy(), db.item())

    return call


def _threads(threads: int) -> Setting:
    torch = import_module("torch")
    return number_set(threads, torch.get_num_threads, torch.set_num_threads)


PEER = Peer("torch", "binary_cross_entropy_with_logits and autograd", ("torch",), ("torch",), _prepare, _threads, 2.0)
