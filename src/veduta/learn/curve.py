"""The history of a run: a CSV that grows with it, and its picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from veduta.pool.durable import write_atomically

FIRST = ("step", "seconds", "loss", "lr", "images_per_second")


class Curve:
    """Rows of numbers by step. Rows behind the step that a run goes on from are cut off, so that none stands twice."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "curve.csv"
        self.rows: list[dict[str, float]] = []

    def load(self, until: int) -> None:
        """Read what an earlier call wrote, up to and with step `until`."""
        if self.file.exists():
            with open(self.file, newline="", encoding="utf-8") as stream:
                read = csv.DictReader(stream)
                rows = [{k: float(v) for k, v in row.items() if k and v} for row in read]
            self.rows = [row for row in rows if "step" in row and row["step"] <= until]

    def add(self, **values: float) -> None:
        """One row; `step` must be among the values. Rows of one step are merged."""
        if self.rows and self.rows[-1]["step"] == values["step"]:
            self.rows[-1] |= values
        else:
            self.rows.append(dict(values))

    def series(self, name: str) -> tuple[list[float], list[float]]:
        """Steps and values of one column."""
        have = [row for row in self.rows if name in row]
        return [row["step"] for row in have], [row[name] for row in have]

    @property
    def names(self) -> list[str]:
        """All columns, the usual ones first."""
        seen = {name for row in self.rows for name in row}
        return [*(name for name in FIRST if name in seen), *sorted(seen - set(FIRST))]

    def save(self) -> None:
        """Write the CSV."""
        stream = io.StringIO()
        writer = csv.DictWriter(stream, self.names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: f"{v:.8g}" for k, v in row.items()} for row in self.rows)
        write_atomically(self.file, stream.getvalue())

    def draw(self, title: str, metrics: Sequence[str], kept: int) -> None:
        """Write `curve.png`: the loss (with its running mean), the learning rate, each metric, and the step that is kept."""
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        shown = [name for name in metrics if self.series(name)[0]]
        figure, axes = pyplot.subplots(1, 1 + bool(shown), figsize=(5.5 + 7.5 * bool(shown), 3.6), squeeze=False)
        loss = axes[0, 0]
        steps, values = self.series("loss")
        loss.plot(steps, values, color="#c9d3e6", linewidth=1)
        loss.plot(steps, _smooth(values), color="#2f5bb7", linewidth=1.8, label="training loss, smoothed")
        if "validation_loss" in self.names:
            loss.plot(*self.series("validation_loss"), color="#d2691e", marker=".", label="validation loss")
        loss.set(xlabel="step", title=title)
        rate = loss.twinx()
        rate.plot(*self.series("lr"), color="#999999", linewidth=0.8, linestyle=":")
        rate.set_yticks([])
        loss.plot([], [], color="#999999", linewidth=0.8, linestyle=":", label="learning rate")
        loss.legend(loc="upper right", frameon=False, fontsize=8)
        if shown:
            for name in shown:
                steps, values = self.series(name)
                best = values[steps.index(kept)] if kept in steps else values[-1]
                axes[0, 1].plot(steps, values, marker=".", label=f"{name.replace('_', ' ')} {best:.3f}")
            axes[0, 1].axvline(kept, color="#999999", linewidth=0.8, linestyle=":", label=f"kept: step {kept:,}")
            axes[0, 1].set(xlabel="step", title="validation")
            axes[0, 1].grid(alpha=0.25)
            axes[0, 1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
        figure.tight_layout()
        figure.savefig(self.file.with_name("curve.png"), dpi=120, metadata={"Software": None})
        pyplot.close(figure)


def _smooth(values: Sequence[float], memory: float = 0.9) -> list[float]:
    out: list[float] = []
    total = weight = 0.0
    for value in values:
        total, weight = memory * total + value, memory * weight + 1
        out.append(total / weight)
    return out
