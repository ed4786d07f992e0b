"""Texts in the CSV files that Veduta writes: a spreadsheet that opens one must not take a name for a formula.

A text that begins with =, +, -, @, a tab or a return gets an apostrophe in front, as spreadsheets write it themselves; one more,
where it has some already, so that taking one away gives back exactly what was there. Numbers stay numbers.
"""

from __future__ import annotations

import re
from typing import Any

_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def quoted(value: Any) -> Any:
    """A cell as it is written."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def unquoted(text: str) -> str:
    """A cell of such a file as it was."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
