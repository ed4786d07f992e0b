"""A finished run, as the caller gets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from veduta.errors import BadInput


class Run:
    """The folder of a trained model. `about` is its `veduta.json`."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.about: dict[str, Any] = json.loads((self.path / "veduta.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BadInput(
                f"{path} is not a finished run ({error.__class__.__name__}); train one with: veduta learn"
            ) from None

    @property
    def encoder(self) -> str:
        """The name under which the run is an encoder everywhere."""
        return f"run:{self.path}"

    @property
    def kind(self) -> str:
        """ "classifier", "pairs" or "views"."""
        return str(self.about["kind"])

    @property
    def figures(self) -> dict[str, float]:
        """What was measured on the validation rows with the weights that were kept."""
        return dict(self.about.get("figures", {}))

    def summary(self) -> str:
        """The run in one line."""
        training = self.about["training"]
        figures = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in self.figures.items())
        steps = f"{training['steps']:,} steps" if "steps" in training else "fitted"
        return f"{steps} on {training['rows']:,} rows in {training['seconds']:,.0f} s" + (
            f"; on {training['validation_rows']:,} held-out rows: {figures}" if figures else ""
        )

    def next_steps(self, pool: Path) -> list[tuple[str, str]]:
        """Commands to try, each with what it does."""
        embed = (f"veduta annotate embed {pool} --encoder {self.encoder} --column embedding_run", "its vectors")
        found: list[tuple[str, str]] = (
            [] if "classifier" in self.about else [embed]
        )  # a probe gives the vectors of its base
        if self.kind == "classifier":
            found = [
                (f"veduta annotate predict {pool} --model {self.path}", "its labels for every image"),
                (f"veduta judge classify {pool}", "how good they are"),
                *found,
            ]
        if self.kind == "pairs":
            found.append((f"veduta judge cross-retrieve {pool} --encoder {self.encoder}", "how well texts find images"))
            found.append(
                (f"veduta annotate align OTHER.vd --encoder {self.encoder}", "how well another pool's texts fit")
            )
        return found
