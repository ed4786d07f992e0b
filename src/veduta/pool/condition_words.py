"""What is said of a condition that is refused: the place, what stands there, and the mend."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from veduta.errors import BadInput

if TYPE_CHECKING:
    from sqlglot import Expression
    from sqlglot.tokens import Token  # pyright: ignore[reportPrivateImportUsage]

JOINS = ("and", "or", "not", "in", "is", "like", "between", "null", "true", "false")
_INSTEAD = {"&&": "and", "&": "and", "||": "or", "|": "or", "!": "not", "xor": "<>", "=>": ">=", "=<": "<=", "===": "="}
_COMMON = [
    "abs", "array_contains", "array_has", "array_has_all", "array_has_any", "array_length", "btrim", "cardinality",
    "cast", "char_length", "coalesce", "concat", "contains", "date_part", "date_trunc", "ends_with", "exp", "floor",
    "ifnull", "isnan", "left", "length", "ln", "log10", "lower", "ltrim", "make_array", "nullif", "octet_length",
    "power", "regexp_like", "regexp_match", "replace", "right", "round", "rtrim", "sign", "split_part", "sqrt",
    "starts_with", "strpos", "trunc", "try_cast", "upper",
]  # fmt: skip


class Refused(BadInput):
    """A condition that is not understood whole. reason: the place and the mend, without the condition."""

    def __init__(self, condition: str, reason: str) -> None:
        self.reason = reason
        shown = condition if len(condition) <= 200 else f"{condition[:200]}…"
        super().__init__(f'the condition "{shown}" is not valid SQL over this pool\'s columns: {reason}')


def refused(condition: str, error: Exception, columns: Sequence[str]) -> Refused:
    """What Lance says of a condition, in a sentence."""
    reason = (str(error).split(", /")[0].splitlines() or [""])[0].removeprefix("Invalid user input: ")
    if unknown := re.search(r"Invalid function '(\w+)'", reason):
        near = get_close_matches(unknown[1].lower(), _COMMON, 3)
        mend = f"did you mean {either(near)}?" if near else f"some that there are: {', '.join(_COMMON)}"
        found = re.search(rf"\b{unknown[1]}\s*\(", condition, re.IGNORECASE)
        place = f"{at_column(found.start())}: " if found else ""
        return Refused(condition, f"{place}there is no function '{unknown[1]}'; {mend}")
    if bare := re.search(r"The filter (.*) does not return a boolean", reason):
        return Refused(condition, f"{bare[1]:.80} is not true or false of a row; compare it with something")
    if grammar := re.search(r"sql parser error: Expected: (.*?), found: (.*?)\)?$", reason):
        return Refused(condition, f"expected {grammar[1]}, found {grammar[2]}")
    if "Divide by zero" in reason:
        return Refused(condition, "the remainder of a division by zero is asked for; write: width % nullif(height, 0)")
    if unfit := re.search(r"Function '(\w+)' (?:expects|requires) (\w+),? but received (\w+)", reason):
        return Refused(condition, f"'{unfit[1]}' takes {_plain(unfit[2])}, but is given {_plain(unfit[3])}; cast it")
    if value := re.search(r"Received literal \w+\((.*)\) and could not convert to literal of type '(\w+)", reason):
        return Refused(condition, f"{value[1]} is compared with a column of {_plain(value[2])}; cast one of them")
    if text := re.search(r"Cannot cast string '(.*)' to value of (\w+) type", reason):
        kind = _plain(text[2])
        return Refused(
            condition, f"the value '{text[1]:.60}' of a row is not one of {kind}; write try_cast(... as double)"
        )
    reason = re.sub(r"^(\w+ )+error: |^Error [\w ]+: ", "", reason)
    said = re.sub(r".*Error during planning: ", "", reason).split(". ")[0]
    said = re.sub(r"\b(?:Large)?(?:Utf8|U?Int\d+|Float\d+|Boolean|Timestamp|Date32)\b", lambda m: _plain(m[0]), said)
    return Refused(condition, f"it cannot be asked of these columns ({said:.200}); columns: {', '.join(columns[:40])}")


def _plain(kind: str) -> str:
    """Lance's name of a type in words."""
    words = {"Utf8": "text", "String": "text", "Int": "whole numbers", "UInt": "whole numbers", "Float": "numbers",
             "Numeric": "numbers", "Boolean": "true or false", "Timestamp": "times", "Date": "dates", "List": "lists"}  # fmt: skip
    return next((word for begin, word in words.items() if kind.removeprefix("Large").startswith(begin)), kind)


def unclosed(condition: str) -> str:
    """Which quote or comment is not closed."""
    inside, start = "", 0
    for place, sign in enumerate(condition):
        if sign == inside:
            inside = ""
        elif not inside and sign in "'\"`":
            inside, start = sign, place
    if not inside:
        return f"{at_column(condition.find('/*'))}: '/*' may not stand in a condition; leave comments out"
    doubled = "; a quote inside a text is doubled: 'it''s'" if inside == "'" else ""
    return f"{at_column(start)}: a quote is not closed in the condition: {condition[start : start + 20]}{doubled}"


def misread(condition: str, tokens: list[Token], error: Any) -> Refused:
    """sqlglot's complaint with its place, and what was probably meant."""
    told = error.errors[0] if error.errors else {}
    start = len(told.get("start_context") or "")
    here = next((i for i, token in enumerate(tokens) if token.end >= start), len(tokens) - 1)
    token = tokens[here]
    # A sign or word that wants something behind it is complained of itself.
    last = here == len(tokens) - 1 and "Unexpected" not in str(told.get("description"))
    text = condition[token.start : token.end + 1]
    two = condition[token.start : token.start + 2]
    if last and text.lower() not in _INSTEAD:
        return Refused(condition, f"{at_column(token.start)}: something is missing behind '{text:.40}'")
    mend = next((f"write '{_INSTEAD[sign]}'" for sign in (two, text.lower()) if sign in _INSTEAD), "")
    near = get_close_matches(text.lower(), JOINS[:7], 1, 0.6)
    if not mend and near and near[0] != text.lower():
        mend = f"did you mean '{near[0]}'?"
    elif not mend and text.lower() in _NEVER:
        mend = "it is one expression over the columns, such as: label = 'cat' and quality_blurry < 0.5"
    return Refused(condition, f"{at_column(token.start)}: '{text:.40}' may not stand here; {mend or PARTS}")


PARTS = "parts are joined by 'and' or 'or', and a column name that is not a plain word goes in `backticks`"
_NEVER = ("select", "limit", "order by", "group by", "union", "having", "offset", "as", "distinct", "with", "window")


OWN = "which asks of a row's own values"
# The kind of part in the tree, its sign, and what to write instead.
_STRANGE = {
    "Concat": (
        "",
        "two texts stand side by side; join parts with 'and' or 'or', and double a quote inside a text: 'it''s'",
    ),
    "Tuple": ("", "a list stands only behind 'in': label in ('cat', 'dog')"),
    "Placeholder": ("?", "a condition has no parameters; write the value itself"),
    "Parameter": ("@", "a condition has no parameters; write the value itself"),
    "Star": ("*", "'*' is not a value"),
    "Case": ("case", "'case' is not known here; write it with and, or, not"),
    "Interval": ("interval", "intervals are not known here; compare with timestamp '2024-06-01 00:00:00'"),
    "RegexpLike": ("", "write regexp_match(label, '^c')"),
    "RegexpILike": ("", "write regexp_match(lower(label), '^c')"),
    "SimilarTo": ("similar to", "write regexp_match(label, '^c')"),
    "Glob": ("glob", "write label like 'c%'"),
    "BitwiseAnd": ("&", "'&' is not known here; write 'and'"),
    "BitwiseOr": ("|", "'|' is not known here; write 'or'"),
    "BitwiseXor": ("^", "'^' is not known here; write power(width, 2)"),
    "Window": ("over", f"'over' may not stand in a condition, {OWN}"),
    "National": ("", "write the text without a letter before its quote"),
    "IntDiv": ("div", "'div' is not known here; write floor(width / height)"),
}


def strange(condition: str, node: Expression, tokens: list[Token]) -> str:
    """Why a part that Lance does not know is refused, with its place."""
    name = type(node).__name__
    sign, words = _STRANGE.get(name, ("", ""))
    start = next((t.start for t in tokens if sign and condition[t.start : t.end + 1].lower() == sign), None)
    place = f"{at_column(start)}: " if start is not None else place_of(node)
    return place + (
        words or f"'{node.sql()[:40]}' ({re.sub('(?<=[a-z])(?=[A-Z])', ' ', name).lower()}) is not known here"
    )


def written(name: str) -> str:
    """A column's name as it stands in a condition."""
    return name if re.fullmatch(r"[^\W\d]\w*", name) else f"`{name}`"


def place_of(node: Expression) -> str:
    """Where a part of the tree begins, in words; empty where its tokens do not say."""
    starts: Iterator[int] = (found.meta["start"] for found in node.walk() if "start" in found.meta)
    first = min(starts, default=None)
    return "" if first is None else f"{at_column(first)}: "


def at_column(start: int) -> str:
    """A place in the condition, counted from 1."""
    return f"at column {start + 1}"


def either(names: Sequence[str]) -> str:
    """`a, b or c`."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
