"""Labels, scores and vectors that were made elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import PrivateAttr, field_validator

from veduta.annotate import import_columns as shape
from veduta.annotate import import_join as join
from veduta.annotate.classes import CLASSES
from veduta.annotate.import_objects import SCORED, inside
from veduta.annotate.import_plan import Loaded, load
from veduta.annotate.import_read import KEPT, keep, named
from veduta.engine.operation import Field, TableAnnotator
from veduta.errors import BadInput
from veduta.pool import View
from veduta.pool.readers.notes import Notes
from veduta.pool.schema import CORE, FINGERPRINT, GIVEN, OPERATION, PARAMETERS

EXAMPLES = 3


class Import(TableAnnotator):
    """Bring columns of your own: labels, predictions, class scores or vectors from a table, joined to the images.

    Adds the table's columns under their names, typed; NaN becomes null. Reads Parquet, Arrow, CSV, JSON lines and COCO
    results (`[{image_id, category_id, bbox, score}]`, which become `predicted_objects`); in Python a pyarrow, pandas or polars
    table too, of which the pool keeps a copy. `on` names the column that both have, `POOL=TABLE` where the names differ, or
    `file` for names of files, which are compared by their tails. Ids compare by value: 7, 7.0 and "7" are one.

    `scores` makes one column of class scores with the classes' names in its metadata (`veduta:classes`, and `veduta:scores`:
    probabilities, logits or independent), which `label-issues --probabilities` and `judge classify --scores` take. `vectors`
    makes vectors (d,) float32 that search takes; with `space` they are not mixed with vectors of another. Columns that are
    there are replaced only by the same import; `as` puts a column into one that came with the source, such as `label`,
    where the table has a value. How many rows matched is told at the end and kept in the lineage. Memory: the table.
    """

    argument: ClassVar[str | None] = "table"
    given: ClassVar[bool] = True

    table: str = Field(
        description="the table: .parquet, .arrow, .csv, .jsonl or COCO results .json; a pattern for several"
    )
    on: str = Field(
        "key",
        min_length=1,
        description="what joins them: key, digest, uri, any column, POOL=TABLE, or file, file=TABLE",
    )
    columns: tuple[str, ...] = Field((), description="only these columns of the table; by default all")
    prefix: str = Field("", pattern=r"^\w*$", description="put before the names, such as pred_")
    as_: dict[str, str] = Field(
        default_factory=dict, description="name in the pool = column of the table; label=pred puts pred into the labels"
    )
    duplicates: Literal["refuse", "first", "last", "list"] = Field(
        "refuse", description="of several rows for one image: refuse, take the first or last, or keep all in lists"
    )
    scores: tuple[str, ...] = Field(
        (),
        description="class scores: a list column, or a pattern with one * for columns of one class each, such as score_*",
    )
    classes: tuple[str, ...] = Field((), description="the classes of the scores, in their order")
    values: shape.Values = Field("auto", description="what the scores are; by default as they look")
    vectors: tuple[str, ...] = Field((), description="list columns that are vectors")
    space: str | None = Field(
        None, min_length=1, description="name of the space that the vectors live in, such as my-clip"
    )
    categories: str | None = Field(None, description="file with the names of COCO's categories: the annotations' JSON")

    _loaded: Any = PrivateAttr(None)
    _pool: Any = PrivateAttr(None)
    _told: Any = PrivateAttr(())

    @field_validator("table", mode="before")
    @classmethod
    def _named(cls, table: Any) -> Any:
        return named(table)

    def check(self, pool: View) -> None:
        folder = Path(pool.dataset.uri.removeprefix("file://")).parent
        self._pool = pool
        self._loaded = None
        keep(self.table, folder)
        for name in self.adds().names:
            self._refuse_taken(pool, name)
        self._pool_column(pool)

    def content(self) -> str:
        return self._load().digest

    def adds(self) -> pa.Schema:
        return self._load().schema

    def amends(self) -> list[str]:
        return [name for name in self.as_ if name in GIVEN or self._from_source(name)]

    def afterwards(self, pool: View) -> list[str]:
        return list(self._told)

    def compute(self, pool: View) -> pa.Table:
        self.check(pool)
        whole, loaded, notes = View(pool.dataset), self._load(), Notes()
        ids, images = self._ids(whole, loaded, notes)
        again = join.repeated(ids)
        if again and self.duplicates == "refuse":
            shown = ", ".join(f"'{one}' ({len(rows)} rows)" for one, rows in list(again.items())[:EXAMPLES])
            raise BadInput(
                f"import: {len(again):,} images have several rows in the table, such as {shown}; say --duplicates first, last or list"
            )
        if again:
            notes.count(f"images with several rows in the table ({self.duplicates})", len(again))
        values, keys = join.gathered(loaded.values, ids) if self.duplicates == "list" else (loaded.values, ids)
        found = join.places(images, keys, last=self.duplicates == "last")
        wanted = np.zeros(len(found), bool)
        wanted[pool.rows()] = True
        found[~wanted] = -1
        index = pa.array(found, mask=found < 0)
        made = {name: column.take(index) for name, column in values.items()}
        sizes = list(zip(*whole.table(["width", "height"]).to_pydict().values(), strict=True))
        for name, column in made.items():
            if loaded.results and column.type == pa.list_(SCORED):
                made[name] = inside(column, sizes, notes)
        self._tell(ids, images, found, wanted, loaded.notes, notes)
        for name in self.amends():
            if name in whole.schema.names:
                before = whole.table([name]).column(0).combine_chunks()
                made[name] = pc.coalesce(made[name].cast(before.type), before)
        return pa.table({"_row": pa.array(np.arange(len(found))), **made})

    def _ids(self, pool: View, loaded: Loaded, notes: Notes) -> tuple[join.Ids, join.Ids]:
        """What identifies each row of the table and each image of the pool, in comparable texts."""
        column = self._pool_column(pool)
        if column != "file":
            own = pool.table([column]).column(0)
            numbers = join.are_numbers(own.type) or join.are_numbers(loaded.ids.type)
            return join.comparable(loaded.ids, numbers=numbers), join.comparable(own, numbers=numbers)
        own = pool.table(["key", "uri"])
        keys = own["key"].to_pylist()
        names = join.comparable(loaded.ids, numbers=False)
        rows, doubtful = join.by_file(names, keys, own["uri"].to_pylist())
        if doubtful:
            shown = ", ".join(f"'{name}'" for name in doubtful[:EXAMPLES])
            notes.count(f"names that fit several images, left out: {shown}", len(doubtful))
        return [keys[row] if row >= 0 else None for row in rows], keys

    def _tell(
        self, ids: join.Ids, images: join.Ids, found: np.ndarray, wanted: np.ndarray, read: Notes, notes: Notes
    ) -> None:
        """Keep the sentences about what matched; BadInput where nothing did."""
        have = set(images)
        strange = [one for one in ids if one not in have or one is None]
        if not (found >= 0).any():
            table, pool = (
                next((one for one in self._load().ids.to_pylist() if one is not None), None),
                next(iter(images), None),
            )
            raise BadInput(
                f"import: no row of the table belongs to an image of the pool: on '{self.on}' the table has for instance {table!r}, "
                f"the pool {pool!r}; name another column with --on POOL=TABLE, or compare names of files with --on file"
            )
        matched, asked = int((found >= 0).sum()), int(wanted.sum())
        told = [f"import: {matched:,} of {asked:,} images found in the table on '{self.on}'"]
        if matched < asked:
            lacking = [str(images[row]) for row in np.flatnonzero(wanted & (found < 0))[:EXAMPLES]]
            told.append(
                f"images that are not in the table, such as {', '.join(map(repr, lacking))}: {asked - matched:,}"
            )
        if strange:
            shown = [str(one) for one in strange if one is not None][:EXAMPLES]
            such = f", such as {', '.join(map(repr, shown))}" if shown else ""
            told.append(f"rows of the table that belong to no image of the pool{such}: {len(strange):,}")
        for each in (read, notes):
            told += [
                f"{what}: {number:,}" for what, number in each.counts.items() if what not in ("warnings", "problems")
            ]
            told += [f"{name}: {reason}" for name, reason in [*each.problems, *each.warnings][:EXAMPLES]]
            told += [str(guess) for guess in each.guesses]
        self._told = tuple(told)

    def _pool_column(self, pool: View) -> str:
        mine = self.on.partition("=")[0]
        if mine == "file":
            return mine
        if mine == "key" and self._load().results and "coco_id" in pool.schema.names and self.on == "key":
            return "coco_id"
        pool.require(mine, needed_by="import", mend="name what joins them with --on POOL=TABLE, or --on file")
        return mine

    def _from_source(self, name: str) -> bool:
        """Whether the pool has a column of this name that no operation made."""
        if self._pool is None or name not in self._pool.schema.names or name in CORE.names:
            return False
        return OPERATION not in (self._pool.schema.field(name).metadata or {})

    def _refuse_taken(self, pool: View, name: str) -> None:
        """Raise BadInput for a column that is there and was not made by this import."""
        if name in self.amends():
            return
        mend = f"give --prefix, --as NAME={name}, or leave it out with --columns"
        if name in CORE.names:
            also = f"; to put it into the pool's own: --as {name}={name}" if name in GIVEN else ""
            raise BadInput(f"import: '{name}' is a column of every pool; {mend}{also}")
        if name not in pool.schema.names:
            return
        made = pool.schema.field(name).metadata or {}
        by = made.get(OPERATION, b"").decode()
        if by == self.operation():
            before = json.loads(made.get(PARAMETERS, b"{}")).get("table", "")
            if before == self.table or (before.startswith(KEPT) and self.table.startswith(KEPT)):
                self._refuse_other_shape(pool.schema.field(name))
                return
            raise BadInput(f"import: the column '{name}' was imported from {before}; {mend}")
        raise BadInput(f"import: the column '{name}' is there, made by {by or 'the source'}; {mend}")

    def _refuse_other_shape(self, field: pa.Field) -> None:
        """Raise BadInput where vectors or scores would become plain lists, or vectors lose the name of their space."""
        made, new = field.metadata or {}, self.adds().field(field.name)
        lost = pa.types.is_fixed_size_list(field.type) and not pa.types.is_fixed_size_list(new.type)
        space = made.get(FINGERPRINT, b"").decode()
        space = space.removeprefix(shape.SPACE) if space.startswith(shape.SPACE) else ""
        given = json.loads(made.get(PARAMETERS, b"{}"))
        if CLASSES in made and (lost or CLASSES not in (new.metadata or {})):
            classes = f" --classes {','.join(given['classes'])}" if given.get("classes") else ""
            flags = " ".join(f"--scores '{pattern}'" for pattern in given.get("scores", [])) + classes
            what = "class scores"
        elif lost or (space and FINGERPRINT not in (new.metadata or {})):
            flags = f"--vectors {field.name}" + (f" --space {space}" if space else "")
            what = f"vectors of the space '{space}'" if space else "vectors"
        else:
            return
        raise BadInput(
            f"import: the column '{field.name}' holds {what}, which this would lose; add {flags}, or keep both with --prefix"
        )

    def _load(self) -> Loaded:
        if self._loaded is None:
            self._loaded = load(self, self._pool, self.amends())
        return self._loaded
