"""Text towers by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from veduta.errors import BadInput
from veduta.models.text.bags import BagTower, fit_bag
from veduta.models.text.base import TextTower, checked
from veduta.models.text.minilm import minilm
from veduta.models.text.spelled import fit_spelled
from veduta.models.text.sse import SSE
from veduta.models.text.transformer import Transformer
from veduta.models.text.words import fit_words

NAMES = ("minilm", "bow", "ngram:2", "ngram:3", "ngram:3+skip", "sse", "transformer")


def fit_text(name: str, texts: Sequence[str], dim: int, **options: Any) -> TextTower:
    """A new tower, with the vocabulary of the training `texts` where it has one; fresh weights from torch's generator.

    name: minilm (whose own `dim` of 384 stands; options frozen, pooling), bow, ngram:N, ngram:N+skip (option drop), sse
    (windows) or transformer (width, layers, heads, causal). Raises BadInput for another name or option, or where the texts
    give no vocabulary.
    """
    make = _maker(name)
    _known(name, make, options)
    checked(texts)
    if dim < 1:
        raise BadInput(f"a text tower has 1 dimension or more, got {dim}")
    if make is minilm:
        fitted: dict[str, Any] = {}
    elif make is BagTower:
        fitted = fit_bag(name, texts, dim)
    elif make is SSE:
        fitted = {"words": fit_words(texts), "dim": dim}
    else:
        fitted = {**fit_spelled(texts), "dim": dim}
    return make(**{**fitted, **options})


def build_text(name: str, config: Mapping[str, Any]) -> TextTower:
    """The tower that `config` describes; MiniLM with its published weights, the others with fresh ones."""
    return _maker(name)(**config)


def _maker(name: str) -> Callable[..., TextTower]:
    if name == "bow" or name.startswith("ngram:"):
        return BagTower
    found = {"minilm": minilm, "sse": SSE, "transformer": Transformer}.get(name)
    if found is None:
        near = difflib.get_close_matches(name, NAMES, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise BadInput(f"there is no text tower '{name}'{hint} (there are: {', '.join(NAMES)})")
    return found


def _known(name: str, make: Callable[..., TextTower], options: Mapping[str, Any]) -> None:
    given = {"words", "letters", "dim", "n", "skip", "vocabulary", "idf", "hashed"}
    takes = [key for key in inspect.signature(make).parameters if key not in given]
    for key in options:
        if key not in takes:
            raise BadInput(f"the text tower '{name}' has no option '{key}' (it has: {', '.join(takes)})")
