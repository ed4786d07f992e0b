"""The pool on disk: opening, versions, and the few ways in which it changes."""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from veduta._version import __version__
from veduta.errors import BadInput, Damaged, DamagedPool, NotAPool, PoolExists
from veduta.pool import durable, fragments, ledger, lineage, lock, sound, unfinished
from veduta.pool.place import TABLE, table_of
from veduta.pool.schema import CORE, OPERATION, PARAMETERS
from veduta.pool.selection import Selection, column_names
from veduta.pool.view import View

if TYPE_CHECKING:
    import lance

    from veduta.pool.check import Checked


class Pool(View):
    """A versioned table of images. Open one with `veduta.open(path)`, make one with `veduta.create(path)`.

    Reading is possible from any number of processes at any time; one process writes at a time. Every change is a
    new version, and every version can be read again with `at`.
    """

    def __init__(
        self, path: Path, dataset: lance.LanceDataset, damage: sound.Damage | None = None, *, latest: bool = True
    ) -> None:
        super().__init__(dataset)
        self.path = path
        self.damage = damage
        """What is wrong with newer versions than this one, where the newest cannot be read; None in a sound pool."""
        self._latest = latest
        self._locked = 0
        self._ledger: ledger.Ledger | None = None
        self._settled = 0

    @classmethod
    def open(cls, path: str | Path, version: int | None = None) -> Pool:
        """Open the pool in the folder `path`, at its newest version or a given one.

        Where the newest version is damaged (a power cut, a bad disk), the newest sound one is opened; `damage` and a
        DamagedPool warning say so.
        """
        import lance

        path = Path(path)
        if not cls.is_there(path):
            what = "is not a pool" if path.exists() else "does not exist"
            raise NotAPool(f"{path} {what}; make a pool with: veduta curate SOURCE -o {path}")
        if version is None:
            pool = cls(path, *sound.newest(path, table_of(path)))
            if pool.damage:
                warnings.warn(str(pool.damage), DamagedPool, stacklevel=2)
            return pool
        try:
            return cls(path, lance.dataset(str(table_of(path)), version=version), latest=False)
        except (ValueError, OSError):
            raise BadInput(f"the pool {path} has no version {version}; see: veduta log {path}") from None

    @classmethod
    def create(cls, path: str | Path) -> Pool:
        """Make an empty pool in the new (or empty) folder `path`."""
        import lance

        path = Path(path)
        if cls.is_there(path):
            with lock.exclusive(path / ".lock"):  # of two that begin at once the second is told who writes
                pass
            raise PoolExists(f"{path} is a pool already; open it, or name another folder")
        table, unborn = table_of(path), table_of(path).with_name(f".{TABLE}")  # what a run that was killed here leaves
        left = {unborn.name, ".lock"} | ({TABLE} if not any((table / "data").glob("*")) else set())
        is_free = not path.exists() or (path.is_dir() and not {each.name for each in path.iterdir()} - left)
        if not is_free and not cls.is_there(path):
            raise PoolExists(f"{path} exists and is not an empty folder; name a new folder for the pool")
        durable.make_folder(path)
        with lock.exclusive(path / ".lock"):
            if not cls.is_there(path):  # another process may have been faster
                for place in (table, unborn):
                    shutil.rmtree(place, ignore_errors=True)
                lance.write_dataset(CORE.empty_table(), str(unborn))
                durable.sync_tree(unborn)
                durable.move(unborn, table)
                ledger.write(path, {})
                ledger.Ledger(path, table).settle()
        return cls.open(path)

    @staticmethod
    def is_there(path: str | Path) -> bool:
        """Whether a pool lies in the folder `path`: a table with at least one version."""
        versions = table_of(path) / "_versions"
        return versions.is_dir() and any(versions.iterdir())

    # -- versions ---------------------------------------------------------------------------------------------

    def refresh(self) -> Pool:
        """Move to the newest version (after another process has written)."""
        if self.damage is None:
            try:
                self._dataset.checkout_latest()
                return self
            except (ValueError, OSError):  # damaged since
                pass
        self._dataset, self.damage = sound.newest(self.path, table_of(self.path))
        return self

    def at(self, version: int) -> Pool:
        """The pool as it was at `version`, read-only."""
        return Pool.open(self.path, version)

    def versions(self) -> list[int]:
        """All versions that can be read, ascending."""
        return [entry["version"] for entry in self._dataset.versions()]

    def log(self) -> list[lineage.Record]:
        """Everything that was done to the pool up to this version, oldest first, undone runs included."""
        return lineage.history(self.path / "lineage", self.version)

    def lineage(self) -> list[lineage.Record]:
        """The runs that the present content came from, oldest first."""
        return lineage.effective(self.log(), self.version)

    def undo(self, to: int | None = None) -> Pool:
        """Go back to version `to` (default: before the last effective run). This is a new version; nothing is lost."""
        with self.writing():
            unfinished.settle(self)
            if to is None:
                done = [record for record in self.lineage() if record.adds]
                if not done:
                    raise BadInput(f"nothing to undo: no run is recorded for {self.path}")
                to = done[-1].before
            before = self.version
            old = Pool.open(self.path, to)
            old._dataset.restore()
            self.refresh()
            self._settle()
            self.record(lineage.Record("undo", {"to": to}, before, self.version, started=lineage.now()))
        return self

    def recipe(self) -> list[dict[str, dict[str, Any]]]:
        """What was done as a recipe: a list of {operation: parameters} that `veduta.run_recipe` takes."""
        return [
            {record.operation: record.parameters}
            for record in self.lineage()
            if record.adds and record.operation != "ingest"
        ]

    # -- reading ----------------------------------------------------------------------------------------------

    def where(self, condition: str) -> View:
        """The rows that satisfy an SQL condition over the columns."""
        return View(self._dataset, condition)

    def provenance(self, column: str) -> dict[str, Any]:
        """Which operation made the column and with which parameters; empty for columns of the source."""
        metadata = self.require(column, needed_by="provenance").metadata or {}
        if OPERATION not in metadata:
            return {}
        return {"operation": metadata[OPERATION].decode(), "parameters": json.loads(metadata[PARAMETERS])}

    def selections(self) -> list[str]:
        """Names of the stored selections."""
        names = self.schema.names
        return [n[7:] for n in names if n.startswith("select_") and f"reason_{n[7:]}" in names]

    def selection(self, name: str) -> Selection:
        """A stored selection; rows that came after it was made count as left out."""
        if name not in self.selections():
            have = ", ".join(self.selections()) or "none"
            raise BadInput(f"the pool has no selection '{name}' (it has: {have})")
        table = self.table(list(column_names(name)))
        keep = np.asarray(table.column(0).fill_null(False))
        reasons = table.column(1).combine_chunks()
        late = ~keep & np.asarray(reasons.is_null())
        if late.any():
            reasons = pa.array(
                [("added after this selection was made" if new else r) for r, new in zip(reasons.to_pylist(), late)]
            )
        return Selection.of(name, keep, reasons)

    def digest(self) -> str:
        """SHA-256 of the table's content (names, types, values, image bytes) in key order.

        Two pools with equal digests hold the same rows; versions, lineage and file layout do not count.
        Cost: one pass over everything, memory for the keys and one batch.
        """
        keys = self.table(["key"]).column("key").to_pylist()
        order = np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)
        names = sorted(name for name in self.schema.names if name != "image")
        total = hashlib.sha256("\n".join(f"{n}:{self.schema.field(n).type}" for n in names).encode())
        for start in range(0, len(order), 512):
            rows = order[start : start + 512]
            for batch in self.take(rows, names).combine_chunks().to_batches():
                for values in batch.columns:
                    total.update(repr(values.to_pylist()).encode("utf-8", "surrogatepass"))
            for content in self.read_images(rows):
                total.update(hashlib.sha256(content or b"").digest())
        return total.hexdigest()

    # -- changing ---------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self, *, mending: bool = False) -> Iterator[None]:
        """Be the one writer; PoolBusy if another process is. May be nested.

        Versions that are damaged are set aside first, and a warning says so. mending: leave that to the caller.
        """
        if not self._latest:
            raise BadInput(
                f"version {self.version} of {self.path} is read-only; open the pool without a version to change it"
            )
        if self._locked:
            yield
            return
        with lock.exclusive(self.path / ".lock"):
            self._locked += 1
            try:
                self._settled = self.refresh().version
                if self.damage and not mending:
                    self._set_aside(self.damage)
                    self._settled = self.version
                if not ledger.is_kept(self.path):  # what is there now has no checksums; what comes has
                    self._ledger = ledger.Ledger(self.path, self.path / TABLE)
                yield
            except BaseException:
                with suppress(OSError):  # a full disk, which was told already
                    self._settle()
                raise
            else:
                self._settle()
            finally:
                self._locked -= 1
                self._ledger = None

    def _set_aside(self, damage: sound.Damage) -> None:
        if damage.rows:
            raise Damaged(f"{self.path} is damaged ({damage.reason}); mend it first: veduta check {self.path} --repair")
        place = sound.set_aside(self.path, table_of(self.path), self.version, damage.versions, damage.reason)
        self.move_to_newest()
        went = ", ".join(map(str, damage.versions))
        words = (
            f"damaged versions of {self.path} ({went}) were set aside in {place}; this run goes on from {self.version}"
        )
        warnings.warn(words, DamagedPool, stacklevel=4)

    def move_to_newest(self) -> None:
        """Read the table's newest version, after damaged ones were set aside."""
        self._dataset, self.damage = sound.newest(self.path, table_of(self.path))

    def check(self, *, repair: bool = False) -> Checked:
        """Compare every file, image and record with what was written; see `veduta.pool.check.check`."""
        from veduta.pool.check import check

        found = check(self.path, repair=repair)
        if repair and self._latest:
            self.move_to_newest()
        return found

    def define(self, schema: pa.Schema) -> None:
        """Add columns that are null everywhere (metadata only); names must be new."""
        if schema.names:
            self._dataset.add_columns(schema)

    def add(self, columns: pa.Table) -> None:
        """Add columns with their values, one for every row, in one new version; names must be new."""
        if not len(columns):
            self.define(columns.schema)
        elif columns.column_names:
            self._dataset.add_columns(columns.to_reader())

    def rename(self, name: str, new: str) -> None:
        """Give a column another name; its values and metadata stay."""
        self._dataset.alter_columns({"path": name, "name": new})

    def describe(self, schema: pa.Schema) -> None:
        """Give columns that are there the metadata of the fields in `schema`; the values stay."""
        told = {
            field.name: {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
            for field in schema
            if field.metadata != self.schema.field(field.name).metadata
        }
        if told:
            self._dataset.update_field_metadata(told, replace=True)

    def drop(self, columns: Sequence[str]) -> None:
        """Remove columns; older versions still have them."""
        present = [name for name in columns if name in self.schema.names]
        if present:
            self._dataset.drop_columns(present)

    def append(self, rows: pa.Table, *, replacing: Sequence[str] = (), message: str = "append") -> None:
        """Add rows (a subset of the columns is enough) and remove the rows with the keys `replacing`, in one version."""
        import lance
        from lance.fragment import write_fragments

        dataset = self._dataset
        added = write_fragments(rows, dataset, mode="append", max_rows_per_file=len(rows) + 1)
        if replacing:
            quoted = ", ".join("'" + key.replace("'", "''") + "'" for key in replacing)
            before = {f.fragment_id: f.count_rows() for f in dataset.get_fragments()}
            updated, removed = [], []
            for fragment in dataset.get_fragments():
                left = fragment.delete(f"key in ({quoted})")
                if left is None:
                    removed.append(fragment.fragment_id)
                elif left.num_rows != before[fragment.fragment_id]:
                    updated.append(left)
            operation = lance.LanceOperation.Update(removed, updated, added)
        else:
            operation = lance.LanceOperation.Append(added)
        self._dataset = lance.LanceDataset.commit(
            dataset.uri, operation, read_version=dataset.version, commit_message=message
        )
        self._settle()

    def exchange(self, fragment_id: int, rows: pa.Table | None) -> None:
        """Put `rows` in the place of a whole fragment, or nothing, in one version."""
        import lance
        from lance.fragment import write_fragments

        dataset = self._dataset
        added = [] if rows is None or not len(rows) else write_fragments(rows, dataset, mode="append")
        operation = lance.LanceOperation.Update([fragment_id], [], added)
        self._dataset = lance.LanceDataset.commit(
            dataset.uri, operation, read_version=dataset.version, commit_message="repair"
        )
        self._settle()

    def replace_fragments(self, changed: dict[int, Any], message: str) -> None:
        """Give fragments other data files, in one version."""
        self._dataset = fragments.commit(self._dataset, changed, message)
        self._settle()

    def pending(self, columns: Sequence[str]) -> list[int]:
        """Fragments in which at least one of `columns` is still to be filled."""
        return fragments.pending(self._dataset, columns)

    def fragment_rows(self, fragment_id: int) -> np.ndarray:
        """Row positions (int64) of a fragment's live rows, in order."""
        addresses = self._addresses()
        # Of the addresses' own type: else all of them would be turned into floats for each fragment.
        low, high = np.searchsorted(
            addresses, np.array([fragment_id, fragment_id + 1], addresses.dtype) << np.uint8(32)
        )
        return np.arange(low, high, dtype=np.int64)

    def fill(self, columns: pa.Table, fragment_ids: Sequence[int], *, message: str = "fill") -> None:
        """Fill declared columns of some fragments in one new version.

        `columns` has one row for every live row of the fragments, in row order.
        """
        at = 0
        pieces: list[tuple[int, pa.Table]] = []
        for fragment_id in fragment_ids:
            count = len(self.fragment_rows(fragment_id))
            pieces.append((fragment_id, columns.slice(at, count)))
            at += count
        self.fill_each(pieces, message=message)

    def fill_each(self, pieces: Iterable[tuple[int, pa.Table]], *, message: str = "fill") -> None:
        """As `fill`, the columns of one fragment after the other, so that not all are in memory."""
        addresses = self._addresses()
        changed: dict[int, Any] = {}
        for fragment_id, piece in pieces:
            rows = self.fragment_rows(fragment_id)
            physical = self._dataset.get_fragment(fragment_id).physical_rows
            if physical != len(rows):  # deleted rows keep their place in every data file
                places = np.full(physical, -1, dtype=np.int64)
                places[(addresses[rows] & np.uint64(0xFFFFFFFF)).astype(np.int64)] = np.arange(len(rows))
                piece = _placed(piece, places)
            changed[fragment_id] = fragments.write_columns(self._dataset, fragment_id, piece)
        self.replace_fragments(changed, message)

    def record(self, record: lineage.Record) -> None:
        """Write the lineage record of a finished run, after its versions have reached the disk."""
        record.code = __version__
        self._settle()
        unfinished.recorded(self, record)

    def _settle(self) -> None:
        """Wait until what was committed has reached the disk."""
        if self._settled != self.version:
            self._ledger = self._ledger or ledger.Ledger(self.path, table_of(self.path))
            self._ledger.settle()
            self._settled = self.version

    # -- the verbs ---------------------------------------------------------------------------------------------

    def annotate(self, operations: Any, **options: Any) -> Pool:
        """Add columns: one annotator or several, which then share one decode of every image."""
        many = operations if isinstance(operations, (list, tuple)) else [operations]
        _engine().annotate(self, many, **options)
        return self

    def select(self, operation: Any, **options: Any) -> Selection:
        """Choose rows; the selection is stored with a reason for every row left out."""
        return _engine().select(self, operation, **options)

    def ingest(self, source: Any, **options: Any) -> Any:
        """Add images from a folder, archive, table or reader; see `veduta.engine.ingest.ingest`."""
        return importlib.import_module("veduta.engine.ingest").ingest(self, source, **options)

    def __repr__(self) -> str:
        return f"Pool('{self.path}': {len(self)} images, version {self.version})"


def _placed(rows: pa.Table, places: np.ndarray) -> pa.Table:
    """Rows at their places; a place of -1 becomes null, or any value in a column that takes no null."""
    index, anything = pa.array(places, mask=places < 0), pa.array(np.maximum(places, 0))
    columns = [rows.column(f.name).take(index if f.nullable else anything) for f in rows.schema]
    return pa.Table.from_arrays(columns, schema=rows.schema)


def _engine() -> Any:
    """The engine, bound at the call: the pool room must not know the rooms above it."""
    return importlib.import_module("veduta.engine.run")
