"""Commands made from operations: every field of the class is a flag."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic_core import PydanticUndefined

from veduta.engine.operation import Operation


def signature_of(cls: type[Operation], extra: list[inspect.Parameter]) -> inspect.Signature:
    """The parameters `extra` (the pool first), then one option per field."""
    options = [_option(name, field, name == cls.argument) for name, field in cls.model_fields.items()]
    return inspect.Signature([*extra, *options])


def operation_from(cls: type[Operation], given: dict[str, Any]) -> Operation:
    """The operation with the flags that were given; pydantic parses and checks their texts."""
    values = {}
    for name, field in cls.model_fields.items():
        value = given.get(name)
        if value is not None:
            values[name] = value if isinstance(value, bool) else _parsed(value, field.annotation)
    return cls(**values)


def _option(name: str, field: Any, argument: bool = False) -> inspect.Parameter:
    flag = "--" + name.rstrip("_").replace("_", "-")
    shown = _type_words(field.annotation)
    default = field.default if field.default is not PydanticUndefined else None
    words = field.description or ""
    if default is not None and default is not PydanticUndefined and default not in ((), "", {}):
        words += f" [default: {_show(default)}]"
    if field.is_required():
        words += " [required]"
    if argument:
        kind = Annotated[str | None, typer.Argument(metavar=name.upper(), help=words, show_default=False)]
    elif field.annotation in (bool, bool | None):
        kind = Annotated[bool | None, typer.Option(f"{flag}/--no-{flag[2:]}", help=words, show_default=False)]
    else:
        given = list[str] if _is_list(field.annotation) else str
        kind = Annotated[given | None, typer.Option(flag, metavar=shown, help=words, show_default=False)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)


def _show(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _type_words(annotation: Any) -> str:
    """ "NUMBER", "a|b|c", ...: what a flag takes."""
    origin = get_origin(annotation)
    if origin is Literal:
        return "|".join(map(str, get_args(annotation)))
    if origin in (Union, types.UnionType):
        return "|".join(_type_words(part) for part in get_args(annotation) if part is not type(None))
    if origin is Annotated:
        return _type_words(get_args(annotation)[0])
    if origin in (list, tuple):
        return "A,B,..."
    if origin is dict:
        return "A=B,...|JSON" if get_args(annotation)[1:] == (str,) else "JSON"
    return {int: "NUMBER", float: "NUMBER", str: "TEXT", bool: "yes|no"}.get(annotation, "TEXT")


def _parsed(given: str | list[str], annotation: Any) -> Any:
    """A flag's text, or the texts of a flag of a list, which may be given several times: its values follow each other."""
    if isinstance(given, str) or len(given) == 1:
        return _parse(given if isinstance(given, str) else given[0], annotation)
    parts = [_parse(text, annotation) for text in given]
    return [value for part in parts for value in (part if isinstance(part, list) else [part])]


def _kinds(annotation: Any) -> set[Any]:
    return {get_origin(part) or part for part in (get_args(annotation) if _is_union(annotation) else [annotation])}


def _is_list(annotation: Any) -> bool:
    return bool(_kinds(annotation) & {list, tuple})


def _parse(text: str, annotation: Any) -> Any:
    """A flag's text as something pydantic can check: lists by commas, mappings as JSON."""
    kinds = _kinds(annotation)
    if dict in kinds and "=" in text and not text.lstrip().startswith("{"):
        pairs = [part.strip().partition("=") for part in text.split(",")]
        return {name.strip(): value.strip() for name, _, value in pairs}
    if dict in kinds or ((list in kinds or tuple in kinds) and text.lstrip().startswith("[")):
        try:
            return json.loads(text)
        except ValueError:
            return text
    if list in kinds or tuple in kinds:
        return [part.strip() for part in text.split(",") if part.strip()]
    if str not in kinds and kinds & {int, float}:
        for number in (int, float):
            try:
                return number(text)
            except ValueError:
                continue
    return text


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def command(cls: type[Operation], run: Callable[..., None], extra: list[inspect.Parameter]) -> Callable[..., None]:
    """A function for typer with the right signature and help, which calls `run(operation, **extra)`."""

    def call(**given: Any) -> None:
        own = {name: given[name] for name in given if name not in cls.model_fields}
        run(operation_from(cls, given), **own)

    call.__signature__ = signature_of(cls, extra)  # type: ignore[attr-defined]
    example = f"veduta {cls.verb} {cls.operation()} photos.vd" + (f" {cls.argument.upper()}" if cls.argument else "")
    call.__doc__ = inspect.cleandoc(cls.__doc__ or "") + f"\n\nExample: {example}"
    call.__name__ = cls.__name__
    return call
