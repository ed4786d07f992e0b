"""Which rows a model behind the judged columns was trained on: on these a model shows its memory, not what it has learned."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veduta.encode import trained_on
from veduta.engine.operation import Field
from veduta.engine.progress import Progress
from veduta.judge.operation import Judge
from veduta.judge.words import count
from veduta.pool.schema import OPERATION, PARAMETERS

if TYPE_CHECKING:
    from veduta.judge.report import Report
    from veduta.pool import View

_NAMED = {(b"predict", "model"), (b"apply-head", "head")}
"""Parameters of operations that name a run or a head by its path alone."""

_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Trained:
    """rows: ascending positions (int64) of the rows that a model was trained on. models: the runs and heads behind the
    columns. silent: those of them that cannot be found, or do not say what they were trained on. counted: whether the rows
    are judged all the same. numbers: what the models say, as `veduta.encode.trained_on` reads it.
    """

    rows: NDArray[np.int64]
    models: list[str]
    silent: list[str]
    counted: bool = False
    numbers: tuple[NDArray[np.uint64], ...] = ()

    def unseen(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,) which of the rows may be judged: all if training rows are asked for."""
        return np.ones(len(rows), bool) if self.counted else ~np.isin(rows, self.rows)

    def told(self, left_out: int | None = None) -> list[str]:
        """What a reader must know, a sentence each. left_out: how many rows of those in question; all by default."""
        names = ", ".join(model for model in self.models if model not in self.silent)
        number = len(self.rows) if left_out is None else left_out
        said = []
        if number and self.counted:
            said.append(
                f"{count(number, 'training row')} of {names} {'is' if number == 1 else 'are'} judged too, as asked: this flatters it."
            )
        elif number:
            said.append(f"Left out: {count(number, 'row')} that {names} was trained on.")
        if self.silent:
            said.append(
                f"{', '.join(self.silent)} cannot be found, or does not say what it was trained on: its training rows may be "
                "among those judged. Train it again, or judge rows that it cannot have seen."
            )
        return said

    def refusal(self, said: str) -> str:
        """Why nothing is judged where a model was trained on everything that was asked for."""
        return (
            f"{', '.join(self.models)} was trained on {said}, so that they would show what it remembers; name other rows with "
            "--where or --split, bring new ones, or judge these all the same with --including-training-rows"
        )


NO_MODEL = Trained(_NONE, [], [])


class OfModels(Judge):
    """Base of the judges of what models say or see: rows that such a model was trained on are left out."""

    including_training_rows: bool = Field(
        False, description="judge also rows that a model behind the columns was trained on; the report says so"
    )

    def watched(self, pool: View, on: Progress) -> Report:
        """As `judge`, with a mark in the verdict where training rows were asked for."""
        return self.marked(super().watched(pool, on))

    def marked(self, page: Report) -> Report:
        """The report, with the mark if training rows were asked for."""
        if self.including_training_rows:
            page.verdict += " With the rows that the model was trained on, as asked."
        return page

    def trained(self, pool: View, *columns: str, encoder: str | None = None) -> Trained:
        """The rows that the models behind columns, and behind an encoder by name, were trained on."""
        return trained(pool, columns, [encoder] if encoder else [], counted=self.including_training_rows)


def trained(pool: View, columns: Iterable[str], encoders: Iterable[str] = (), *, counted: bool = False) -> Trained:
    """The rows of the pool, by digest, that the models behind `columns` and `encoders` were trained on.

    A column is followed to the run or head that made it, and to the columns it was made from. One scan of the digests, only
    where there is such a model.
    """
    places = dict.fromkeys([*_models(pool, list(columns), set()), *filter(None, map(_run, encoders))])
    if not places:
        return Trained(_NONE, [], [], counted)
    found = {place: trained_on.read(_at(pool, place)) for place in places}
    known = [numbers for numbers in found.values() if numbers is not None]
    rows = _NONE
    if known:
        numbers = np.unique(np.concatenate(known))
        seen = [trained_on.seen(batch.column(0).to_pylist(), numbers) for batch in pool.batches(["digest"])]
        rows = pool.rows()[np.concatenate([np.empty(0, bool), *seen])]
    silent = [place for place, said in found.items() if said is None]
    return Trained(rows, list(found), silent, counted, tuple(known))


def _models(pool: View, columns: list[str], before: set[str]) -> Iterator[str]:
    """Paths of the runs and heads behind columns, as the commands named them."""
    for column in columns:
        if column in before or column not in pool.schema.names:
            continue
        before.add(column)
        made = pool.schema.field(column).metadata or {}
        asked: Mapping[str, Any] = json.loads(made.get(PARAMETERS, b"{}"))
        for name, given in asked.items():
            for value in given if isinstance(given, list) else [given]:
                if not isinstance(value, str):
                    continue
                if (made.get(OPERATION), name) in _NAMED:
                    yield value.removeprefix("run:").split("?")[0]
                elif run := _run(value):
                    yield run
                else:
                    yield from _models(pool, [value], before)


def _run(name: str) -> str | None:
    """The path in the name `run:PATH?options` of an encoder; None for another one."""
    return name.removeprefix("run:").split("?")[0] if name.startswith("run:") else None


def _at(pool: View, place: str) -> Path:
    """Where a model is now: as named, else of the same name in the pool, which may have moved."""
    named, pool_folder = Path(place).expanduser(), Path(pool.dataset.uri).parent
    beside = [pool_folder / "runs" / named.name, pool_folder / "artifacts" / named.name]
    return next((path for path in (named, *beside) if path.exists()), named)
