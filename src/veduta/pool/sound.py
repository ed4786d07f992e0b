"""The newest version of a table that can be trusted, where a power cut or a bad disk has damaged newer ones."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veduta.errors import NotAPool
from veduta.pool import durable, ledger

if TYPE_CHECKING:
    import lance

ASIDE = "aside"
_HINT = "_versions/latest_version_hint.json"


@dataclass(slots=True, frozen=True)
class Damage:
    """What keeps newer versions from being read. opened: the version in their place. partly: it is damaged itself."""

    pool: Path
    opened: int
    versions: tuple[int, ...]
    reason: str
    partly: bool = False

    def __str__(self) -> str:
        mend = f"see what is lost with: veduta check {self.pool}"
        if self.partly:
            return f"{self.pool} is damaged ({self.reason}), and rows or columns of it cannot be read; {mend}"
        which = f"version {self.versions[0]}" if len(self.versions) == 1 else f"versions {_span(self.versions)}"
        return (
            f"{which} of {self.pool} cannot be read ({self.reason}): the pool is opened at version {self.opened}, the newest "
            f"sound one, and the next change sets the damaged aside in {self.pool / ASIDE}; {mend}"
        )


def newest(pool: Path, table: Path) -> tuple[lance.LanceDataset, Damage | None]:
    """The newest sound version, and what is wrong with those above it. Raises NotAPool where nothing can be read.

    Sound: the version can be opened, and each of its files is there in full length. A damaged file that holds the rows
    themselves leaves no sound version with rows; then the newest that can be opened is returned, damage told.
    Cost for a sound pool: one listing of its files.
    """
    expected = _promised(pool, table)
    dataset, reason = _opened(table, None)
    if dataset is not None and dataset.version >= expected and not (wrong := _wrong(pool, dataset)):
        return dataset, None
    if dataset is None:
        what = f"version {max(numbers(table), default=0)}: {reason}"
    elif dataset.version < expected:
        what = f"version {expected}: its manifest is missing"
    else:
        what = wrong[0]
    first, bad = None, []
    known: dict[str, str] = {}
    for number in sorted(numbers(table), reverse=True):
        dataset, _ = _opened(table, number)
        if dataset is not None:
            first = first or dataset
            if not broken(dataset, known) and (len(first.get_fragments()) == 0 or dataset.get_fragments()):
                above = tuple(range(number + 1, max(expected, *numbers(table)) + 1))
                return dataset, Damage(pool, number, above, what)
        bad.append(number)
    if first is None:
        raise NotAPool(f"{pool} is not a readable pool: {what}; restore it from a copy")
    above = tuple(range(first.version + 1, max(expected, *numbers(table)) + 1))
    return first, Damage(pool, first.version, above, what, partly=True)


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
            found[deletions(fragment.fragment_id, metadata.deletion_file)] = None
    return found


def deletions(fragment: int, file: Any) -> str:
    """The path of a fragment's deletion file within the table."""
    kind = "arrow" if "array" in str(file.file_type).lower() else "bin"
    return f"_deletions/{fragment}-{file.read_version}-{file.id}.{kind}"


def set_aside(pool: Path, table: Path, keep: int, damage: Damage, *, also: Iterable[str] = ()) -> Path:
    """Move versions above `keep`, and what only they need, to a folder below POOL/aside; nothing is deleted.

    also: further files of the table to move. Records of runs that made these versions go with them.
    The caller holds the lock. Returns the folder.
    """
    kept: set[str] = set()
    for number in numbers(table):
        dataset, _ = _opened(table, number) if number <= keep else (None, "")
        kept |= set(files(dataset)) if dataset is not None else set()
    there = ledger.present(table)
    moved = [name for name in there if name.startswith(("data/", "_deletions/")) and name not in kept]
    moved += [name for name in there if name.startswith("_transactions/") and _base(name) >= keep]
    moved += [f"_versions/{p.name}" for p in (table / "_versions").glob("*.manifest") if _number(p) > keep]
    moved += [name for name in also if name in there and name not in moved]
    place = pool / ASIDE / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    records = [p for p in sorted((pool / "lineage").glob("*.json")) if _above(p, keep)]
    notes = [pool / "unfinished.json"] if _noted(pool / "unfinished.json", keep) else []
    about = {
        "why": damage.reason,
        "continued from version": keep,
        "versions set aside": list(damage.versions),
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


def _opened(table: Path, version: int | None) -> tuple[lance.LanceDataset | None, str]:
    import lance

    try:
        return lance.dataset(str(table), version=version), ""
    except (ValueError, OSError, RuntimeError) as error:
        if version is None:
            highest = max(numbers(table), default=0)
            path = table / manifest(highest)
            if path.exists() and not path.stat().st_size:
                return None, "its manifest is empty"
        return None, f"its manifest is damaged ({str(error).split(', /')[0][:120]})"


def _promised(pool: Path, table: Path) -> int:
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


def _span(versions: tuple[int, ...]) -> str:
    return f"{versions[0]} to {versions[-1]}" if len(versions) > 1 else str(versions[0])


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
