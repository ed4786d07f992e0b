"""Mending a damaged pool: what is damaged is set aside, what is whole stays, what can be made again is made by the next run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from veduta.errors import NotAPool
from veduta.pool import durable, fragments, ledger, lineage, sound
from veduta.pool.check import DAMAGED, Checked, Problem, aside_files, images_of
from veduta.pool.place import TABLE, table_of
from veduta.pool.pool import Pool
from veduta.pool.schema import IMAGE, OPERATION, OWN


def repair(path: Path, found: Checked) -> list[str]:
    """Mend what a check has found; what was done, in sentences. Nothing is deleted."""
    if not found.newest:
        raise NotAPool(f"no version of {path} can be read; restore the pool from a copy")
    table = table_of(path)
    dataset, _ = sound.opened(table, found.newest)
    pool = Pool(path, dataset)
    done: list[str] = []
    with pool.writing(mending=True):
        done += _versions(pool, table, found)
        before, started = pool.version, lineage.now()
        done += _files(pool, [p for p in found.problems if p.newest])
        done += _small(path, [p for p in found.problems if p.kind in ("transaction", "record")])
        damaged = [p.file for p in found.problems if p.kind == "file" and p.file]
        if damaged:
            listed = dict.fromkeys([*aside_files(path), *damaged])
            durable.write_atomically(path / sound.ASIDE / DAMAGED, "".join(f"{name}\n" for name in listed))
        _forget(path, [p.file for p in found.problems])
        if pool.version != before:
            details = {"found": [str(p) for p in found.problems], "done": done}
            pool.record(lineage.Record("repair", {}, before, pool.version, started=started, details=details))
    return done


def _versions(pool: Pool, table: Path, found: Checked) -> list[str]:
    """Versions that cannot be read are set aside, and the newest that can becomes the newest."""
    bad = sorted({v for p in found.problems if p.kind == "version" for v in p.versions})
    if not bad:
        return []
    also = [p.file for p in found.problems if p.kind == "version"]
    why = "; ".join(p.what for p in found.problems if p.kind == "version")
    place = sound.set_aside(pool.path, table, found.newest, bad, why, also=also)
    pool.move_to_newest()
    words = "version" if len(bad) == 1 else "versions"
    return [f"{words} {', '.join(map(str, bad))} set aside in {place}; the pool goes on from version {found.newest}"]


def _files(pool: Pool, problems: list[Problem]) -> list[str]:
    """Columns that were computed become pending; fragments whose own rows are damaged are written anew without these."""
    done: list[str] = []
    changed: dict[int, Any] = {}
    removed: dict[int, list[Problem]] = {}
    for problem in problems:
        if problem.fragment is None:
            continue
        if problem.kind == "file" and problem.columns and not _source(pool, problem.columns):
            data = changed.get(problem.fragment) or pool.dataset.get_fragment(problem.fragment).metadata
            data.files = [file for file in data.files if f"data/{file.path}" != problem.file]
            changed[problem.fragment] = data
            by = sorted({pool.provenance(c)["operation"] for c in problem.columns})
            done.append(
                f"{problem.rows:,} rows of {', '.join(problem.columns)} wait to be made again; run {', '.join(by)} as before"
            )
        else:
            removed.setdefault(problem.fragment, []).append(problem)
    changed = {number: data for number, data in changed.items() if number not in removed}
    for number, wrong in removed.items():
        whole, rows = _rescued(pool, number, wrong), pool.dataset.get_fragment(number).physical_rows
        pool.exchange(number, whole)
        kept = len(whole) if whole is not None else 0
        done.append(
            f"fragment {number} set aside: {kept:,} of {rows:,} rows were whole and are kept; the next run of "
            f"'veduta curate' over the same source reads {'the others' if kept else 'them'} again"
        )
    if changed:
        pool.replace_fragments(changed, "repair")
    return done


def _source(pool: Pool, columns: list[str]) -> bool:
    """Whether some of the columns came with the rows, so that no operation can make them again."""
    return any(name in OWN or OPERATION not in (pool.schema.field(name).metadata or {}) for name in columns)


def _rescued(pool: Pool, fragment: int, wrong: list[Problem]) -> pa.Table | None:
    """The whole rows of a damaged fragment with all their columns; None where it cannot be told which ones are whole.

    Images tell it: where those that differ from their digest explain the damage, the other rows are whole.
    """
    if not any(p.kind == "image" for p in wrong) or any("checksum" not in p.what for p in wrong if p.kind == "file"):
        return None
    dataset = pool.dataset
    damaged = [c for p in wrong if p.kind == "file" and "digest" not in p.columns for c in p.columns]
    names = [n for n in pool.schema.names if n != "image" and n not in damaged]
    names = [n for n in names if n not in fragments.missing(dataset, fragment, names)]
    read = dataset.get_fragment(fragment).scanner(columns=names, with_row_address=True).to_table
    rows, _ = sound.attempt(read)
    found, _ = sound.attempt(lambda: [image[1:] for image in images_of(dataset, fragment)])
    if rows is None or found is None:
        return None
    images = {address: content for address, content, right in found if right}
    addresses = rows.column("_rowaddr").to_pylist()
    lost = {key for p in wrong if p.kind == "image" for key in p.keys}
    keep = [key not in lost for key in rows.column("key").to_pylist()]
    data = pa.array([images.get(a) for a, kept in zip(addresses, keep, strict=True) if kept], pa.large_binary())
    rows = rows.drop_columns(["_rowaddr"]).filter(pa.array(keep))
    return rows.append_column(IMAGE, data)


def _small(path: Path, problems: list[Problem]) -> list[str]:
    """Records and transaction files that are damaged go to the folder of what was set aside."""
    moved = []
    for problem in problems:
        source = path / (problem.file if problem.kind == "record" else f"{TABLE}/{problem.file}")
        if source.exists():
            sound.move_aside(path, source)
            moved.append(problem.file)
    return [f"set aside in {path / sound.ASIDE}: {', '.join(moved)}"] if moved else []


def _forget(path: Path, files: list[str]) -> None:
    """Damaged files are no longer promised by the record of whole ones."""
    entries = ledger.read(path)
    rest = {name: entry for name, entry in entries.items() if name not in files}
    if len(rest) < len(entries):
        ledger.write(path, rest)
