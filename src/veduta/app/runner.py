"""One job in a process of its own: what is asked comes as JSON on standard input, what happens goes out as JSON lines.

    {"pool", "verb": annotate | select | learn | judge | export, "operation", "parameters", "where", "selection", "name"}

The lines are those of `--json`, then {"event": "result", ...} or {"event": "error", "code", "message"}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from veduta.engine.progress import JsonLines
from veduta.engine.registry import find
from veduta.errors import VedutaError
from veduta.pool import Pool


def main() -> int:
    """Do what standard input asks for; the exit status."""
    asked = json.load(sys.stdin)
    on = JsonLines(sys.stdout)
    try:
        done = _run(asked, on)
    except VedutaError as error:
        _tell(event="error", code=error.code, message=str(error))
        return 2
    _tell(event="result", **done)
    return 0


def _tell(**event: Any) -> None:
    print(json.dumps(event, ensure_ascii=False, default=str), flush=True)


def _run(asked: Mapping[str, Any], on: JsonLines) -> dict[str, Any]:
    pool, verb = Pool.open(asked["pool"]), asked["verb"]
    where, selection, name = asked.get("where"), asked.get("selection"), asked.get("name")
    if verb == "export":
        return _export(pool, asked["operation"], where, selection, str(name), on)
    operation: Any = find(f"{verb}.{asked['operation']}")(**asked["parameters"])
    if verb == "annotate":
        pool.annotate(operation, where=where, on=on)
        return {"version": pool.version}
    if verb == "select":
        chosen = pool.select(operation, name=name, on=on)
        return {"version": pool.version, "selection": chosen.name, "kept": len(chosen)}
    if verb == "learn":
        run = operation.learn(pool, where=where, selection=selection, name=name, on=on)
        return {"run": run.path.name, "summary": run.summary()}
    operation.check(pool)
    place = operation.judge(pool).save(pool.path / "reports", operation.operation())
    return {"report": Path(place).stem}


def _export(
    pool: Pool, format: str, where: str | None, selection: str | None, name: str, on: JsonLines
) -> dict[str, Any]:
    from veduta.pool.writers import FORMATS, export

    suffix = "" if FORMATS.get(format, True) else {"manifest": ".jsonl"}.get(format, f".{format}")
    target = pool.path / "exports" / f"{name}{suffix}"
    target.parent.mkdir(exist_ok=True)
    on.stage("export", None)
    report = export(pool.where(where) if where else pool, target, format, selection=selection)
    on.done()
    return {"export": target.name, "summary": str(report)}


if __name__ == "__main__":
    sys.exit(main())
