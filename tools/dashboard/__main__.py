"""``python -m tools.dashboard`` measures, publishes and says where the start page is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from asv.config import Config
from asv.util import ProcessError, UserError

from tools.dashboard.measure import CONFIG, DashboardError, measure
from tools.dashboard.publish import START, publish
from tools.dashboard.vendor_scripts import VendorError

# npm's packages, which are fetched once.
STORE = Path(".asv/vendor")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and publish; return the exit status."""
    options = _parser().parse_args(arguments)
    conf = Config.load(CONFIG)
    try:
        failed = [] if options.no_run else measure(conf, options.range, options.bench, options.machine)
        reason = publish(conf, STORE)
    except (DashboardError, VendorError, UserError, ProcessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for name in failed:
        sys.stderr.write(f"failed: {name}\n")
    if reason:
        sys.stderr.write(f"asv's own pages need the internet: {reason}\n")
    start = Path(conf.html_dir, START).resolve()
    sys.stdout.write(f"The start page: {start.as_uri()}\n`make dashboard-serve` shows it with asv's own pages.\n")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.dashboard", description=__doc__)
    parser.add_argument(
        "--range", default="HEAD^!", help="the commits, as git names a range; by default the current one"
    )
    parser.add_argument("--bench", metavar="REGEX", help="measure only the benchmarks whose names match this")
    parser.add_argument("--machine", metavar="NAME", help="the name of this machine in asv; by default its host name")
    parser.add_argument("--no-run", action="store_true", help="measure nothing, publish the existing results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
