"""The folder of a run: what was asked, how far it is, and what came of it.

runs/classify/
  run.json             what was asked: operation, parameters, pool version, rows; written first
  checkpoint/          how far it is; gone when the run is done
  curve.csv curve.png  how it went
  best.safetensors     the weights that were best on the validation rows so far
  last.safetensors     the weights of the last step
  model.safetensors    the weights to use (the best ones, or what a learner makes of them)
  trained_on.safetensors  digests of the images that it was trained on
  model.onnx           the same for ONNX Runtime, where the network can be exported
  card.md              the run in words
  veduta.json          what the model is; written last: without it the run is not done
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput
from veduta.pool import Pool
from veduta.pool.durable import write_atomically
from veduta.pool.lineage import now

if TYPE_CHECKING:
    from torch import Tensor, nn

RUNS = "runs"
ASKED, MODEL, LOCK = "run.json", "veduta.json", ".lock"


def place(pool: Pool, name: str) -> Path:
    """The path of the run `name`. Raises BadInput for a name that would be no folder of its own."""
    if not name.replace("-", "_").replace(".", "_").isidentifier():
        raise BadInput(
            f"a run's name must be letters, digits, dots, dashes and underscores and start with a letter, got '{name}'"
        )
    return pool.path / RUNS / name


class RunFolder:
    """One run in `<pool>/runs/<name>`."""

    def __init__(self, path: Path, asked: Mapping[str, Any]) -> None:
        self.path = path
        self.asked = dict(asked)

    @classmethod
    def open(cls, path: Path, pool: Pool, asked: Mapping[str, Any]) -> RunFolder:
        """The folder of a run, new or of an earlier call of the same command. Call it while no other command works there.

        asked: `operation`, `parameters` and `rows` (where, selection), JSON-serialisable; the pool's version is added.
        Raises BadInput if the folder holds another run, naming the first difference. Nothing that was trained is
        overwritten; a run that never began, because its command was wrong, makes room.
        """
        asked = json.loads(json.dumps(asked))
        have = _recorded(path)
        if have is not None:
            folder = cls(path, have)
            difference = _difference({k: have.get(k) for k in asked}, asked)
            if not difference:
                return folder
            if folder.begun:
                raise BadInput(
                    f"the run {path} was made with {difference}; choose another name with --as, or remove that folder"
                )
        whole = {**asked, "pool_version": pool.version, "started": now()}
        write_atomically(path / ASKED, json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
        return cls(path, whole)

    @property
    def begun(self) -> bool:
        """Whether there is anything that was trained."""
        return self.done or self.checkpoints.exists()

    @property
    def done(self) -> bool:
        """Whether the run came to its end."""
        return (self.path / MODEL).exists()

    @property
    def version(self) -> int:
        """The version of the pool that the run reads, also if the pool has grown since."""
        return int(self.asked["pool_version"])

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoint"

    def save_best(self, module: nn.Module) -> None:
        """Keep the module's weights as the best so far."""
        _save(module.state_dict(), self.path / "best.safetensors")

    def finish(self, module: nn.Module, kept: Mapping[str, Tensor], about: Mapping[str, Any], card: str) -> None:
        """Write weights, card and record; the record is last, and the checkpoints go after it.

        module: holds the last weights when this is called. kept: the weights to use.
        """
        _save(module.state_dict(), self.path / "last.safetensors")
        _save(kept, self.path / "model.safetensors")
        self.seal(about, card)
        (self.path / "best.safetensors").unlink()
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def save_model(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Write the weights of a model that has no best and last."""
        from safetensors.numpy import save

        write_atomically(self.path / "model.safetensors", save(dict(arrays)))

    def seal(self, about: Mapping[str, Any], card: str) -> None:
        """Write the card and the record of a run whose weights are in `model.safetensors`."""
        weights = hashlib.sha256((self.path / "model.safetensors").read_bytes()).hexdigest()
        write_atomically(self.path / "card.md", card)
        record = {"format": 1, **about, "weights": weights, "asked": self.asked, "finished": now()}
        write_atomically(self.path / MODEL, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def _save(tensors: Mapping[str, Tensor], place: Path) -> None:
    from safetensors.torch import save

    write_atomically(place, save({name: value.detach().cpu().contiguous() for name, value in tensors.items()}))


def _recorded(path: Path) -> dict[str, Any] | None:
    """What was asked of the run in a folder, or None for a new one. Raises BadInput for a folder of other things."""
    if not any(file.name != LOCK for file in path.iterdir()):
        return None
    try:
        return json.loads((path / ASKED).read_text("utf-8"))
    except (OSError, ValueError):
        raise BadInput(f"{path} is not a run; choose another name with --as") from None


def _difference(have: Any, asked: Any, name: str = "") -> str:
    """The first difference of two JSON values in words, or ""."""
    if isinstance(have, dict) and isinstance(asked, dict):
        for key in sorted({*have, *asked}):
            found = _difference(have.get(key), asked.get(key), key)
            if found:
                return found
        return ""
    return "" if have == asked else f"{name} {_shown(have)} instead of {_shown(asked)}"


def _shown(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)
