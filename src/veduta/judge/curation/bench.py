"""A pool with selections that are not stored, whose runs lie apart from the user's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from veduta.annotate.vectors import sound
from veduta.encode.base import unit
from veduta.pool import Pool, Selection
from veduta.pool.durable import write_atomically

if TYPE_CHECKING:
    from veduta.learn.operation import Learn
    from veduta.learn.run import Run

FOLDER = "judgements"


class Bench(Pool):
    """The rows of `pool`, read-only; what is trained here is kept in `<pool>/judgements/runs`.

    So a judgement trains with the product's own learners and adds nothing to the pool: the rows of an arm are a
    selection in memory. A run is named by what it was made from (settings, pictures, labels), so that one which is there
    already, from this judgement or another, is taken as it is, and a killed one goes on from its last checkpoint.
    """

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool.path / FOLDER, pool.dataset, latest=False)
        self._chosen: dict[str, NDArray[np.bool_]] = {}
        self._vectors: tuple[str, NDArray[np.float32], NDArray[np.int64]] | None = None

    def at(self, version: int) -> Pool:
        """This pool: a run's name says what it was made from, so its data are these, whatever the version was then."""
        return self

    def selection(self, name: str) -> Selection:
        """One of the selections in memory."""
        return Selection.of(name, self._chosen[name], "not in this arm")

    def unit_vectors(self, column: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Unit vectors (m, d) of the rows that have a sound one, and their positions (m,). Read once, and kept in memory."""
        if self._vectors is None or self._vectors[0] != column:
            vectors, rows = self.vectors(column)
            fine = sound(vectors)
            self._vectors = (column, unit(vectors[fine]), rows[fine])
        return self._vectors[1], self._vectors[2]

    def train(self, operation: Learn, rows: NDArray[np.int64], name: str) -> Run:
        """The run `name` of a learner on these rows; trained now, gone on with, or there already."""
        self.path.mkdir(exist_ok=True)
        keep = np.zeros(len(self), bool)
        keep[rows] = True
        self._chosen = {name: keep}
        return operation.learn(self, selection=name, name=name)

    def kept(self, name: str, make: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
        """The array `name` of `<pool>/judgements/outputs`, made once."""
        import io

        file = self.path / "outputs" / f"{name}.npy"
        if file.exists():
            return np.load(file, allow_pickle=False)
        array, stream = make(), io.BytesIO()
        np.save(stream, array)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, stream.getvalue())
        return array


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
