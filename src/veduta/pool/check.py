"""Whether everything that a pool holds is as it was written: versions, files, images, records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from veduta.errors import NotAPool
from veduta.pool import ledger, sound
from veduta.pool.place import table_of

if TYPE_CHECKING:
    import lance

DAMAGED = "damaged.txt"
KEYS = 6
"""How many keys of lost rows are named in words; all are in the JSON."""


@dataclass(slots=True)
class Problem:
    """One thing that is wrong.

    kind: version, file, transaction, image or record. versions: those that need it. rows, columns, keys: what of the newest
    version is lost with it; keys only where they can still be read.
    """

    kind: str
    what: str
    file: str = ""
    versions: list[int] = field(default_factory=list)
    newest: bool = False
    fragment: int | None = None
    rows: int = 0
    columns: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lost = f"{self.rows:,} rows" if self.rows != 1 else "1 row"
        parts = [f"{lost} of {_some(self.columns)}" if self.columns else lost] if self.rows else []
        parts += [f"keys {_some(self.keys)}"] if self.keys else []
        return self.what + (f"; lost: {', '.join(parts)}" if parts else "")


@dataclass(slots=True)
class Checked:
    """What a check has found. without_checksum: files that were written before checksums were kept; of them the length alone
    was compared. done: what a repair did, in sentences; left: problems that it could not mend."""

    pool: str
    newest: int
    versions: int = 0
    files: int = 0
    images: int = 0
    records: int = 0
    without_checksum: int = 0
    set_aside: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    left: list[Problem] | None = None

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong (after a repair: any more)."""
        return not (self.problems if self.left is None else self.left)

    def to_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {**asdict(self), "sound": self.sound}

    def __str__(self) -> str:
        seen = (
            f"{self.versions:,} versions, {self.files:,} files, {self.images:,} stored images, {self.records:,} records"
        )
        lines = [f"{self.pool}: {'wrong: ' + str(len(self.problems)) if self.problems else 'sound'} ({seen})"]
        lines += [f"  {problem}" for problem in self.problems]
        if self.without_checksum:
            lines.append(
                f"  files older than checksums, of which the length alone was compared: {self.without_checksum:,}"
            )
        if self.set_aside:
            lines.append(f"  set aside by an earlier repair, and still used by older versions: {_some(self.set_aside)}")
        lines += [f"  done: {sentence}" for sentence in self.done]
        if self.left:
            lines += ["  still wrong:", *(f"    {problem}" for problem in self.left)]
        elif self.problems and self.left is None:
            lines.append(f"mend it with: veduta check {self.pool} --repair (nothing is deleted)")
        return "\n".join(lines)


def check(pool: str | Path, *, repair: bool = False) -> Checked:
    """Compare a pool with what is recorded of it; with `repair`, set aside what is damaged and keep the rest.

    Every file is compared with its length and its checksum, every stored image with its digest, every record with the versions.
    Cost: one pass over all files and one over the stored images. Raises NotAPool, and with `repair` PoolBusy and ReadOnly.
    """
    pool = Path(pool)
    if not (table_of(pool) / "_versions").is_dir():
        raise NotAPool(f"{pool} is not a pool; name the folder that 'veduta curate' made")
    found = _looked(pool)
    if repair and found.problems:
        from veduta.pool.repair import repair as mend

        found.done = mend(pool, found)
        found.left = _looked(pool).problems
    return found


def _looked(pool: Path) -> Checked:
    table = table_of(pool)
    recorded, there = ledger.read(pool), ledger.present(table)
    versions, problems = _versions(pool, table, recorded)
    newest = max(versions, default=0)
    found = Checked(str(pool), newest, len(versions), problems=problems)
    known = set(aside_files(pool))
    users: dict[str, list[int]] = {}
    sizes: dict[str, int | None] = {}
    for number, dataset in versions.items():
        for name, size in sound.files(dataset).items():
            users.setdefault(name, []).append(number)
            sizes[name] = size
    bad: dict[str, str] = {}
    for name in sorted({*users, *(n for n in recorded if n.startswith("_transactions/"))}):
        found.files += 1
        found.without_checksum += name not in known and (name not in recorded or recorded[name].crc is None)
        if state := _state(table, there, name, sizes.get(name), recorded.get(name)):
            bad[name] = state
    for name, state in bad.items():
        if name in known and newest not in users.get(name, []):
            found.set_aside.append(name)
        elif name.startswith("_transactions/"):
            problems.append(Problem("transaction", f"{name} {state}; it is not needed to read the pool", name))
        else:
            problems.append(_lost(versions, newest, name, state, users[name]))
    if newest:
        wrong, found.images = _images(versions[newest], {p.fragment for p in problems if p.newest and _unreadable(p)})
        problems += wrong
    found.records = len(list((pool / "lineage").glob("*.json")))
    problems += _records(pool, newest, {v for p in problems if p.kind == "version" for v in p.versions})
    return found


def _versions(
    pool: Path, table: Path, recorded: dict[str, ledger.Entry]
) -> tuple[dict[int, lance.LanceDataset], list[Problem]]:
    """The versions that can be read, and what is wrong with the others."""
    versions: dict[int, lance.LanceDataset] = {}
    problems: list[Problem] = []
    numbers = sound.numbers(table)
    for number in numbers:
        name = sound.manifest(number)
        dataset, reason = sound.opened(table, number)
        entry = recorded.get(name)
        if dataset is not None and entry and entry.crc is not None and entry.crc != ledger.checksum(table / name):
            dataset, reason = None, "its manifest is not what was written (checksum)"
        if dataset is None:
            problems.append(Problem("version", f"version {number} cannot be read: {reason}", name, [number]))
        else:
            versions[number] = dataset
    for number in range(max(numbers, default=0) + 1, sound.promised(pool, table) + 1):
        what = f"version {number} is missing: it was finished, and its manifest is not there"
        problems.append(Problem("version", what, sound.manifest(number), [number]))
    return versions, problems


def _state(table: Path, there: dict[str, int], name: str, size: int | None, entry: ledger.Entry | None) -> str:
    size = size or (entry.size if entry else None)
    if name not in there:
        return "is missing"
    if not there[name]:
        return "is empty"
    if size is not None and there[name] != size:
        return f"has {there[name]:,} bytes of {size:,}"
    if entry and entry.crc is not None and ledger.checksum(table / name) != entry.crc:
        return "is not what was written (checksum)"
    return ""


def _lost(versions: dict[int, lance.LanceDataset], newest: int, name: str, state: str, users: list[int]) -> Problem:
    """A damaged data or deletion file, with the rows and columns that are lost with it."""
    dataset = versions[max(users)]
    problem = Problem("file", f"{name} {state}", name, users, max(users) == newest)
    names = {leaf: top for top, leaves in leaf_columns(dataset).items() for leaf in leaves}
    for fragment in dataset.get_fragments():
        metadata = fragment.metadata
        gone = metadata.deletion_file
        if gone is not None and gone.path(fragment.fragment_id) == name:
            problem.fragment, problem.rows = fragment.fragment_id, fragment.physical_rows
        for file in metadata.files:
            if f"data/{file.path}" == name:
                problem.fragment, problem.rows = fragment.fragment_id, metadata.num_rows or fragment.physical_rows
                problem.columns = list(dict.fromkeys(names[leaf] for leaf in file.fields if leaf in names))
    if problem.fragment is not None:
        problem.keys = _keys(dataset, problem.fragment)
    if not problem.newest:
        problem.what += f", used by {'version' if len(users) == 1 else 'versions'} {_runs(users)} only"
        problem.rows, problem.keys, problem.columns = 0, [], []
    return problem


def leaf_columns(dataset: lance.LanceDataset) -> dict[str, list[int]]:
    """The ids under which each column is stored in data files."""
    from veduta.pool.fragments import leaf_ids

    return {name: leaf_ids(dataset, [name]) for name in dataset.schema.names}


def _keys(dataset: lance.LanceDataset, fragment: int) -> list[str]:
    read = sound.attempt(lambda: dataset.get_fragment(fragment).to_table(columns=["key"]).column(0).to_pylist())
    return read[0] or []


def _unreadable(problem: Problem) -> bool:
    return "key" in problem.columns and "checksum" not in problem.what


def images_of(dataset: lance.LanceDataset, fragment: int) -> Iterator[tuple[str, int, bytes | None, bool]]:
    """(key, address, bytes, right) of a fragment's stored images; bytes None and right false where they cannot be read."""
    rows = dataset.get_fragment(fragment).scanner(columns=["key", "digest"], with_row_address=True).to_table()
    addresses = np.asarray(rows.column("_rowaddr")).tolist()
    facts = list(zip(rows.column("key").to_pylist(), rows.column("digest").to_pylist(), addresses, strict=True))
    for start in range(0, len(facts), 64):
        part = [fact for fact in facts[start : start + 64] if fact[1]]
        stored = _blobs(dataset, [address for *_, address in part])
        if stored is None:  # one by one, to see which
            stored = {address: _one(dataset, address) for *_, address in part}
        for key, digest, address in part:
            content = stored.get(address, b"")
            if content is None:
                yield key, address, None, False
            elif content:  # else a file that the row refers to
                yield key, address, content, hashlib.sha256(content).hexdigest() == digest


def _one(dataset: lance.LanceDataset, address: int) -> bytes | None:
    stored = _blobs(dataset, [address])
    return None if stored is None else stored.get(address, b"")


def _blobs(dataset: lance.LanceDataset, addresses: list[int]) -> Mapping[int, bytes | None] | None:
    return sound.attempt(lambda: dict(dataset.read_blobs("image", addresses=addresses)))[0] if addresses else {}


def _rights(dataset: lance.LanceDataset, fragment: int) -> list[tuple[str, bool]]:
    return [(key, right) for key, _, _, right in images_of(dataset, fragment)]


def _images(dataset: lance.LanceDataset, skipped: set[int | None]) -> tuple[list[Problem], int]:
    """Images that are not what their digest says, and how many were looked at."""
    problems: list[Problem] = []
    count = 0
    for fragment in dataset.get_fragments():
        if fragment.fragment_id in skipped:
            continue
        number, rows = fragment.fragment_id, fragment.physical_rows
        seen, error = sound.attempt(partial(_rights, dataset, number))
        if seen is None:
            what = f"fragment {number} cannot be read ({error[:100]})"
            problems.append(Problem("file", what, "", [dataset.version], True, number, rows, ["key"]))
            continue
        count += len(seen)
        if wrong := [key for key, right in seen if not right]:
            what = f"{len(wrong):,} stored images of fragment {number} are not what was ingested (digest)"
            problems.append(Problem("image", what, "", [dataset.version], True, number, len(wrong), ["image"], wrong))
    return problems, count


def _records(pool: Path, newest: int, told: set[int]) -> list[Problem]:
    """Records that cannot be read or speak of versions that are not there, and were not told of."""
    problems: list[Problem] = []
    for path in sorted((pool / "lineage").glob("*.json")):
        name = f"lineage/{path.name}"
        try:
            record = json.loads(path.read_text("utf-8"))
            version, _ = int(record["version"]), (record["operation"], record["parameters"], record["before"])
        except (OSError, ValueError, KeyError, TypeError):
            problems.append(Problem("record", f"{name} cannot be read", name))
            continue
        if version > newest and version not in told:
            what = f"{name} speaks of version {version}, and the newest that can be read is {newest}"
            problems.append(Problem("record", what, name, [version]))
    return problems


def aside_files(pool: Path) -> list[str]:
    """Damaged files that a repair has left in their place because older versions still point to them."""
    try:
        return (pool / sound.ASIDE / DAMAGED).read_text("utf-8").splitlines()
    except OSError:
        return []


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - KEYS:,} more" if len(names) > KEYS else ""
    return ", ".join(names[:KEYS]) + more


def _runs(numbers: Sequence[int]) -> str:
    """Ascending numbers as ranges: 1 to 3, 7."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{p[0]} to {p[-1]}" if len(p) > 1 else str(p[0]) for p in parts)
