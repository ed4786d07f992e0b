"""Figures in the colours of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET, LINE, ACCENT, BAD, WARN = "#1d1f24", "#62655f", "#c9c5bb", "#0f6e6e", "#b3261e", "#c98a00"
SERIES = (ACCENT, "#2a5bb0", BAD, WARN, "#6b4fa0", "#4d7c0f", "#b0467f", QUIET)
"""Colours of several curves, in order."""


def figure(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure of that many inches with one pair of axes; it belongs to no window and to no global state."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    axes = made.subplots()
    styled(axes)
    return made, axes


def styled(axes: Axes) -> Axes:
    """Quiet axes: no frame above and to the right, small grey figures."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LINE)
    axes.tick_params(colors=QUIET, labelsize=8)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    return axes
