"""The help of ``gradstep compare``: what the tables of presets, peers and data sets say, between fixed paragraphs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from gradstep.compare.measure import peers, presets, problems

_WIDTH = 78

# In a paragraph that begins with \b, click keeps the lines as they are.
_HELP = """\
Compare the kernels on one gradient-descent step.

Without options: on the breast cancer data, if scikit-learn is installed, and on random data of
m = 100 to 100,000 examples and n = 2 to 100 features. Takes less than a minute.

\b
Presets; what other options name replaces what the preset would take
{presets}

\b
Columns
  time        the median time of one call of gradstep.step, and the interval that
              holds the true median in 95 % of all cases
  per row     that divided by m
  GB/s        the size of X divided by the time
  read limit  the time, divided by the time just to read X with the same threads
  speed-up    how many times as fast as the base, and its interval; it is "too close"
              to call where that spans 1. The base is --base, or python, or numpy
              where python would have taken too long

Every result is first checked against an independent evaluation in float64; a wrong one is shown as "wrong", is
not timed, and makes the exit code 1. The samples of all contenders are interleaved in random order, after a
warm-up. Import, compilation and the first call are one-time costs: they have lines of their own and are part of
no time. What does not fit into the free memory or the budget is left out, and named.

Ctrl-C ends the run, shows and writes what was measured until then, and exits with 130. With --baseline the times
are compared with those of an earlier record at the end; --fail-on makes the exit code 3 if one became that
much slower.

docs/comparing.md explains how all this is measured, and how to read its words.

\b
Peers (pip install 'gradstep[peers]')
{peers}

\b
Data sets of scikit-learn (pip install 'gradstep[compare]')
{data_sets}

\b
Examples
  gradstep compare
  gradstep compare --preset scaling --budget 120
  gradstep compare --m 1e4,1e6 --n 10 --kernels cython,numpy --threads 1,auto
  gradstep compare --m 1e6 --n 10 --kernels cython --peers all --base torch
  gradstep compare --data digits --dtype float64,float32
  gradstep compare --json run.json --html run.html --plot pictures
  gradstep compare --data patients.csv --label outcome --positive ill --json run.json
"""


def text() -> str:
    """Return the help of the command."""
    return _HELP.format(
        presets=_table((name, preset.summary) for name, preset in presets.PRESETS.items()),
        peers=_table((name, peer.summary) for name, peer in peers.PEERS.items()),
        data_sets=_table((name, task.question) for name, task in problems.DATA_SETS.items()),
    )


def budgets() -> str:
    """Return the presets' budgets in seconds, as the default of an option."""
    return ", ".join(f"{preset.budget:g} for {name}" for name, preset in presets.PRESETS.items())


def _table(rows: Iterable[tuple[str, str]]) -> str:
    """Return the rows as lines, the summaries below each other."""
    rows = list(rows)
    indent = 5 + max(len(name) for name, _ in rows)
    lines = (
        textwrap.fill(summary, _WIDTH, initial_indent=f"  {name}".ljust(indent), subsequent_indent=" " * indent)
        for name, summary in rows
    )
    return "\n".join(lines)
