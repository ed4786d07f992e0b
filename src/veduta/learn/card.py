"""The card of a model: what it is, what it was trained on, how good it is, in words a person reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from veduta._version import __version__
from veduta.learn.folder import RunFolder


def card(folder: RunFolder, about: Mapping[str, Any]) -> str:
    """Markdown."""
    asked, training = folder.asked, about["training"]
    lines = [f"# {folder.path.name}", ""]
    lines += [f"A {about['kind']} trained by `veduta learn {asked['operation']}` (Veduta {__version__}).", ""]
    lines += ["## Results", ""]
    figures = about.get("figures") or {"none": "no rows were held out"}
    lines += [f"- {name.replace('_', ' ')}: {_number(value)}" for name, value in figures.items()]
    lines += ["", f"On {training['validation_rows']:,} validation rows"]
    if "steps" in training:
        lines[-1] += (
            f", with the weights of step {training['best_step']:,} of {training['steps']:,}, chosen on these rows"
        )
    lines[-1] += "."
    lines += ["", "## Data", ""]
    where, selection = asked["rows"]["where"], asked["rows"]["selection"]
    part = f" where `{where}`" if where else ""
    part += f", selection `{selection}`" if selection else ""
    lines += [f"- {training['rows']:,} training rows of version {asked['pool_version']} of the pool{part}"]
    lines += [f"- left aside: {count:,} {reason}" for reason, count in training["skipped"].items()]
    if about.get("init"):
        lines += [f"- started from {about['init']['run']}, weights {about['init']['weights'][:16]}"]
    if about.get("evaluation_sets"):
        sets = ", ".join(about["evaluation_sets"])
        lines += [
            f"- training rows of these evaluation sets are among them, so results on their tests flatter it: {sets}"
        ]
    if about.get("classes"):
        lines += [f"- {len(about['classes'])} classes: {', '.join(about['classes'][:30])}"]
    lines += ["", "## Model", ""]
    lines += [f"- {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in about.get("model", {}).items()]
    lines += [f"- export: {about.get('export', 'none')}", "", "## Parameters", "", "```"]
    lines += [f"{name}: {json.dumps(value)}" for name, value in asked["parameters"].items()]
    return "\n".join([*lines, "```", ""])


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
