"""A plot of how cost grows. It needs matplotlib, the extra `plot`.

>>> plot(Results(Path("scale.json"), ""), "docs/assets/growth.svg")
"""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import scale
from .growth import Results

# of Okabe and Ito, which the colour-blind can tell apart, as the markers can be
LINES = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#000000", "v"),
    ("#E69F00", "P"),
)
PANELS = (("processor", "processor time, seconds", 1.0), ("memory", "peak memory, MB", 1e6))
WIDTH, HEIGHT = 9.0, 4.4  # inches


def plot(results: Results, file: str) -> None:
    """Draw processor time and peak memory against keys, on white, so that a dark page shows it as well."""
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained", facecolor="white")
    panels = figure.subplots(1, len(PANELS))
    for axes, (cost, label, unit) in zip(panels, PANELS, strict=True):
        for work, (colour, marker) in zip(scale.WORKS, LINES, strict=True):
            found = [each for each in results.of(work.name) if each.keys > 1]
            costs = [getattr(each, cost) / unit for each in found]
            axes.loglog(
                [each.keys for each in found], costs, color=colour, marker=marker, ms=5, lw=1.5, label=work.name
            )
        axes.set(xlabel="keys", ylabel=label)
        axes.xaxis.set_major_formatter("{x:,g}")
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.grid(visible=True, alpha=0.3)
        _draw_proportional(axes)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize="small")
    with mpl.rc_context({"svg.hashsalt": "growth"}):  # the same file for the same results
        figure.savefig(file, metadata={"Date": None} if file.endswith(".svg") else None)


def _draw_proportional(axes: Axes) -> None:
    """Draw what a cost that is proportional to the keys looks like, below the middle, where the fewest lines are."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    each = 0.3 * (low * high) ** 0.5 / (left * right) ** 0.5
    axes.plot([left, right], [left * each, right * each], color="#777777", ls=":", lw=1.5, label="proportional")
    axes.set(xlim=(left, right), ylim=(low, high))
