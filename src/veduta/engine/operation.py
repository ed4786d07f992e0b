"""What an operation is: a frozen set of parameters with one pure method.

The fields of the class are its parameters, declared once: the command line, recipes, forms, docs and lineage come
from them. An annotator adds columns, a selector chooses rows. Everything around that one method (reading, decoding,
batching, errors, commits, lineage) is the engine's business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from veduta.errors import BadInput, VedutaError

if TYPE_CHECKING:
    from veduta.pool import Pool, Selection, View

__all__ = ["Annotator", "Batch", "Field", "Operation", "Selector", "TableAnnotator"]

Verb = Literal["annotate", "select", "learn", "generate", "judge"]


def kebab(name: str) -> str:
    """`PerceptualHash` -> `perceptual-hash`, `Project2D` -> `project-2d`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


class Operation(BaseModel):
    """Base of all operations: a frozen, validated set of parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    verb: ClassVar[Verb]
    argument: ClassVar[str | None] = None
    """The parameter that stands behind the pool on the command line, without a flag."""

    def __init__(self, **parameters: Any) -> None:
        try:
            super().__init__(**parameters)
        except ValidationError as error:
            raise BadInput(_first_problem(type(self), error)) from None

    @classmethod
    def operation(cls) -> str:
        """The operation's name in recipes and on the command line."""
        return kebab(cls.__name__)

    @classmethod
    def purpose(cls) -> str:
        """The first line of the docstring."""
        return (cls.__doc__ or "").strip().splitlines()[0].strip()

    def parameters(self) -> dict[str, Any]:
        """All parameters, JSON-serialisable."""
        return self.model_dump(mode="json")

    def check(self, pool: View) -> None:
        """Raise a VedutaError if the pool lacks what the operation needs; called before any image is read."""


class Annotator(Operation):
    """Adds columns, each row from itself alone, so that the engine may fuse, distribute and resume it."""

    verb: ClassVar[Verb] = "annotate"
    alone: ClassVar[bool] = False
    """True: its values depend on the very pixels that its own `side` gives, so it shares no pass with others."""

    def adds(self) -> pa.Schema:
        """The columns it writes."""
        raise NotImplementedError

    def reads(self) -> list[str]:
        """The columns it needs besides the pixels; it may read what an earlier annotator of the same pass adds."""
        return []

    @property
    def side(self) -> int | None:
        """The short side in pixels that is enough for it; None if it needs no pixels."""
        return None

    def foresee(self, pool: View, rows: np.ndarray) -> list[str]:
        """What the user should know before the work on these row positions (int64, without error) begins, such as its cost.

        Called once, before anything is written; a VedutaError raised here stops the run. For work that takes long.
        """
        return []

    def setup(self) -> None:
        """Load models and the like; called once before the first batch, from the thread that starts the run."""

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        """Compute the columns of `adds()` for every row of the batch. Pure and thread-safe."""
        raise NotImplementedError

    def afterwards(self, pool: View) -> list[str]:
        """What the user should know of the finished columns on these rows, a sentence each; said once, at the end of a run."""
        return []

    def fingerprint(self) -> str:
        """What besides the parameters the values depend on (the weights of an encoder)."""
        return ""

    def check(self, pool: View) -> None:
        for column in self.reads():
            pool.require(column, needed_by=self.operation())


class TableAnnotator(Operation):
    """Adds columns that depend on all rows at once (clusters, outliers, label issues)."""

    verb: ClassVar[Verb] = "annotate"
    given: ClassVar[bool] = False
    """True: what it writes came from a person or another program, so that an ingest keeps it where a picture has changed."""

    def adds(self) -> pa.Schema:
        """The columns it writes."""
        raise NotImplementedError

    def reads(self) -> list[str]:
        """The columns it reads."""
        return []

    def amends(self) -> list[str]:
        """Those of the columns of `adds()` whose values are changed rather than made anew: they may have come with the source,
        and `compute` reads what they hold. Older versions keep that.
        """
        return []

    def fingerprint(self) -> str:
        """What besides the parameters and the columns the values depend on (the content of a file that a parameter names)."""
        return ""

    def content(self) -> str:
        """A digest of what it reads outside of the pool, where the fingerprint of its columns says something else."""
        return ""

    def afterwards(self, pool: View) -> list[str]:
        """What the user should know of what was computed, a sentence each; said once and kept in the lineage."""
        return []

    def compute(self, pool: View) -> pa.Table:
        """A table with `_row` (int64 row positions) and the columns of `adds()`; rows not listed become null.

        What the user should know of the outcome is added with `with_notes`: it is said once and kept in the lineage.
        """
        raise NotImplementedError

    def check(self, pool: View) -> None:
        for column in self.reads():
            pool.require(column, needed_by=self.operation())


class Selector(Operation):
    """Chooses rows, with a reason for every row left out."""

    verb: ClassVar[Verb] = "select"

    def reads(self) -> list[str]:
        """The columns it reads."""
        return []

    def select(self, pool: Pool) -> Selection:
        """Decide on every row of the pool."""
        raise NotImplementedError

    def check(self, pool: View) -> None:
        for column in self.reads():
            pool.require(column, needed_by=self.operation())


@dataclass(slots=True)
class Batch:
    """Rows without error, as an annotator sees them.

    images: n arrays (h, w, 3) uint8, short side >= the largest `side` asked for unless the original is smaller;
        empty if no annotator of the pass needs pixels.
    rows: n rows with `key`, `width`, `height`, `format`, `bytes` and the columns of `reads()`.
    made: columns of earlier annotators of the same pass.
    """

    images: list[np.ndarray]
    rows: pa.RecordBatch
    made: dict[str, pa.Array] = field(default_factory=dict)
    shared: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.rows.num_rows

    def column(self, name: str) -> pa.Array:
        """A column of the batch, made in this pass or read from the pool."""
        return self.made[name] if name in self.made else self.rows.column(name)


_NOTES = b"veduta:notes"


def with_notes(table: pa.Table, notes: list[str]) -> pa.Table:
    """The table of a `TableAnnotator` with sentences for the user."""
    return table.replace_schema_metadata({_NOTES: json.dumps(notes).encode()}) if notes else table


def notes_of(table: pa.Table) -> list[str]:
    """The sentences of `with_notes`."""
    return json.loads((table.schema.metadata or {}).get(_NOTES, b"[]"))


def _first_problem(cls: type[Operation], error: ValidationError) -> str:
    problem = error.errors()[0]
    name = ".".join(str(part) for part in problem["loc"]) or "?"
    known = ", ".join(cls.model_fields) or "none"
    if problem["type"] == "extra_forbidden":
        return f"{cls.operation()} has no parameter '{name}' (it has: {known})"
    if problem["type"] == "missing":
        return f"{cls.operation()} needs the parameter '{name}'"
    got = repr(problem.get("input"))
    return (
        f"{name} of {cls.operation()}: {problem['msg'].lower()}, got {got if len(got) <= 200 else got[:200] + ' ...'}"
    )


def as_arrays(schema: pa.Schema, made: Mapping[str, Any], rows: int, by: str) -> dict[str, pa.Array]:
    """What an annotator returned, as Arrow arrays of exactly the declared types; anything else is the author's bug."""
    missing, extra = set(schema.names) - set(made), set(made) - set(schema.names)
    if missing or extra:
        raise VedutaError(f"{by} declared the columns {schema.names} and returned {sorted(made)}")
    arrays: dict[str, pa.Array] = {}
    for column in schema:
        values = made[column.name]
        if isinstance(values, np.ndarray) and values.ndim == 2:
            flat = pa.array(np.ascontiguousarray(values).reshape(-1), column.type.value_type)
            values = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
        array = values if isinstance(values, pa.Array) else pa.array(values, column.type)
        if array.type != column.type:
            array = array.cast(column.type)
        if len(array) != rows:
            raise VedutaError(f"{by} returned {len(array)} values of '{column.name}' for {rows} rows")
        arrays[column.name] = array
    return arrays
