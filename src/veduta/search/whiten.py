"""Whitened embeddings: equal weight for every direction in which a pool's images differ.

Legend: n rows, D dimensions of the embedding, p kept dimensions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.engine.operation import Field, TableAnnotator
from veduta.errors import BadInput, NothingToDo, SpaceMismatch
from veduta.pool.durable import write_atomically
from veduta.search import blocks
from veduta.search.exact import unit
from veduta.search.place import artifacts, checked
from veduta.search.space import made_by

if TYPE_CHECKING:
    from veduta.pool import View

FLOOR = 1e-7
"""Variances below this share of the largest are noise of float32 and are not blown up."""


@dataclass(frozen=True, slots=True)
class Whitening:
    """x -> L2 -> (x - mean) @ components.T * scale -> L2 -> sign(x) |x|^power -> L2.

    mean: (D,), components: (p, D) orthonormal, scale: (p,) one over the standard deviations; all float32.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    scale: NDArray[np.float32]
    power: float

    def apply(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Embeddings (n, D) to (n, p) float32 of unit norm."""
        white = unit((unit(vectors) - self.mean) @ self.components.T * self.scale)
        return unit(np.sign(white) * np.abs(white) ** np.float32(self.power))

    def save(self, folder: Path, facts: dict[str, str]) -> Path:
        """Write `whiten-<hash of the content>.safetensors`; `facts` go into its header."""
        from safetensors.numpy import save

        arrays = {"mean": self.mean, "components": self.components, "scale": self.scale}
        arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}  # safetensors writes raw memory
        data = save(arrays, metadata={**facts, "power": repr(self.power), "kind": "whiten"})
        # hashed by its parts: the header of safetensors has no fixed order of keys
        parts = json.dumps({**facts, "power": self.power}, sort_keys=True).encode()
        digest = hashlib.sha256(parts + b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest()
        path = folder / f"whiten-{digest[:16]}.safetensors"
        write_atomically(path, data)
        return path


def fit(batches: Iterable[NDArray[np.floating]], dims: int, power: float) -> Whitening:
    """Principal axes and variances of unit-normalised embeddings, given in pieces (m, D).

    Sharif Razavian et al. 2014 (arXiv 1403.6382), section on retrieval: PCA to 500, whitening. Each axis' sign is
    fixed by its largest entry. Memory: D^2 * 8 bytes; one pass.
    Raises BadInput if dims > min(n, D), naming the maximum.
    """
    count, total, second = 0, np.zeros(0), np.zeros((0, 0))
    for batch in batches:
        x = unit(batch).astype(np.float64)
        if not count:
            total, second = np.zeros(x.shape[1]), np.zeros((x.shape[1], x.shape[1]))
        count += len(x)
        total += x.sum(0)
        second += x.T @ x
    largest = min(count, len(total))
    if not 1 <= dims <= largest:
        raise BadInput(
            f"dims of whiten must be at most {largest} (the smaller of {count} rows to fit on and {len(total)} "
            f"dimensions), got {dims}; lower dims or fit on more rows"
        )
    mean = total / count
    variances, axes = np.linalg.eigh((second - count * np.outer(mean, mean)) / max(1, count - 1))
    variances, axes = variances[::-1][:dims], axes.T[::-1][:dims]
    strongest = axes[np.arange(dims), np.abs(axes).argmax(1)]
    axes = axes * np.where(strongest < 0, -1.0, 1.0)[:, None]
    scale = 1 / np.sqrt(np.maximum(variances, FLOOR * max(float(variances[0]), np.finfo(np.float64).tiny)))
    return Whitening(mean.astype(np.float32), axes.astype(np.float32), scale.astype(np.float32), power)


class Whiten(TableAnnotator):
    """Whiten an embedding column, so that rare differences count as much as common ones.

    L2 -> PCA to `dims` -> whitening -> L2 -> signed power -> L2 (Sharif Razavian et al. 2014, arXiv 1403.6382). The
    paper's text says power 2; 0.5 is the later convention and the default. What was fitted is kept in the pool's
    `artifacts/`, and queries go through it too. Memory: n * dims * 4 bytes; two passes over the embeddings.
    """

    embedding: str = Field("embedding", description="the vector column to whiten")
    dims: int = Field(500, ge=1, description="principal components kept; at most min(rows, dimensions)")
    power: float = Field(0.5, gt=0, description="exponent p of the signed power sign(x)|x|^p")
    queries: str | None = Field(None, description="SQL: the rows that will be used as queries; never fitted on")
    column: str = Field("embedding_white", pattern=r"^[A-Za-z_]\w*$", description="name of the new column")

    def reads(self) -> list[str]:
        return [self.embedding]

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field(self.column, pa.list_(pa.float32(), self.dims))])

    def check(self, pool: View) -> None:
        field = pool.require(self.embedding, needed_by=self.operation(), mend="add it with: veduta annotate embed POOL")
        if not pa.types.is_fixed_size_list(field.type):
            raise BadInput(f"embedding of whiten: the column '{self.embedding}' holds {field.type}, not vectors")
        if self.dims > field.type.list_size:
            raise BadInput(
                f"dims of whiten must be at most {field.type.list_size}, the size of '{self.embedding}', got {self.dims}"
            )
        checked(pool, self.queries)

    def compute(self, pool: View) -> pa.Table:
        given = fit_condition(self.queries)
        whitening = fit((v for v, _ in blocks.stream(pool, self.embedding, given) if len(v)), self.dims, self.power)
        rows, vectors = [], []
        for block, places in blocks.stream(pool, self.embedding):
            rows.append(places)
            vectors.append(whitening.apply(block))
        if not rows:
            raise NothingToDo(f"whiten: no row has a value in '{self.embedding}'; embed the images first")
        facts = {"column": self.column, "embedding": self.embedding, "fit": given or ""}
        whitening.save(artifacts(pool), facts)
        flat = pa.array(np.concatenate(vectors).reshape(-1), pa.float32())
        return pa.table({"_row": np.concatenate(rows), self.column: pa.FixedSizeListArray.from_arrays(flat, self.dims)})


def fit_condition(queries: str | None) -> str | None:
    """SQL for the rows that may be fitted on. A condition that is null for a row does not make it a query."""
    return None if queries is None else f"not coalesce(({queries}), false)"


def find(pool: View, column: str) -> Whitening:
    """The whitening behind a column: the kept one that turns a stored embedding into the stored result.

    Checked by value, so that undo, copies and refits cannot pair a column with another fit. Raises SpaceMismatch.
    """
    from safetensors import safe_open

    made = made_by(pool, column)["parameters"]
    source = made["embedding"]
    probe = pool.table([source, column], where=f"{column} is not null and {source} is not null", limit=8)
    if not len(probe):
        raise NothingToDo(f"the column '{column}' is empty; whiten the pool first")
    given, wanted = (
        np.asarray(probe.column(name).combine_chunks().flatten(), np.float32).reshape(len(probe), -1)
        for name in (source, column)
    )
    for path in sorted(artifacts(pool).glob("whiten-*.safetensors")):
        with safe_open(str(path), framework="numpy") as stored:
            facts = stored.metadata() or {}
            shape = stored.get_slice("components").get_shape()
            if facts.get("column") != column or shape != [wanted.shape[1], given.shape[1]]:
                continue
            arrays = [stored.get_tensor(name) for name in ("mean", "components", "scale")]
        whitening = Whitening(*arrays, power=float(facts["power"]))
        if np.einsum("nd,nd->n", whitening.apply(given), wanted).min() > 0.999:
            return whitening
    raise SpaceMismatch(
        f"no fitted whitening in {artifacts(pool)} reproduces the column '{column}', so a query cannot be brought into "
        f"its space; run whiten on the pool again"
    )
