"""The help of ``gradstep compare``: what the table of presets says, between fixed paragraphs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from gradstep.compare.measure import presets

_WIDTH = 78

# In a paragraph that begins with \b, click keeps the lines as they are.
_HELP = """\
Compare the kernels on one gradient-descent step.

Every result is checked against an independent evaluation. Import, compilation and the first call are part of no time.
Ctrl-C keeps what was measured until then. More in docs/comparing.md.

\b
Presets
{presets}

\b
Examples
  gradstep compare
  gradstep compare --m 50000 --n 40                            your own size
  gradstep compare --data patients.csv --label outcome --positive ill
  gradstep compare --m 1e6 --n 10 --kernels cython --peers all --base torch
  gradstep compare --m 1e5 --n 100 --models 8                  eight at once
  gradstep compare --preset scaling --json run.json --html run.html
"""


def text() -> str:
    """Return the help of the command."""
    return _HELP.format(presets=_table((name, preset.summary) for name, preset in presets.PRESETS.items()))


def budgets() -> str:
    """Return the presets' budgets in seconds, as the default of an option."""
    return ", ".join(f"{name} {preset.budget:g}" for name, preset in presets.PRESETS.items())


def _table(rows: Iterable[tuple[str, str]]) -> str:
    """Return the rows as lines, the summaries below each other."""
    rows = list(rows)
    indent = 5 + max(len(name) for name, _ in rows)
    lines = (
        textwrap.fill(summary, _WIDTH, initial_indent=f"  {name}".ljust(indent), subsequent_indent=" " * indent)
        for name, summary in rows
    )
    return "\n".join(lines)
