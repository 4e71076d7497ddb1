"""Draws the README's picture: the time of one step against m, for each kernel, from a record of `gradstep compare`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

# Told apart without colour as well: each line has a marker of its own, and its name at its end (Okabe and Ito 2008).
STYLES = {
    "python": ("#999999", "s"),
    "numpy": ("#E69F00", "^"),
    "numba": ("#0072B2", "D"),
    "cython": ("#D55E00", "o"),
    "x read": ("#000000", ""),
}


def series(record: dict[str, Any]) -> dict[str, list[tuple[int, float]]]:
    """Return (m, seconds) for each contender and for the floor, in order of m."""
    found: dict[str, list[tuple[int, float]]] = {}
    for cell in sorted(record["cells"], key=lambda cell: cell["m"]):
        results = [*cell["results"], *([cell["floor"]] if cell.get("floor") else [])]
        for result in results:
            if result["median"] is not None:
                name = result["contender"] if result["contender"] in STYLES else "x read"
                found.setdefault(name, []).append((cell["m"], result["median"]))
    return found


def draw(record: dict[str, Any], target: Path) -> None:
    """Write the picture as SVG."""
    # The same record gives the same file: no date, and names of elements that do not change.
    mpl.rcParams.update({"svg.hashsalt": "gradstep", "svg.fonttype": "none", "font.size": 11})
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    label_height = 0.0
    for name, points in sorted(series(record).items(), key=lambda item: item[1][-1][1]):
        colour, marker = STYLES[name]
        m, seconds = zip(*points, strict=True)
        axes.loglog(m, seconds, color=colour, marker=marker, linestyle="-" if marker else "--", linewidth=1.8)
        # Labels of lines that end close together are moved apart.
        label_height = max(seconds[-1], 1.8 * label_height)
        axes.annotate(
            "only reading X" if name == "x read" else name,
            (m[-1], label_height),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=colour,
        )
    n = record["cells"][0]["n"]
    axes.set_xlabel(f"m, number of examples (n = {n} features)")
    axes.set_ylabel("seconds for one step")
    axes.set_title("One gradient-descent step of logistic regression, one thread, float64")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)
    figure.savefig(target, metadata={"Date": None, "Description": record["machine"]["processor"]})


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
