"""A command whose help shows its options in groups."""

from __future__ import annotations

from typing import Any

import click

_OTHERS = "Other options"


class GroupedOption(click.Option):
    """An option that the help shows below the title of its group."""

    def __init__(self, *names: Any, group: str = _OTHERS, **attributes: Any) -> None:
        super().__init__(*names, **attributes)
        self.group = group


class GroupedCommand(click.Command):
    """A command that shows the groups of its options in the order in which they are first named."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a section for each group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(context):
            record = option.get_help_record(context) if isinstance(option, click.Option) else None
            if record is not None:
                groups.setdefault(getattr(option, "group", _OTHERS), []).append(record)
        # The others come last: --help is among them.
        for title, records in sorted(groups.items(), key=lambda group: group[0] == _OTHERS):
            with formatter.section(title):
                formatter.write_dl(records)
