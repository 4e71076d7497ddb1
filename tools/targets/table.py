"""The table of targets: what gradstep's speed must be and should be, in sections that each have their time."""

from __future__ import annotations

from tools.targets import curvature, forms, in_memory, models, peak_memory, regret, small_calls, thread_choice
from tools.targets.target import Section, Target

SECTIONS: tuple[Section, ...] = (
    Section(245.0, in_memory.TARGETS, cells=26),
    Section(130.0, regret.TARGETS),
    Section(30.0, thread_choice.TARGETS),
    Section(25.0, small_calls.TARGETS),
    Section(35.0, forms.TARGETS, cells=7),
    Section(15.0, peak_memory.TARGETS),
    Section(90.0, (*models.TARGETS, *curvature.TARGETS), cells=10),
)
"""The sections, in ten minutes together."""

TARGETS: tuple[Target, ...] = tuple(target for section in SECTIONS for target in section.targets)
"""All rows. X is float64 in C order and lies in memory, and times are medians, unless a row says otherwise."""
