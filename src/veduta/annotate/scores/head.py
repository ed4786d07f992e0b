"""Heads: small networks from an embedding to one number, kept as safetensors and JSON.

Legend: n rows, d embedding dimensions.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput, SourceError

Output = Literal["identity", "sigmoid", "clip"]
Layer = tuple[NDArray[np.float32], NDArray[np.float32]]
FORMAT = "veduta-head-1"


@dataclass(frozen=True, slots=True)
class Layout:
    """A published head: sizes of its linears; how many of them, from the first, are followed by a ReLU; its output."""

    sizes: tuple[int, ...]
    relus: int
    output: Output
    encoder: str


# The heads published with LAION-5B (card figures; LAION-AI/CLIP-based-NSFW-Detector, LAION-AI/aesthetic-predictor).
# Their weights are the user's to supply, as safetensors; dropout does nothing at inference.
LAYOUTS = {
    "laion-nsfw-h14": Layout(
        (1024, 1024, 2048, 1024, 256, 128, 16, 1), 5, "clip", "open_clip ViT-H-14, laion2b_s32b_b79k"
    ),
    "laion-aesthetic-l14": Layout((768, 1), 0, "identity", "OpenAI CLIP ViT-L/14"),
    "laion-aesthetic-b32": Layout((512, 1), 0, "identity", "OpenAI CLIP ViT-B/32"),
}


@dataclass(frozen=True, slots=True)
class Head:
    """Linears, the first `relus` of them followed by a ReLU; then identity, a sigmoid, or a clip to [0, 1].

    layers: [(weight (out, in), bias (out,)), ...] float32, the last with out = 1. fingerprint: of the encoder whose
    vectors it was made for, "" if unknown. facts: how it was made and what it measured.
    """

    layers: tuple[Layer, ...]
    relus: int
    output: Output
    fingerprint: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = [self.layers[0][0].shape[1], *(len(bias) for _, bias in self.layers)] if self.layers else [0]
        shapes = [weight.shape for weight, _ in self.layers]
        if sizes[-1] != 1 or shapes != list(zip(sizes[1:], sizes[:-1], strict=True)):
            raise BadInput(f"the layers of a head must chain to one output, got weights of shapes {shapes}")

    @property
    def dim(self) -> int:
        """d of the vectors that it takes."""
        return self.layers[0][0].shape[1]

    def __call__(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """(n, d) to (n,) float32."""
        values = np.asarray(vectors, np.float32)
        if values.ndim != 2 or values.shape[1] != self.dim:
            raise BadInput(f"this head takes vectors of {self.dim} dimensions, got shape {values.shape}")
        for place, (weight, bias) in enumerate(self.layers):
            values = values @ weight.T + bias
            if place < self.relus:
                values = np.maximum(values, 0)
        values = values[:, 0]
        if self.output == "sigmoid":
            return (0.5 * (1 + np.tanh(0.5 * values))).astype(np.float32)
        return np.clip(values, 0, 1) if self.output == "clip" else values

    def digest(self) -> str:
        """Hex SHA-256 of weights and form: the identity of its scores."""
        total = hashlib.sha256(f"{self.relus}:{self.output}:{self.fingerprint}".encode())
        for weight, bias in self.layers:
            total.update(np.ascontiguousarray(weight).tobytes() + np.ascontiguousarray(bias).tobytes())
        return total.hexdigest()

    def save(self, path: str | Path) -> Path:
        """Write `path` (weights) and beside it the same name with .json (form, fingerprint, facts)."""
        from safetensors.numpy import save

        from veduta.pool.durable import write_atomically

        path = Path(path).with_suffix(".safetensors")
        tensors = {
            f"{i}.{name}": np.ascontiguousarray(value)
            for i, layer in enumerate(self.layers)
            for name, value in zip(("weight", "bias"), layer, strict=True)
        }
        write_atomically(path, save(tensors))
        form = {
            "format": FORMAT,
            "relus": self.relus,
            "output": self.output,
            "fingerprint": self.fingerprint,
            "facts": self.facts,
        }
        write_atomically(path.with_suffix(".json"), json.dumps(form, indent=1) + "\n")
        return path


def load_head(path: str | Path, layout: str | None = None) -> Head:
    """A head saved by `Head.save`, or with `layout` the weights of a published one as plain safetensors.

    Weights are matched by the numbers in their names, in ascending order, whatever the prefixes. Pickle files (.pt,
    .pth, .ckpt) are never opened. Raises SourceError for a file that is not such a head, BadInput for a wrong layout.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise BadInput(
            f"a head must be a .safetensors file, got {path.name}; convert other weights with safetensors first"
        )
    if not path.is_file():
        raise SourceError(f"the head {path} does not exist")
    layers = _layers(path)
    if layout is not None:
        if layout not in LAYOUTS:
            raise BadInput(f"there is no layout '{layout}'; there are: {', '.join(LAYOUTS)}")
        known = LAYOUTS[layout]
        sizes = (layers[0][0].shape[1], *(len(bias) for _, bias in layers))
        if sizes != known.sizes:
            raise BadInput(f"{path.name} holds linears of sizes {sizes}, and the layout '{layout}' has {known.sizes}")
        return Head(layers, known.relus, known.output, "", {"layout": layout, "encoder": known.encoder})
    form = path.with_suffix(".json")
    try:
        said = json.loads(form.read_text("utf-8"))
        if said["format"] != FORMAT or said["output"] not in ("identity", "sigmoid", "clip"):
            raise ValueError(f"its format is {said['format']}, output {said['output']}")
        return Head(layers, int(said["relus"]), said["output"], str(said["fingerprint"]), dict(said["facts"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{form.name} beside {path.name} does not describe a head ({error}); name the layout of foreign weights: {', '.join(LAYOUTS)}"
        ) from None


def _layers(path: Path) -> tuple[Layer, ...]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(path.read_bytes())
    except SafetensorError as error:
        raise SourceError(f"{path} is not a safetensors file: {error}") from None
    weights = sorted((name for name in tensors if name.endswith("weight")), key=_numbers)
    layers = []
    for name in weights:
        weight, bias = tensors[name], tensors.get(name.removesuffix("weight") + "bias")
        if weight.ndim != 2 or bias is None or bias.shape != weight.shape[:1]:
            raise SourceError(
                f"{path.name} is not a chain of linears: '{name}' has shape {weight.shape} and no fitting bias"
            )
        layers.append((weight.astype(np.float32), bias.astype(np.float32)))
    if not layers:
        raise SourceError(f"{path.name} holds no weights of linears")
    return tuple(layers)


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", name))
