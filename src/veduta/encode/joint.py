"""Images of `offline` in the space of its texts: ConSE blended with a fitted linear map.

Legend: n images, d = 1280 image dimensions, c = 1000 classes, t = 384 text dimensions, r rank of the map.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veduta.encode.base import unit
from veduta.encode.conse import conse

ARTEFACT = Path(__file__).parent / "data" / "offline_map.safetensors"


@dataclass(frozen=True)
class Blend:
    """temperature: divides the logits before the softmax of ConSE; top: classes that ConSE averages; blend: share of the
    map in [0, 1], the rest being ConSE's."""

    temperature: float = 1.0
    top: int = 10
    blend: float = 0.0

    def mix(self, by_classes: NDArray[np.float32], by_map: NDArray[np.float32]) -> NDArray[np.float32]:
        """Two (n, t) sets of unit vectors to their weighted mean, scaled to unit norm."""
        return unit((1 - self.blend) * by_classes + self.blend * by_map)


@dataclass(frozen=True)
class Joint:
    """The map x -> x @ left @ right + bias and how it is blended. left (d, r), right (r, t), bias (t,) float32."""

    left: NDArray[np.float32]
    right: NDArray[np.float32]
    bias: NDArray[np.float32]
    rule: Blend
    digest: str

    def __call__(
        self, features: NDArray[np.float32], logits: NDArray[np.float32], words: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Unit features (n, d), logits (n, c) and class-name vectors (c, t) to (n, t) unit vectors."""
        return self.rule.mix(
            conse(logits, words, self.rule.top, self.rule.temperature),
            linear(features, self.left, self.right, self.bias),
        )


def linear(
    features: NDArray[np.float32], left: NDArray[np.float32], right: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float32]:
    """unit(features @ left @ right + bias), row by row: a matrix product of many rows rounds otherwise than one of few,
    and a vector must not depend on its batch."""
    rows = [row @ left @ right for row in features]
    return unit(np.asarray(rows, np.float32).reshape(-1, bias.shape[0]) + bias)


@cache
def joint() -> Joint:
    """The shipped map, made by `python -m veduta.encode.fit_map`."""
    from safetensors import safe_open

    data = ARTEFACT.read_bytes()
    with safe_open(str(ARTEFACT), "numpy") as file:
        left, right, bias = (file.get_tensor(name).astype(np.float32) for name in ("left", "right", "bias"))
        about = json.loads(file.metadata()["veduta"])
    return Joint(left, right, bias, Blend(**about["rule"]), hashlib.sha256(data).hexdigest())


def save(
    file: Path,
    left: NDArray[np.floating],
    right: NDArray[np.floating],
    bias: NDArray[np.floating],
    rule: Blend,
    about: dict[str, object],
) -> None:
    """Write an artefact that `joint` reads: factors in half precision, bias in single."""
    from safetensors.numpy import save as packed

    tensors = {"left": left.astype(np.float16), "right": right.astype(np.float16), "bias": bias.astype(np.float32)}
    # One metadata key: safetensors writes several in random order, and the file must come out the same each time.
    file.write_bytes(packed(tensors, metadata={"veduta": json.dumps({**about, "rule": asdict(rule)}, sort_keys=True)}))
