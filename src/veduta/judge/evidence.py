"""What a proof says: measured values, the conditions that the claim stands or falls with, and the verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from veduta.errors import BadInput

Kind = Literal["arm", "baseline", "control"]
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Measure:
    """One number: `arm` on `task`. kind: the system itself, a baseline it must beat, or a control that must not work.

    interval: 95 % confidence; n: on how many cases.
    """

    task: str
    arm: str
    metric: str
    value: float
    kind: Kind = "arm"
    interval: Interval | None = None
    n: int | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that must hold; `interval` says how sure the measured value is, but only the value decides."""

    name: str
    measured: float
    must: Literal[">=", "<="]
    bound: float
    interval: Interval | None = None

    @property
    def holds(self) -> bool:
        """False for NaN: what could not be measured is not shown."""
        if math.isnan(self.measured):
            return False
        return self.measured >= self.bound if self.must == ">=" else self.measured <= self.bound


@dataclass(slots=True)
class Proof:
    """A claim and its evidence. The claim holds if every condition does; without conditions nothing is shown."""

    slug: str
    claim: str
    source: str = ""
    measured: list[Measure] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)

    def measure(
        self,
        task: str,
        arm: str,
        metric: str,
        value: float,
        *,
        kind: Kind = "arm",
        interval: Interval | None = None,
        n: int | None = None,
    ) -> float:
        """Note a measured value and give it back."""
        self.measured.append(Measure(task, arm, metric, float(value), kind, interval, n))
        return float(value)

    def must(
        self,
        name: str,
        measured: float,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        interval: Interval | None = None,
    ) -> bool:
        """State a condition, written down before the run; returns whether it holds."""
        if (at_least is None) == (at_most is None):
            raise BadInput(f"the condition '{name}' needs exactly one of at_least and at_most")
        if at_least is not None:
            condition = Condition(name, float(measured), ">=", float(at_least), interval)
        else:
            condition = Condition(name, float(measured), "<=", float(at_most or 0.0), interval)
        self.conditions.append(condition)
        return condition.holds

    def note(self, text: str) -> None:
        """Something that the reader of the verdict must know."""
        self.notes.append(text)

    @property
    def holds(self) -> bool:
        """Whether the claim was shown."""
        return bool(self.conditions) and all(condition.holds for condition in self.conditions)

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        failed = [condition.name for condition in self.conditions if not condition.holds]
        if not self.conditions:
            return "nothing shown: the proof states no condition"
        if not failed:
            return f"holds: all {len(self.conditions)} conditions are met"
        return f"does not hold: {len(failed)} of {len(self.conditions)} conditions fail ({'; '.join(failed)})"

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-serialisable; NaN becomes null."""
        return {
            "slug": self.slug,
            "claim": self.claim,
            "source": self.source,
            "verdict": self.verdict,
            "holds": self.holds,
            "conditions": [
                {
                    "name": c.name,
                    "measured": _number(c.measured),
                    "must": c.must,
                    "bound": _number(c.bound),
                    "interval": _numbers(c.interval),
                    "holds": c.holds,
                }
                for c in self.conditions
            ],
            "measured": [
                {
                    "task": m.task,
                    "arm": m.arm,
                    "kind": m.kind,
                    "metric": m.metric,
                    "value": _number(m.value),
                    "interval": _numbers(m.interval),
                    "n": m.n,
                }
                for m in self.measured
            ],
            "notes": self.notes,
            "details": self.details,
            **self.record,
        }


def _number(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None


def _numbers(interval: Interval | None) -> list[float | None] | None:
    return None if interval is None else [_number(value) for value in interval]
