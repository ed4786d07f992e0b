"""One decode, many annotators: the part of a run that works on a batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from veduta.engine.decode import decode
from veduta.errors import BadInput, Undecodable
from veduta.pool.schema import FINGERPRINT, INPUTS, OPERATION, PARAMETERS

# An image that no annotator looks at is still decoded in full; a reduced decode reads the same stream at less cost.
CHECK_SIDE = 64

if TYPE_CHECKING:
    from veduta.engine.operation import Annotator


class FusedPass:
    """Annotators that share the decoded images of each batch, in the order in which they were given."""

    def __init__(self, annotators: Sequence[Annotator]) -> None:
        self.annotators = list(annotators)
        apart = next((a.operation() for a in self.annotators if a.alone), None)
        if apart and len(self.annotators) > 1:
            raise BadInput(f"{apart} needs a pass of its own; run it after the others")
        for annotator in self.annotators:
            annotator.setup()
        self.schema = pa.schema([field for a in self.annotators for field in described(a, a.adds())])
        if len(set(self.schema.names)) != len(self.schema.names):
            twice = sorted({n for n in self.schema.names if self.schema.names.count(n) > 1})
            raise BadInput(
                f"two operations of one pass would write the columns {twice}; rename one with its column parameter"
            )
        self.side = max((a.side for a in self.annotators if a.side), default=None)
        made: set[str] = set()
        self.reads: list[str] = []
        for annotator in self.annotators:
            self.reads += [c for c in annotator.reads() if c not in made and c not in self.reads]
            made |= set(annotator.adds().names)

    def run(self, images: list[np.ndarray], rows: pa.RecordBatch) -> dict[str, pa.Array]:
        """Columns of the schema for `rows`, which are all sound; `images` is empty if no annotator needs pixels."""
        from veduta.engine.operation import Batch, as_arrays  # loads pydantic, which an ingest alone does without

        batch = Batch(images, rows)
        for annotator in self.annotators:
            values = annotator.annotate(batch)
            batch.made |= as_arrays(annotator.adds(), values, len(batch), annotator.operation())
        return batch.made

    def spread(self, made: dict[str, pa.Array], sound: np.ndarray) -> dict[str, pa.Array]:
        """Values of the sound rows placed among all rows of the batch; the others become null.

        sound: (n,) bool, with as many true as `made` has values.
        """
        if sound.all():
            return made
        places = pa.array(np.where(sound, np.cumsum(sound) - 1, 0), mask=~sound)
        return {name: values.take(places) for name, values in made.items()}


def try_decode(data: bytes | None, side: int | None) -> tuple[np.ndarray | None, str]:
    """Pixels, or None and the reason."""
    if data is None:
        return None, "unreadable: the bytes are gone"
    try:
        return decode(data, side).pixels, ""
    except Undecodable as error:
        return None, str(error)


def described(operation: Annotator, schema: pa.Schema, inputs: str = "") -> pa.Schema:
    """`schema` with the provenance of the operation in each field's metadata."""
    return provenance(schema, operation.operation(), operation.parameters(), operation.fingerprint(), inputs)


def provenance(
    schema: pa.Schema, operation: str, parameters: dict, fingerprint: str = "", inputs: str = ""
) -> pa.Schema:
    """`schema` with what made its columns in each field's metadata."""
    metadata = {
        OPERATION: operation.encode(),
        PARAMETERS: json.dumps(parameters, sort_keys=True).encode(),
        FINGERPRINT: fingerprint.encode(),
        INPUTS: inputs.encode(),
    }
    return pa.schema([field.with_metadata({**metadata, **(field.metadata or {})}) for field in schema])
