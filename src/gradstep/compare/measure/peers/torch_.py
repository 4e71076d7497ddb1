"""The peer torch: PyTorch's loss and its automatic differentiation."""

from __future__ import annotations

from importlib import import_module

from gradstep.compare.measure.contenders import Call
from gradstep.compare.measure.peers.peer import Peer, Setting, number_set, step, steps
from gradstep.compare.measure.problems import Examples
from gradstep.contract import Step, Steps


def _prepare(examples: Examples, threads: int) -> Call:
    return _prepare_one(examples) if examples.models == 1 else _prepare_many(examples)


def _prepare_one(examples: Examples) -> Call:
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


def _prepare_many(examples: Examples) -> Call:
    torch = import_module("torch")
    X, w = torch.from_numpy(examples.X), torch.from_numpy(examples.w.copy()).requires_grad_()
    y = torch.from_numpy(examples.labels).expand(-1, examples.models)
    b = torch.tensor(examples.b, dtype=X.dtype, requires_grad=True)
    loss = torch.nn.functional.binary_cross_entropy_with_logits

    def call() -> Steps:
        J = loss(X @ w + b, y, reduction="none").mean(dim=0)
        dw, db = torch.autograd.grad(J.sum(), (w, b))
        return steps(examples, J.detach().numpy(), dw.numpy(), db.numpy())

    return call


def _threads(threads: int) -> Setting:
    torch = import_module("torch")
    return number_set(threads, torch.get_num_threads, torch.set_num_threads)


PEER = Peer("torch", "binary_cross_entropy_with_logits and autograd", ("torch",), ("torch",), _prepare, _threads, 2.0)
