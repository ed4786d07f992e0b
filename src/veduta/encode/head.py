"""A linear classifier over the space of one encoder, and the file that it lives in.

Legend: n images, v views, d dimensions, k classes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from veduta.encode.base import unit
from veduta.encode.views import Views
from veduta.errors import BadInput, SpaceMismatch
from veduta.pool.durable import write_atomically


@dataclass(frozen=True, slots=True)
class Facts:
    """What a head is besides its numbers.

    fingerprint: of the encoder whose vectors it takes, "" if unknown. power: exponent of the signed power that comes
    before the linear layer, 1 for none. exclusive: one class an image, or any number of labels. C: as fitted.
    """

    classes: tuple[str, ...]
    classifier: Literal["linear-svm", "logistic"]
    exclusive: bool
    encoder: str
    fingerprint: str
    views: Views
    power: float
    C: float


@dataclass(frozen=True, slots=True)
class Head:
    """weights: (k, d) float32, bias: (k,) float32."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    facts: Facts

    def scores(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """(n, d), or (n, v, d) for several views, to (n, k) float32, averaged over views.

        Margins for a linear SVM, probabilities for logistic regression (which sum to 1 if the classes are exclusive).
        """
        if vectors.ndim not in (2, 3) or vectors.shape[-1] != self.weights.shape[1]:
            raise BadInput(
                f"vectors must be (n, {self.weights.shape[1]}) or (n, views, {self.weights.shape[1]}), got {vectors.shape}"
            )
        if vectors.ndim == 2:
            return self._scores(vectors)
        n, v, d = vectors.shape
        return self._scores(vectors.reshape(n * v, d)).reshape(n, v, -1).mean(1)

    def _scores(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        margins = np.asarray(shaped(vectors, self.facts.power) @ self.weights.T + self.bias, np.float32)
        if self.facts.classifier == "linear-svm":
            return margins
        if self.facts.exclusive:
            exponentials = np.exp(margins - margins.max(1, keepdims=True))
            return exponentials / exponentials.sum(1, keepdims=True)
        return (1 / (1 + np.exp(-margins))).astype(np.float32)

    @property
    def threshold(self) -> float:
        """The score above which a label of a non-exclusive head counts as present."""
        return 0.0 if self.facts.classifier == "linear-svm" else 0.5

    def requires(self, fingerprint: str, what: str) -> None:
        """Raise SpaceMismatch unless the vectors of `what` come from the head's own encoder."""
        if self.facts.fingerprint != fingerprint:
            raise SpaceMismatch(
                f"the head was fitted on vectors of '{self.facts.encoder or 'an unknown source'}' "
                f"({self.facts.fingerprint[:12] or 'no fingerprint'}), but {what} has the fingerprint "
                f"{fingerprint[:12] or '(none)'}; embed with the head's encoder, or fit a new head"
            )

    def digest(self) -> str:
        """Hex sha256 of the facts and the numbers."""
        facts = json.dumps(asdict(self.facts), sort_keys=True).encode()
        return hashlib.sha256(facts + self.weights.tobytes() + self.bias.tobytes()).hexdigest()

    def save(self, folder: Path) -> Path:
        """Write `head-<hash of the content>.safetensors`, the facts in its header; returns the path."""
        from safetensors.numpy import save

        metadata = {"kind": "head", "facts": json.dumps(asdict(self.facts), sort_keys=True)}
        data = save({"weights": self.weights, "bias": self.bias}, metadata=metadata)
        path = folder / f"head-{self.digest()[:16]}.safetensors"
        write_atomically(path, data)
        return path

    @classmethod
    def load(cls, path: str | Path) -> Head:
        """Read a saved head. Raises BadInput if the file is missing or is not one."""
        from safetensors import SafetensorError, safe_open

        if not Path(path).is_file():
            raise BadInput(f"head must be a file made by 'veduta judge baseline', but {path} does not exist")
        try:
            with safe_open(str(path), framework="numpy") as stored:
                facts: dict[str, Any] = json.loads((stored.metadata() or {})["facts"])
                weights, bias = stored.get_tensor("weights"), stored.get_tensor("bias")
            return cls(weights, bias, Facts(**{**facts, "classes": tuple(facts["classes"])}))
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise BadInput(
                f"{path} is not a head made by 'veduta judge baseline' ({error}); name another file"
            ) from None


def shaped(vectors: NDArray[np.floating], power: float) -> NDArray[np.float32]:
    """Unit norm, then sign(x) |x|^power and unit norm again where the power is not 1: (..., d) float32."""
    rows = unit(np.asarray(vectors).reshape(-1, vectors.shape[-1]))
    rows = rows if power == 1 else unit(np.sign(rows) * np.abs(rows) ** np.float32(power))
    return rows.reshape(vectors.shape)
