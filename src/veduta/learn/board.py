"""A run's curve for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from veduta.errors import BadInput


class Board:
    """Writes event files into `folder`. after: the step behind which a run goes on; what was written later is void."""

    def __init__(self, folder: Path, after: int = 0) -> None:
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError:
            raise BadInput("tensorboard is not installed; run: pip install 'veduta[tensorboard]'") from None
        self._writer = SummaryWriter(str(folder), purge_step=after + 1)
        self._written = after

    def write(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write the rows of steps that are not written yet."""
        for row in rows:
            if row["step"] > self._written:
                for name in sorted(set(row) - {"step"}):
                    self._writer.add_scalar(name, row[name], int(row["step"]))
        self._written = max([self._written, *(int(row["step"]) for row in rows)])
        self._writer.flush()
