"""Run every benchmark, one after the other, and print one table: `make bench`."""

from __future__ import annotations

import json
import subprocess
import sys

NAMES = (
    "startup",
    "curate",
    "embed",
    "dedup",
    "dedup_million",
    "selectors",
    "memory",
    "search",
    "label_issues",
    "loader",
    "app",
)


def main() -> None:
    """Each benchmark runs in a process of its own and prints JSON lines; names on the command line choose some."""
    rows = []
    for name in sys.argv[1:] or NAMES:
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.PIPE, text=True, check=False
        )
        for line in done.stdout.splitlines():
            if line.startswith("{") and "what" in (entry := json.loads(line)):
                rows.append(entry)
                print(f"{entry['what']}: {entry['measured']} (asked: {entry['at least']})", file=sys.stderr, flush=True)
        if done.returncode:
            rows.append({"what": name, "measured": "failed", "at least": "", "holds": False, "limited by": ""})
    columns = ("what", "measured", "at least", "holds", "limited by")
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for entry in rows:
        print("| " + " | ".join({True: "yes", False: "no"}.get(entry[c], str(entry[c])) for c in columns) + " |")


if __name__ == "__main__":
    main()
