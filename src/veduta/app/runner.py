"""The child process of a job: reads one line of JSON from its standard input, works, and prints JSON lines.

{"verb": "annotate" | "select" | "learn" | "judge" | "export", "operation", "parameters", "where", "selection", "name", ...}
Besides the events of `engine.progress`: {"event": "result", ...} or {"event": "failed", "code", "message"} at the end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from veduta.engine import process
from veduta.engine.progress import JsonLines
from veduta.engine.registry import find
from veduta.errors import BadInput, VedutaError
from veduta.pool import Pool, unread


def perform(pool: Pool, task: dict[str, Any], on: JsonLines) -> dict[str, Any]:
    """Do the task; returns what there is to tell."""
    verb = task["verb"]
    if verb == "export":
        from veduta.app.exports import export

        return export(pool, task, on)
    operation = find(f"{verb}.{task['operation']}")(**task.get("parameters", {}))
    operation.check(pool)
    where, name = task.get("where"), task.get("name")
    if verb == "annotate":
        before = pool.version
        pool.annotate(operation, where=where, on=on)
        waiting = unread.told(pool, operation.adds().names)  # pyright: ignore[reportAttributeAccessIssue]
        return {"version": pool.version, "changed": pool.version != before, "waiting": waiting}
    if verb == "select":
        chosen = pool.select(operation, name=name, on=on)
        return {"version": pool.version, "selection": chosen.name, "kept": len(chosen), "rows": len(chosen.keep)}
    if verb == "learn":
        run: Any = operation
        made = run.learn(pool, where=where, selection=task.get("selection"), name=name, on=on)
        return {"run": made.path.name, "summary": made.summary(), "figures": made.figures}
    if verb == "judge":
        judge: Any = operation
        page = judge.watched(pool, on).save(pool.path / "reports", operation.operation())
        return {"report": page.stem}
    raise BadInput(f"there is nothing to run for the verb '{verb}'")


def main() -> int:
    """Work; the exit status is 0 for done, 2 for wrong use, 130 for interrupted, 1 for a defect."""
    process.allow_return()
    task = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    on = JsonLines()
    try:
        _tell(event="result", **perform(Pool.open(Path(sys.argv[1])), task, on))
        return 0
    except VedutaError as error:
        _tell(event="failed", code=error.code, message=str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        _tell(event="failed", code="V000", message=f"a defect of Veduta: {type(error).__name__}: {error}"[:2000])
        raise


def _tell(**event: Any) -> None:
    print(json.dumps(event, ensure_ascii=True, default=str), flush=True)


def _end_with_the_server() -> None:
    """The server keeps the other end of the pipe open as long as it lives and wants this."""
    while os.read(0, 1024):  # not through sys.stdin, whose lock would be missed at the end of the interpreter
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(20)
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
