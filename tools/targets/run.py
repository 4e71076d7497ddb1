"""One run of the targets: measures the table row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from gradstep.compare.measure.peers import Peer
from gradstep.compare.measure.run import Progress
from gradstep.compare.measure.session import Session
from gradstep.compare.record.records import Settings, changed
from gradstep.machine import last_level_cache
from tools.targets import regret
from tools.targets.bench import MIB, TIMES_CACHE, Bench, NotMeasured, Scale
from tools.targets.results import TargetResult, TargetsRecord
from tools.targets.table import SECTIONS
from tools.targets.target import Bound, Section, Target


class TargetsInterrupted(KeyboardInterrupt):
    """Ctrl-C was pressed during a run.

    Attributes
    ----------
    results : TargetsRecord
        The rows that had been measured until then.
    """

    def __init__(self, results: TargetsRecord) -> None:
        super().__init__()
        self.results = results


def run(
    chosen_peers: Sequence[Peer],
    *,
    scale: Scale | None = None,
    unavailable: Mapping[str, str] = MappingProxyType({}),
    sections: Sequence[Section] | None = None,
    progress: Progress | None = None,
) -> TargetsRecord:
    """Measure the table.

    Parameters
    ----------
    chosen_peers : sequence of Peer
        The peers that gradstep is compared with.
    scale : Scale, optional
        The sizes; by default those of this machine.
    unavailable : mapping
        The peers that are not installed, and why; passed on to the record.
    sections : sequence of Section, optional
        The rows; by default the whole table.
    progress : Progress, optional
        Hears of the progress.

    Returns
    -------
    TargetsRecord
        With one result per row, and the cells that they come from.

    Raises
    ------
    TargetsInterrupted
        If Ctrl-C is pressed; it holds the results so far.
    """
    whole = _Run(chosen_peers, scale or Scale.of_this_machine(), unavailable, progress or Progress())
    try:
        whole.measure(SECTIONS if sections is None else sections)
        return whole.results()
    except KeyboardInterrupt:
        raise TargetsInterrupted(whole.results()) from None


class _Run:
    """The state of a run."""

    def __init__(
        self, chosen_peers: Sequence[Peer], scale: Scale, unavailable: Mapping[str, str], progress: Progress
    ) -> None:
        self._session = Session()
        self._scale = scale
        self._unavailable = unavailable
        self._progress = progress
        self._bench = Bench(scale, chosen_peers, progress)
        self._results: list[TargetResult] = []
        self._complete = False

    def measure(self, sections: Sequence[Section]) -> None:
        """Measure one row after the other; what a section has no time for is left out."""
        self._progress.plan(sum(len(section.targets) for section in sections))
        for section in sections:
            self._bench.allow(section.seconds, section.cells)
            for target in section.targets:
                self._session.look()
                self._results.append(_result(target, self._bench))
                self._progress.advance(1)
        self._session.look()
        self._complete = True

    def results(self) -> TargetsRecord:
        """Return what has been measured so far."""
        cells = self._bench.cells
        record = self._session.record(
            complete=self._complete,
            settings=Settings(
                list(dict.fromkeys(result.contender for cell in cells for result in cell.results)),
                dtypes=list(dict.fromkeys(cell.dtype for cell in cells)),
                orders=list(dict.fromkeys(cell.order for cell in cells)),
                threads=list(dict.fromkeys(cell.threads for cell in cells)),
                rounds=self._scale.rounds,
            ),
            cells=cells,
            peers={peer.name: peer.version() for peer in self._bench.peers},
            unavailable={**self._bench.unavailable, **self._unavailable},
            notes=_notes(self._scale),
        )
        return TargetsRecord(list(self._results), record, list(self._bench.regrets))


def _result(target: Target, bench: Bench) -> TargetResult:
    must, aim = _bound(target.must, bench.scale), _bound(target.aim, bench.scale)
    row = TargetResult(target.group, target.case, target.threads, must, aim, target.unit)
    try:
        value, quartiles, against = target.measure(bench)
    except NotMeasured as error:
        return changed(row, reason=str(error))
    except MemoryError as error:
        return changed(row, reason=f"not enough memory: {error}")
    return changed(row, measured=value, quartiles=quartiles, against=against)


def _bound(bound: Bound, scale: Scale) -> float:
    return bound(scale) if callable(bound) else bound


def _notes(scale: Scale) -> list[str]:
    cache = last_level_cache()
    times = scale.data_bytes / cache
    size = f"X and y in memory are {scale.data_bytes / MIB:,.0f} MiB, {times:.1f} times the last-level cache"
    if scale.data_bytes < TIMES_CACHE * cache:
        size += f", which other machines share, or the memory is too small for {TIMES_CACHE} times"
    drawn = f"{scale.draws} sizes were drawn with seed {regret.SEED}: m n up to {scale.largest:,}, n up to"
    return [size, f"{drawn} {regret.MOST_FEATURES:,}, both evenly by their logarithms"]
