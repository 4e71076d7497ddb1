"""The peers: how other libraries compute the same step, one module for each. The installed ones can be measured.

Each peer gets the conditions it works best under: as many threads as gradstep uses, of its own, and its preferred
memory layout, prepared outside the timing. Its result passes the same check as that of a kernel before it is timed.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradstep.compare.measure.contenders import Contender
from gradstep.compare.measure.peers import daal4py_, jax_, numba_loop, numpy_formula, scikit_learn, torch_
from gradstep.compare.measure.peers.peer import Peer, blas_threads, with_blas_threads
from gradstep.extras import MissingExtra

ALL = "all"
"""Stands for all installed peers, where names of peers are expected."""

PEERS: dict[str, Peer] = {
    module.PEER.name: module.PEER for module in (numpy_formula, numba_loop, scikit_learn, daal4py_, torch_, jax_)
}
"""All peers, by name."""


def installed() -> tuple[list[Peer], dict[str, str]]:
    """Return the peers whose packages are installed, and for the names of the others the reasons. None is imported."""
    present, reasons = [], {}
    for peer in PEERS.values():
        try:
            peer.require()
        except MissingExtra as error:
            reasons[peer.name] = str(error)
        else:
            present.append(peer)
    return present, reasons


def chosen(names: Sequence[str]) -> tuple[list[Peer], dict[str, str]]:
    """Return the peers of these names; for "all" alone, what `installed` returns.

    Raises
    ------
    MissingExtra
        If the packages of a peer that is named are not installed.
    """
    if list(names) == [ALL]:
        return installed()
    present = [PEERS[name] for name in names]
    for peer in present:
        peer.require()
    return present, {}


def one_after_another(present: Sequence[Peer]) -> list[str]:
    """Say which of these peers have no function for several models, so that they take one after another."""
    names = [peer.name for peer in present if not peer.takes_many]
    if not names:
        return []
    takes = "takes one model after another: it has" if len(names) == 1 else "take one model after another: they have"
    return [f"{' and '.join(names)} {takes} no function for several at once."]


def beside(kernels: Sequence[Contender], present: Sequence[Peer], threads: int | None) -> list[Contender]:
    """Return kernels and peers as contenders; beside a peer that calls BLAS, NumPy code gets its threads, no more."""
    if any(peer.setting is blas_threads for peer in present):
        kernels = [with_blas_threads(contender, threads) for contender in kernels]
    return [*kernels, *(peer.contender(threads) for peer in present)]


__all__ = ["ALL", "PEERS", "Peer", "beside", "chosen", "installed", "one_after_another", "with_blas_threads"]
