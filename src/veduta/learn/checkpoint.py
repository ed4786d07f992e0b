"""Checkpoints: tensors in safetensors, everything else in JSON, nothing that can execute code.

A checkpoint is two files. The JSON is written last and holds the digest of the tensors: without it, or with another
digest, the checkpoint does not exist, and the one before it is used. The two newest are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from veduta.engine import faults
from veduta.pool.durable import write_atomically

KEPT = 2


def save(folder: Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write the checkpoint of `step` into `folder` and remove all but the two newest."""
    from safetensors.torch import save as packed

    data = packed({name: value.detach().cpu().contiguous() for name, value in tensors.items()})
    place = folder / f"{step:09d}.safetensors"
    write_atomically(place, data)
    faults.point("learn.tensors")
    about = {"step": step, "tensors": hashlib.sha256(data).hexdigest(), **facts}
    write_atomically(place.with_suffix(".json"), json.dumps(about, indent=1) + "\n")
    faults.point("learn.checkpoint")
    for old in steps(folder)[:-KEPT]:
        for name in (f"{old:09d}.json", f"{old:09d}.safetensors"):
            (folder / name).unlink(missing_ok=True)


def steps(folder: Path) -> list[int]:
    """Steps of the checkpoints whose JSON is there, ascending."""
    return sorted(int(file.stem) for file in folder.glob("[0-9]*.json"))


def newest(folder: Path, say: Callable[[str], None]) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and facts of the newest whole checkpoint, or None; a damaged one is told and passed over."""
    from safetensors.torch import load

    for step in reversed(steps(folder)):
        place = folder / f"{step:09d}.safetensors"
        try:
            facts = json.loads(place.with_suffix(".json").read_text("utf-8"))
            data = place.read_bytes()
        except (OSError, ValueError) as error:
            say(f"the checkpoint of step {step} cannot be read ({error}); the one before it is used")
            continue
        if hashlib.sha256(data).hexdigest() != facts.get("tensors"):
            say(f"the checkpoint of step {step} is damaged; the one before it is used")
            continue
        return load(data), facts
    return None


def optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimiser's state as named tensors and JSON: `optimizer.<parameter number>.<name>`."""
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Any] = {}
    for number, values in optimizer.state_dict()["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{number}.{name}"] = value
            else:
                plain[f"{number}.{name}"] = value
    return tensors, plain


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]
) -> None:
    """Put back what `optimizer_state` gave; the parameter groups keep their present settings."""
    state: dict[int, dict[str, Any]] = {}
    given = {name.removeprefix("optimizer."): v for name, v in tensors.items() if name.startswith("optimizer.")}
    for key, value in [*given.items(), *plain.items()]:
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
