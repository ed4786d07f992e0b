"""What a writer may be told: the keyword parameters of its `write`, and what all formats share, as one typed model."""

from __future__ import annotations

import importlib
import inspect
from functools import cache
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from veduta.errors import BadInput


class Shared(BaseModel):
    """Options of every format."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    columns: list[str] | None = Field(
        None, description="columns besides the key and the image; by default all but vectors"
    )
    errors: bool = Field(False, description="also rows whose image cannot be decoded")
    gone: bool = Field(False, description="also rows that their source no longer offers")
    croissant: bool = Field(False, description="add Croissant metadata, which describes the files to machines")


@cache
def of(form: str) -> type[BaseModel]:
    """The options of a format: those of its writer first, as its `write` declares them."""
    write = importlib.import_module(f"veduta.pool.writers.{form}").write
    hints = get_type_hints(write, include_extras=True)
    parameters = inspect.signature(write).parameters.values()
    own: Any = {p.name: (hints[p.name], p.default) for p in parameters if p.kind is p.KEYWORD_ONLY}
    shared: Any = {name: (field.annotation, field) for name, field in Shared.model_fields.items()}
    return create_model(form, __config__=Shared.model_config, **own, **shared)


def checked(form: str, given: dict[str, Any]) -> dict[str, Any]:
    """The options as their types have them. Raises BadInput for one that the format does not have, or that does not fit."""
    model = of(form)
    wrong = next((name for name in given if name not in model.model_fields), None)
    if wrong:
        names = [name for name in model.model_fields if name not in Shared.model_fields]
        raise BadInput(f"the format '{form}' has no option '{wrong}'; its options: {', '.join(names) or 'none'}")
    try:
        made = model(**given)
    except ValidationError as error:
        problem = error.errors()[0]
        raise BadInput(
            f"{'.'.join(map(str, problem['loc']))} of the format '{form}': {problem['msg'].lower()}, "
            f"got {problem['input']!r:.80}"
        ) from None
    return {name: getattr(made, name) for name in given}
