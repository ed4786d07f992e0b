"""Conditions read whole: one SQL expression over a pool's columns, in the dialect of Lance (DataFusion).

Lance reads as far as it understands and drops the rest without a word: of `width > 400 an height < 300` it takes the
first half. Here every sign is accounted for before Lance sees the condition (see also `condition_form`).

The dialect: 'text' or "text", `column`, a name in any case, `camera.make`, positions in lists that count from 1, and no
comments.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from veduta.pool.condition_words import (
    JOINS,
    OWN,
    PARTS,
    Refused,
    at_column,
    either,
    misread,
    place_of,
    strange,
    unclosed,
    written,
)  # fmt: skip

if TYPE_CHECKING:
    from sqlglot import Expression, exp
    from sqlglot.tokens import Token  # pyright: ignore[reportPrivateImportUsage]

LONGEST = 5_000_000
DEEP = 40
"""Brackets and signs inside one another; Lance itself ends soon after."""
MOST_PARTS, MOST_SIGNS = 2000, 200
"""Parts that 'and' and 'or' join in a chain, and signs of arithmetic in one: the planner goes one call deeper for each, and
where its stack ends, the process ends."""

_QUOTES = "‘’‚‛“”„‟«»´"
_AGGREGATES = {
    "avg",
    "count",
    "max",
    "mean",
    "median",
    "min",
    "stddev",
    "sum",
    "var",
    "rank",
    "row_number",
    "first_value",
}
_KNOWN = {
    "And", "Or", "Not", "Paren", "EQ", "NEQ", "GT", "GTE", "LT", "LTE", "NullSafeEQ", "NullSafeNEQ", "Is", "In",
    "Between", "Like", "ILike", "Escape", "Column", "Identifier", "Dot", "Bracket", "Literal", "Boolean", "Null",
    "Neg", "Add", "Sub", "Mul", "Div", "Mod", "DPipe", "BitwiseLeftShift", "BitwiseRightShift", "Cast", "TryCast",
    "DataType", "DataTypeParam", "Anonymous", "Array", "CurrentDate", "CurrentTimestamp",
}  # fmt: skip
# What Veduta itself asks most; needs no parser.
PLAIN = re.compile(r"[A-Za-z_]\w* is (not )?null", re.ASCII)


def checked(condition: str, columns: Sequence[str] | None = None) -> str:
    """The condition itself, if it is one whole expression that names only `columns` (None: any). Raises BadInput."""
    if not (PLAIN.fullmatch(condition) and (columns is None or condition.split(" ", 1)[0] in columns)):
        parsed(condition, columns)
    return condition


def parsed(condition: str, columns: Sequence[str] | None = None) -> Expression:
    """The condition's tree. Raises BadInput with the place of what is not understood."""
    from sqlglot import exp
    from sqlglot.errors import ParseError

    tokens = _tokens(condition, columns)
    try:
        trees = dialect().parser(error_message_context=len(condition) + 1).parse_into(exp.Condition, tokens, condition)
    except ParseError as error:
        raise misread(condition, tokens, error) from None
    except RecursionError:
        raise Refused(condition, f"it is nested deeper than {DEEP}; make it simpler") from None
    if len(trees) != 1 or trees[0] is None:
        raise Refused(condition, "it must be one expression")
    for node in trees[0].walk():
        if type(node).__name__ not in _KNOWN:
            raise Refused(condition, strange(condition, node, tokens))
        _look(condition, node, columns)
    return trees[0]


@cache
def dialect() -> Any:
    """Lance's dialect. Made at the first condition: sqlglot takes a fifth of a second to import."""
    from sqlglot import exp, generator, parser, tokens
    from sqlglot.dialects.dialect import Dialect
    from sqlglot.tokens import TokenType  # pyright: ignore[reportPrivateImportUsage]

    special = ("CAST", "TRY_CAST")
    bare = (TokenType.CURRENT_DATE, TokenType.CURRENT_TIMESTAMP)

    class LanceFilter(Dialect):
        class Tokenizer(tokens.Tokenizer):
            QUOTES: ClassVar = ["'", '"']
            IDENTIFIERS: ClassVar = ["`"]
            STRING_ESCAPES: ClassVar = ["'", '"']
            KEYWORDS: ClassVar = {**tokens.Tokenizer.KEYWORDS, "INT8": TokenType.BIGINT}

        class Parser(parser.Parser):
            FUNCTIONS: ClassVar = {}
            FUNCTION_PARSERS: ClassVar = {name: parser.Parser.FUNCTION_PARSERS[name] for name in special}
            NO_PAREN_FUNCTIONS: ClassVar = {kind: parser.Parser.NO_PAREN_FUNCTIONS[kind] for kind in bare}

        class Generator(generator.Generator):
            TYPE_MAPPING: ClassVar = {
                **generator.Generator.TYPE_MAPPING,
                exp.DType.TEXT: "STRING",
                exp.DType.VARCHAR: "STRING",
                exp.DType.NVARCHAR: "STRING",
            }
            TRANSFORMS: ClassVar = {
                **generator.Generator.TRANSFORMS,
                exp.Array: lambda self, node: f"[{self.expressions(node, flat=True)}]",
            }

    return LanceFilter()


def _tokens(condition: str, columns: Sequence[str] | None) -> list[Token]:
    """The words and signs, of which none is left out. A keyword that is a column's name becomes a plain word."""
    from sqlglot.errors import TokenError
    from sqlglot.tokens import TokenType  # pyright: ignore[reportPrivateImportUsage]

    if len(condition) > LONGEST:
        raise Refused(condition, f"it has {len(condition):,} characters; at most {LONGEST:,} are taken")
    try:
        tokens = dialect().tokenize(condition)
    except TokenError:
        raise Refused(condition, unclosed(condition)) from None
    names, at, depth, run, before = {name.lower() for name in columns or ()}, 0, 0, 0, ""
    for token, follower in zip(tokens, [*tokens[1:], None]):
        text = condition[token.start : token.end + 1]
        _nothing_between(condition, at, token.start)
        at = token.end + 1
        depth += {TokenType.L_PAREN: 1, TokenType.L_BRACKET: 1, TokenType.R_PAREN: -1, TokenType.R_BRACKET: -1}.get(
            token.token_type, 0
        )
        run = run + 1 if text.lower() in ("-", "+", "not") else 0
        if depth < 0:
            raise Refused(condition, f"{at_column(token.start)}: the condition closes a bracket that it has not opened")
        if max(depth, run) > DEEP:
            raise Refused(condition, f"it is nested deeper than {DEEP}; make it simpler")
        if token.token_type == TokenType.SEMICOLON:
            raise Refused(
                condition,
                f"{at_column(token.start)}: ';' may not stand here; a condition is one expression, not a statement",
            )
        if token.token_type in (TokenType.SELECT, TokenType.EXISTS) and text.lower() not in names:
            raise Refused(condition, f"{at_column(token.start)}: '{text}' may not stand in a condition, {OWN}")
        word = re.fullmatch(r"[^\W\d]\w*", text) and text.lower() not in JOINS
        typed = follower is not None and follower.token_type in (
            TokenType.STRING,
            TokenType.L_PAREN,
        )  # date '2024-06-01'
        if word and not typed and (before == "." or text.lower() in names):
            token.token_type = TokenType.VAR
        before = text
    _nothing_between(condition, at, len(condition))
    if not tokens:
        raise Refused(condition, "the condition is empty")
    if (
        tokens[0].text.lower() in ("and", "or", "in", "is", "like", "between")
        and tokens[0].token_type != TokenType.STRING
    ):
        raise Refused(condition, f"{at_column(tokens[0].start)}: something is missing before '{tokens[0].text}'")
    _refuse_long_chains(condition, tokens)
    if depth:
        opened = _unclosed_bracket(tokens)
        raise Refused(condition, f"{at_column(opened)}: a bracket is not closed in the condition")
    return tokens


def _unclosed_bracket(tokens: list[Token]) -> int:
    """Where the innermost bracket begins that is not closed."""
    from sqlglot.tokens import TokenType  # pyright: ignore[reportPrivateImportUsage]

    opened: list[int] = []
    for token in tokens:
        if token.token_type in (TokenType.L_PAREN, TokenType.L_BRACKET):
            opened.append(token.start)
        elif token.token_type in (TokenType.R_PAREN, TokenType.R_BRACKET) and opened:
            opened.pop()
    return opened[-1]


def _refuse_long_chains(condition: str, tokens: Sequence[Token]) -> None:
    """What counts is how deep the planner goes: chains side by side are as deep as one, chains in brackets add up."""
    from sqlglot.tokens import TokenType  # pyright: ignore[reportPrivateImportUsage]

    joins = (TokenType.AND, TokenType.OR)
    ends = (*joins, TokenType.COMMA, TokenType.WHEN, TokenType.THEN, TokenType.ELSE)
    opening, closing = (TokenType.L_PAREN, TokenType.L_BRACKET), (TokenType.R_PAREN, TokenType.R_BRACKET)
    plain = (TokenType.VAR, TokenType.NUMBER, TokenType.STRING, TokenType.IDENTIFIER, TokenType.NOT)
    parts, signs = [0], [0]
    for token in tokens:
        kind = token.token_type
        if kind in closing and len(parts) > 1:
            parts.pop()
            signs.pop()
        elif kind in opening:
            signs[-1] += kind == TokenType.L_BRACKET
            parts.append(0)
            signs.append(0)
        elif kind in ends:
            parts[-1] += kind in joins
            signs[-1] = 0
        elif kind not in plain:
            signs[-1] += 1
        if sum(parts) > MOST_PARTS:
            words = f"it joins more than {MOST_PARTS:,} parts by 'and' or 'or'"
            raise Refused(condition, f"{words}, and at most so many are taken; write: column in (value, value, ...)")
        if sum(signs) > MOST_SIGNS:
            words = f"it chains more than {MOST_SIGNS} signs of arithmetic, and at most so many are taken"
            raise Refused(condition, f"{words}; make it simpler")


def _nothing_between(condition: str, start: int, end: int) -> None:
    rest = condition[start:end].strip()
    if rest:
        start = condition.index(rest, start)
        sign = "--" if rest.startswith("--") else "/*" if rest.startswith("/*") else rest[:20]
        raise Refused(condition, f"{at_column(start)}: '{sign}' may not stand in a condition; leave comments out")


def _look(condition: str, node: Expression, columns: Sequence[str] | None) -> None:
    """Raise Refused for a part of the tree that Lance does not know or reads otherwise than it is meant."""
    from sqlglot import exp

    if isinstance(node, exp.Column):
        _column(condition, node, columns)
    elif isinstance(node, exp.Is) and not isinstance(node.expression, (exp.Null, exp.Boolean)):
        raise Refused(condition, f"{place_of(node)}behind 'is' stands null, true or false, with or without not")
    elif isinstance(node, exp.In) and not node.expressions:
        raise Refused(
            condition, f"{place_of(node)}behind 'in' stands a list of values in brackets: label in ('cat', 'dog')"
        )
    elif isinstance(node, exp.Bracket) and any(_is_zero(index) for index in node.expressions):
        raise Refused(condition, f"{place_of(node)}positions in a list count from 1, so that [0] is never there")
    elif isinstance(node, exp.Anonymous) and str(node.this).lower() in _AGGREGATES:
        raise Refused(
            condition,
            f"{place_of(node)}'{node.this}' is of many rows; a condition is asked of each row from its own values",
        )
    elif isinstance(node, exp.Predicate) and isinstance(node, exp.Binary):
        sides = [side for side in (node.this, node.expression) if isinstance(side, exp.Literal)]
        for side in sides if len(sides) == 2 and columns else ():
            if side.is_string and f'"{side.this}"' in condition and side.this.lower() in map(str.lower, columns or ()):
                raise Refused(
                    condition,
                    f'{at_column(condition.index(chr(34) + side.this))}: double quotes hold a text, so that "{side.this}" is '
                    f"not the column; write `{side.this}`",
                )


def _column(condition: str, node: exp.Column, columns: Sequence[str] | None) -> None:
    """Raise Refused for a name that is not a column, or that needs backticks and has none."""
    parts = [part for part in node.parts if part.name]
    first, place = parts[0], place_of(parts[0])
    if not first.args.get("quoted") and not re.fullmatch(r"[^\W\d]\w*", first.name):
        odd = next((sign for sign in first.name if sign in _QUOTES), "")
        why = f"{odd} is not an SQL quote; write 'straight' ones" if odd else PARTS.split(", and ")[1]
        raise Refused(condition, f"{place}'{first.name[:40]}' cannot be read; {why}")
    if columns is None or first.name.lower() in (name.lower() for name in (*columns, "_rowid", "_rowaddr")):
        return
    lower = {name.lower(): name for name in columns}
    near = [lower[name] for name in get_close_matches(first.name.lower(), lower, 3, 0.6)]
    mend = f"did you mean {either([written(name) for name in near])}? " if near else "a text stands in 'quotes'; "
    said = f"{place}there is no column '{first.name[:60]}'; {mend}columns: {', '.join(columns[:40])}"
    raise Refused(condition, said)


def _is_zero(node: Any) -> bool:
    return type(node).__name__ == "Literal" and not node.is_string and node.this == "0"
