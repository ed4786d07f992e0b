"""The newest version of a table that can be trusted, where a power cut or a bad disk has damaged newer ones."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from veduta.errors import NotAPool
from veduta.pool import durable, ledger

if TYPE_CHECKING:
    import lance

T = TypeVar("T")
ASIDE = "aside"
_HINT = "_versions/latest_version_hint.json"


@dataclass(slots=True, frozen=True)
class Damage:
    """What keeps newer versions from being read. opened: the version in their place. rows: no version that has rows is sound."""

    pool: Path
    opened: int
    versions: tuple[int, ...]
    reason: str
    rows: bool = False

    def __str__(self) -> str:
        mend = f"see what is lost with: veduta check {self.pool}"
        if self.rows:
            return (
                f"rows of {self.pool} are damaged ({self.reason}), and no version with rows is whole, so that it is opened at "
                f"version {self.opened}; keep what can be kept with: veduta check {self.pool} --repair"
            )
        which = f"version{'s' if len(self.versions) > 1 else ''} {_span(self.versions)}"
        return (
            f"{which} of {self.pool} cannot be read ({self.reason}): the pool is opened at version {self.opened}, the newest "
            f"sound one, and the next change sets the damaged aside in {self.pool / ASIDE}; {mend}"
        )


def newest(pool: Path, table: Path) -> tuple[lance.LanceDataset, Damage | None]:
    """The newest sound version, and what is wrong with those above it. Raises NotAPool where nothing can be read.

    Sound: the version can be opened, and each of its files is there in full length. A damaged file that holds the rows
    themselves may leave no sound version but the empty one that every pool begins with.
    Cost for a sound pool: one listing of its files.
    """
    expected = promised(pool, table)
    dataset, reason = opened(table, None)
    if dataset is not None and dataset.version >= expected and not (wrong := _wrong(pool, dataset)):
        return dataset, None
    if dataset is None:
        what = reason
    elif dataset.version < expected:
        what = "its manifest is missing"
    else:
        what = wrong[0]
    first = None
    known: dict[str, str] = {}
    for number in sorted(numbers(table), reverse=True):
        dataset, _ = opened(table, number)
        if dataset is not None:
            first = first or dataset
            if not broken(dataset, known):
                above = tuple(range(number + 1, max(expected, *numbers(table)) + 1))
                rows_gone = bool(first.get_fragments()) and not dataset.get_fragments()
                return dataset, Damage(pool, number, above, what, rows_gone)
    if first is None:
        raise NotAPool(f"{pool} is not a readable pool: {what}; restore it from a copy")
    above = tuple(range(first.version + 1, max(expected, *numbers(table)) + 1))
    return first, Damage(pool, first.version, above, what, rows=True)


def numbers(table: Path) -> list[int]:
    """The versions whose manifests are there, readable or not, ascending."""
    found = [p.stem for p in (table / "_versions").glob("*.manifest")]
    return sorted((1 << 64) - 1 - int(s) if len(s) == 20 else int(s) for s in found if s.isdigit())


def manifest(number: int) -> str:
    """The path of a version's manifest within the table."""
    return f"_versions/{(1 << 64) - 1 - number}.manifest"


def broken(dataset: lance.LanceDataset, known: dict[str, str] | None = None) -> dict[str, str]:
    """The files of a version that are missing or of another length than they were written in, and what is wrong with each.

    known: what was found of files before, "" for a whole one; added to.
    """
    known = {} if known is None else known
    table = Path(dataset.uri.removeprefix("file://"))
    found: dict[str, str] = {}
    for name, size in files(dataset).items():
        if name not in known:
            known[name] = _state(table / name, size)
        if known[name]:
            found[name] = known[name]
    return found


def files(dataset: lance.LanceDataset) -> dict[str, int | None]:
    """Data and deletion files of a version, by path within the table, with their sizes in bytes where they are recorded."""
    found: dict[str, int | None] = {}
    for fragment in dataset.get_fragments():
        metadata = fragment.metadata
        found |= {f"data/{file.path}": file.file_size_bytes for file in metadata.files}
        if metadata.deletion_file is not None:
            found[metadata.deletion_file.path(fragment.fragment_id)] = None
    return found


def set_aside(
    pool: Path, table: Path, keep: int, versions: Sequence[int], why: str, *, also: Iterable[str] = ()
) -> Path:
    """Move versions above `keep`, and what only they need, to a folder below POOL/aside; nothing is deleted.

    versions: those that go, for the note that lies with them; why: the same. also: further files of the table to move. Records of runs that made these versions go with them.
    The caller holds the lock. Returns the folder.
    """
    kept: set[str] = set()
    for number in numbers(table):
        dataset, _ = opened(table, number) if number <= keep else (None, "")
        kept |= set(files(dataset)) if dataset is not None else set()
    there = ledger.present(table)
    moved = [name for name in there if name.startswith(("data/", "_deletions/")) and name not in kept]
    moved += [name for name in there if name.startswith("_transactions/") and _base(name) >= keep]
    moved += [f"_versions/{p.name}" for p in (table / "_versions").glob("*.manifest") if _number(p) > keep]
    moved += [name for name in also if name in there and name not in moved]
    place = _place(pool)
    records = [p for p in sorted((pool / "lineage").glob("*.json")) if _above(p, keep)]
    notes = [pool / "unfinished.json"] if _noted(pool / "unfinished.json", keep) else []
    about = {
        "why": why,
        "continued from version": keep,
        "versions set aside": list(versions),
        "table": moved,
        "records": [p.name for p in [*records, *notes]],
    }
    durable.write_atomically(place / "aside.json", json.dumps(about, indent=1) + "\n")
    for name in [
        *(n for n in moved if not n.startswith("_versions/")),
        *sorted(n for n in moved if n.startswith("_v")),
    ]:
        _move(table / name, place / table.name / name)
    for path in [*records, *notes]:
        _move(path, place / path.relative_to(pool))
    ledger.write(pool, {n: e for n, e in ledger.read(pool).items() if n not in moved and _recorded(n) <= keep})
    durable.write_atomically(table / _HINT, json.dumps({"version": keep}))
    return place


def move_aside(pool: Path, file: Path) -> None:
    """Move one file of the pool to the folder of what was set aside."""
    _move(file, _place(pool) / file.relative_to(pool))


def opened(table: Path, version: int | None) -> tuple[lance.LanceDataset | None, str]:
    """A version (None: the newest); None and why where it cannot be opened."""
    import lance

    dataset, error = attempt(lambda: lance.dataset(str(table), version=version))
    if dataset is None:
        path = table / manifest(max(numbers(table), default=0) if version is None else version)
        if path.exists() and not path.stat().st_size:
            error = "its manifest is empty"
        else:
            error = f"its manifest is damaged ({error.split(', /')[0][:120]})"
    return dataset, error


def attempt(call: Callable[[], T]) -> tuple[T | None, str]:
    """The value of a call, or None and what went wrong: over damaged bytes Lance may raise anything, panics included."""
    try:
        return call(), ""
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # noqa: BLE001
        return None, str(error) or type(error).__name__


def promised(pool: Path, table: Path) -> int:
    """The highest version that was ever finished, as far as it is written somewhere."""
    try:
        hint = int(json.loads((table / _HINT).read_text("utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError):
        hint = 0
    return max(hint, ledger.last_version(pool))


def _wrong(pool: Path, dataset: lance.LanceDataset) -> list[str]:
    """Sentences on the files of the newest version; the ledger answers for most of them at once."""
    table = Path(dataset.uri.removeprefix("file://"))
    there, recorded = ledger.present(table), ledger.read(pool)
    if manifest(dataset.version) in recorded and all(there.get(n) == e.size for n, e in recorded.items()):
        return []
    return [f"{name} {state}" for name, state in broken(dataset).items()]


def _state(path: Path, size: int | None) -> str:
    try:
        found = os.stat(path).st_size
    except OSError:
        return "is missing"
    if not found:
        return "is empty"
    return f"has {found:,} bytes of {size:,}" if size is not None and found != size else ""


def _place(pool: Path) -> Path:
    return pool / ASIDE / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


def _span(versions: tuple[int, ...]) -> str:
    return " to ".join(map(str, dict.fromkeys([min(versions), max(versions)])))


def _number(path: Path) -> int:
    return (1 << 64) - 1 - int(path.stem) if len(path.stem) == 20 else int(path.stem)


def _recorded(name: str) -> int:
    return _number(Path(name)) if name.startswith("_versions/") else 0


def _base(name: str) -> int:
    start = Path(name).name.split("-")[0]
    return int(start) if start.isdigit() else -1


def _above(record: Path, keep: int) -> bool:
    try:
        return int(json.loads(record.read_text("utf-8"))["version"]) > keep
    except (ValueError, KeyError, TypeError):
        return False


def _noted(file: Path, keep: int) -> bool:
    """Whether a run that was begun stands on a version that is set aside."""
    try:
        return any(int(run["before"]) > keep for run in json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _move(source: Path, target: Path) -> None:
    durable.make_folder(target.parent)
    durable.move(source, target)
