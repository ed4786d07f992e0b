"""Running operations over a pool on this machine.

Annotators go fragment by fragment: a fragment's new columns are written beside its data and become visible in one
atomic commit, so a killed run has lost at most one fragment's work and the same call goes on behind it. Which
fragments are done is read from the table itself; nothing else keeps the progress.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from veduta.engine import faults, process, progress, refill
from veduta.engine.columns import amend, place, replace
from veduta.engine.disk import full_disk_is_an_answer
from veduta.engine.fused import provenance
from veduta.engine.operation import Annotator, Operation, Selector, TableAnnotator, notes_of
from veduta.engine.room import make_room
from veduta.engine.task import UNREAD, Executor, LocalExecutor, Task
from veduta.errors import BadInput, NothingToDo
from veduta.pool import Pool, Selection, roles, unfinished, unread, withdrawn
from veduta.pool.condition_none import none_found
from veduta.pool.lineage import Record, now
from veduta.pool.schema import CORE, FINGERPRINT, INPUTS, OPERATION, PARAMETERS, RENEWED
from veduta.pool.selection import column_names


def annotate(
    pool: Pool,
    operations: Sequence[Operation],
    *,
    where: str | None = None,
    on: progress.Progress | None = None,
    executor: Executor | None = None,
    empty: bool = False,
    aside: bool = False,
) -> None:
    """Add the columns of `operations` to the pool; what is there already and up to date is left alone.

    Neighbouring annotators share one decode of every image. `where` restricts the work to some rows; the others get
    null. Raises NothingToDo where no row satisfies it, unless `empty`: then that is said, and all rows get null.
    Columns of the source with names that are about to be written are BadInput, or step `aside` as `source_<name>`.
    `executor` says where the work is done (default: threads of this process).
    """
    on = on or progress.Silent()
    fused: list[Annotator] = []
    # By itself: joined to another condition it could close that one's brackets.
    if where is not None and not len(pool.where(where)):
        if not empty and len(pool):
            raise NothingToDo(none_found(pool, where))
        on.say(none_found(pool, where))
    with pool.writing(), full_disk_is_an_answer(pool.path):
        promised: set[str] = set()
        for operation in operations:
            if not isinstance(operation, (Annotator, TableAnnotator)):
                raise BadInput(f"{operation.operation()} is not an annotator; use pool.select for a selector")
            _check(pool, operation, promised)
            promised |= set(operation.adds().names)
        for operation in [*operations, None]:
            if isinstance(operation, Annotator) and not (fused and (operation.alone or fused[-1].alone)):
                fused.append(operation)
                continue
            if fused:
                _annotate_rows(pool, fused, where, on, executor or LocalExecutor(), aside)
                fused = [operation] if isinstance(operation, Annotator) else []
            if isinstance(operation, TableAnnotator):
                _annotate_table(pool, operation, where, on, aside)


def _check(pool: Pool, operation: Operation, promised: set[str]) -> None:
    """The operation's own check, unless what it reads is about to be made by an earlier one."""
    reads = getattr(operation, "reads", list)()
    if not promised.intersection(reads):
        with unread.explains(pool, reads):
            operation.check(pool)


def _wanted(where: str | None, parameters: dict) -> dict:
    return {**parameters, "where": where} if where is not None else parameters


def _same(pool: Pool, schema: pa.Schema) -> bool:
    """Whether the pool has these columns, of these types, made by the same operation from the same inputs."""
    for field in schema:
        if field.name not in pool.schema.names:
            return False
        have = pool.schema.field(field.name)
        keys = (OPERATION, PARAMETERS, FINGERPRINT, INPUTS)
        mine, theirs = field.metadata or {}, have.metadata or {}
        if have.type != field.type or any(mine.get(key, b"") != theirs.get(key, b"") for key in keys):
            return False
    return True


def _take(pool: Pool, names: Sequence[str], by: str, aside: progress.Progress | None) -> None:
    """Refuse names of columns that came with the source, or have those step aside and tell it to `aside`."""
    if aside is not None:
        make_room(pool, names, by, aside)
    for name in names:
        if name in CORE.names or (name in pool.schema.names and not pool.provenance(name)):
            raise BadInput(
                f"{by} would overwrite the column '{name}', which came with the source; choose another column name"
            )


def prepare(
    pool: Pool, annotators: Sequence[Annotator], where: str | None = None, aside: progress.Progress | None = None
) -> None:
    """Declare the annotators' columns, dropping those made with other parameters (older versions keep them)."""
    for annotator in annotators:
        schema = _described(annotator, where)
        if not _same(pool, schema):
            _take(pool, schema.names, annotator.operation(), aside)
            mark = unread.column(pool.schema, schema.names[0])
            pool.drop([*schema.names, *([mark] if mark else [])])
            pool.define(schema)


def _described(annotator: Annotator, where: str | None) -> pa.Schema:
    return provenance(
        annotator.adds(), annotator.operation(), _wanted(where, annotator.parameters()), annotator.fingerprint()
    )


def _annotate_rows(
    pool: Pool, annotators: list[Annotator], where: str | None, on: progress.Progress, executor: Executor, aside: bool
) -> None:  # fmt: skip
    start, started = time.perf_counter(), now()
    for annotator in annotators:
        for words in _foreseen(pool, annotator, where):
            on.say(words)
    planned = [_planned(a, _wanted(where, a.parameters()), a.adds().names) for a in annotators]
    names = [name for annotator in annotators for name in annotator.adds().names]
    there = all(_same(pool, _described(a, where)) and not pool.pending(a.adds().names) for a in annotators)
    if there and not len(unread.rows(pool, names)) and not any(unfinished.is_left(pool, run) for run in planned):
        return
    before = unfinished.begin(pool, planned)
    prepare(pool, annotators, where, on if aside else None)
    refilled = refill.again(pool, annotators, where, on, executor)
    todo: dict[int, list[Annotator]] = {}
    for annotator in annotators:
        for fragment_id in pool.pending(annotator.adds().names):
            todo.setdefault(fragment_id, []).append(annotator)
    if not todo and not refilled and pool.version == before:
        unfinished.forget(pool)
        for sentence in unread.told(pool, names):
            on.say(sentence)
        return
    counts = {fragment_id: len(pool.fragment_rows(fragment_id)) for fragment_id in todo}
    late: dict[int, int] = {}
    with progress.stage(on, " + ".join(a.operation() for a in annotators), sum(counts.values())) as facts:
        for group in _groups(todo):
            task = Task(pool.path, pool.version, tuple(todo[group[0]]), where)
            work = [(fragment_id, pool.fragment_rows(fragment_id)) for fragment_id in group]
            for fragment_id, columns in executor.run(task, work, on.advance):
                faults.point("annotate.computed")
                late[fragment_id] = len(columns) - columns.column(UNREAD.name).null_count
                columns = refill.marked(pool, task.annotators, columns)
                pool.fill(columns, [fragment_id], message=" + ".join(a.operation() for a in task.annotators))
                faults.point("annotate.filled")
        facts["rows"] = refilled + sum(counts.values()) - sum(late.values())
        if where is not None:
            chosen = pool.rows(where)
            facts["rows"] = sum(int(np.isin(pool.fragment_rows(number), chosen).sum()) for number in todo)
    for annotator in annotators:
        rows = refilled + sum(counts[f] - late[f] for f, work in todo.items() if annotator in work)
        parameters = _wanted(where, annotator.parameters())
        _record(pool, annotator, parameters, annotator.reads(), annotator.adds().names, rows, before, start, started)
        for sentence in annotator.afterwards(
            pool.where(f"error is null and ({where})" if where is not None else "error is null")
        ):
            on.say(sentence)
    for sentence in unread.told(pool, names):
        on.say(sentence)
    faults.point("annotate.recorded")


def _foreseen(pool: Pool, annotator: Annotator, where: str | None) -> list[str]:
    """What the annotator has to say of the rows that are still to do."""
    if type(annotator).foresee is Annotator.foresee:
        return []
    sound = pool.rows(f"error is null and ({where})" if where is not None else "error is null")
    if _same(pool, _described(annotator, where)):
        fragments = pool.pending(annotator.adds().names)
        sound = np.intersect1d(sound, np.concatenate([np.empty(0, np.int64), *map(pool.fragment_rows, fragments)]))
    return annotator.foresee(pool, sound) if len(sound) else []


def _groups(todo: dict[int, list[Annotator]]) -> list[list[int]]:
    """Fragments that need the same annotators, together; ascending."""
    groups: dict[tuple[Annotator, ...], list[int]] = {}
    for fragment_id in sorted(todo):
        groups.setdefault(tuple(todo[fragment_id]), []).append(fragment_id)
    return list(groups.values())


def _record(
    pool: Pool,
    operation: Operation,
    parameters: dict,
    reads: list[str],
    adds: list[str],
    rows: int,
    before: int,
    start: float,
    started: str,
    details: dict | None = None,
) -> None:
    seconds = round(time.perf_counter() - start, 3)
    name = operation.operation()
    pool.record(Record(name, parameters, before, pool.version, reads, adds, rows, seconds, started, "", details or {}))


def signature(pool: Pool, reads: Sequence[str], *, rows: bool = True) -> str:
    """What a whole-table operation depends on: the set of rows and their keys (unless `rows` is false), and how the columns
    that it reads were made and renewed."""
    parts = [f"{f.fragment_id}:{f.count_rows()}" for f in pool.dataset.get_fragments()] if rows else []
    for name in dict.fromkeys([*(["key"] if rows else []), *reads]):
        renewed = (pool.schema.field(name).metadata or {}).get(RENEWED) if name in pool.schema.names else None
        parts += [f"{name} renewed {renewed.decode()}"] if renewed else []
        waiting = unread.rows(pool, [name])
        parts += [f"{name} waits {hashlib.sha256(waiting.tobytes()).hexdigest()}"] if len(waiting) else []
    for name in reads:
        metadata = (pool.schema.field(name).metadata or {}) if name in pool.schema.names else {}
        parts.append(
            name + "".join(str(metadata.get(key, b"")) for key in (OPERATION, PARAMETERS, FINGERPRINT, INPUTS))
        )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _planned(operation: Operation, parameters: dict, adds: list[str]) -> Record:
    """The record of a run that is about to begin."""
    return Record(operation.operation(), parameters, 0, 0, operation.reads(), adds, started=now())  # pyright: ignore[reportAttributeAccessIssue]


def _annotate_table(
    pool: Pool, operation: TableAnnotator, where: str | None, on: progress.Progress, aside: bool
) -> None:
    start, started = time.perf_counter(), now()
    with unread.explains(pool, operation.reads()):
        operation.check(pool)
    parameters = _wanted(where, operation.parameters())
    # What is known of single images stays with them; what is found among all is found among those that are still there.
    there = None if operation.amends() else withdrawn.present(pool)
    marks = [name] if there and (name := roles.name(pool.schema, roles.GONE)) else []
    inputs = signature(pool, [*operation.reads(), *marks]) + operation.content()
    schema = provenance(operation.adds(), operation.operation(), parameters, operation.fingerprint(), inputs)
    planned = _planned(operation, parameters, schema.names)
    if _same(pool, schema) and not pool.pending(schema.names) and not unfinished.is_left(pool, planned):
        return
    own = [n for n in schema.names if n not in operation.amends()]
    _take(pool, own, operation.operation(), on if aside else None)
    before = unfinished.begin(pool, [planned])
    process.return_freed()
    with progress.stage(on, operation.operation(), len(pool)) as facts:
        asked = ["error is null", *([there] if there else []), *([f"({where})"] if where is not None else [])]
        condition = " and ".join(asked)
        with unread.explains(pool, operation.reads()):
            table = operation.compute(pool.where(condition))
        columns = place(table, schema, len(pool), operation.operation())
        faults.point("table.computed")
        (amend if operation.amends() else replace)(pool, columns, operation.operation())
        on.advance(len(table))
        facts["rows"] = len(table) if where is None else min(len(table), len(pool.where(where)))
    told = [*notes_of(table), *operation.afterwards(pool.where(condition))]
    details = {"told": told} if told else None
    _record(pool, operation, parameters, operation.reads(), schema.names, len(table), before, start, started, details)
    faults.point("table.recorded")
    for sentence in told:
        on.say(sentence)


def select(
    pool: Pool,
    operation: Selector,
    *,
    name: str | None = None,
    on: progress.Progress | None = None,
    aside: bool = False,
) -> Selection:
    """Run a selector and store its selection under `name` (default: the operation's name).

    Columns of the source with names that are about to be written are BadInput, or step `aside` as `source_<name>`.
    """
    on = on or progress.Silent()
    name = name or operation.operation().replace("-", "_")
    if not name.isidentifier():
        raise BadInput(f"a selection's name must be letters, digits and underscores, got '{name}'")
    with pool.writing(), full_disk_is_an_answer(pool.path):
        start, started = time.perf_counter(), now()
        with unread.explains(pool, operation.reads()):
            operation.check(pool)
        keep_name, reason_name = column_names(name)
        inputs = signature(pool, [*operation.reads(), *withdrawn.reads(pool)])
        own = pa.schema([pa.field(keep_name, pa.bool_()), pa.field(reason_name, pa.string())])
        own = provenance(own, operation.operation(), operation.parameters(), "", inputs)
        parameters = {**operation.parameters(), "as": name}
        planned = _planned(operation, parameters, own.names)
        if _same(pool, own) and not pool.pending(own.names) and not unfinished.is_left(pool, planned):
            return pool.selection(name)
        _take(pool, own.names, operation.operation(), on if aside else None)
        before = unfinished.begin(pool, [planned])
        process.return_freed()
        with progress.stage(on, f"select {operation.operation()}", len(pool)) as facts:
            with unread.explains(pool, operation.reads()):
                chosen = withdrawn.left_out(pool, operation.select(pool))
            chosen.name = name
            extra = pa.schema([pa.field(n, a.type) for n, a in chosen.columns.items()])
            _take(pool, extra.names, operation.operation(), on if aside else None)
            schema = pa.schema([*own, *provenance(extra, operation.operation(), operation.parameters(), "", inputs)])
            arrays = [pa.array(chosen.keep), chosen.reasons, *chosen.columns.values()]
            faults.point("select.computed")
            replace(pool, pa.table(arrays, schema=schema).combine_chunks(), f"select {name}")
            on.advance(len(pool))
            facts["kept"] = len(chosen)
        details = {"kept": len(chosen), **chosen.summary}
        _record(
            pool, operation, parameters, operation.reads(), schema.names, len(pool), before, start, started, details
        )
        faults.point("select.recorded")
        return chosen
