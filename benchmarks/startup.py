"""Time to import and to the first help page."""

from __future__ import annotations

import sys
from statistics import median

from benchmarks.measure import command, row, veduta


def main() -> None:
    """Both as whole processes, the start of the interpreter included."""
    bare = median(command([sys.executable, "-c", "pass"]).seconds for _ in range(7))
    imported = median(command([sys.executable, "-c", "import veduta"]).seconds for _ in range(7))
    helped = median(command(veduta("--help")).seconds for _ in range(7))
    row(
        "import veduta",
        f"{imported - bare:.3f} s",
        "< 0.3 s",
        imported - bare < 0.3,
        "the interpreter's own start is taken off",
    )
    row("veduta --help", f"{helped:.2f} s", "< 0.8 s", helped < 0.8, "imports of typer and pydantic")


if __name__ == "__main__":
    main()
