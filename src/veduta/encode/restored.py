"""A run's networks built again and filled with its weights. The only module of `run:` that imports torch."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from veduta.encode import network
from veduta.encode.base import Preprocess
from veduta.errors import EncoderError
from veduta.models.build import build
from veduta.models.heads import build_head
from veduta.models.text.build import build_text

BATCH = 64


class Restored:
    """Networks of a run in evaluation mode: `network` or `image` for pixels, heads, and a text tower, as the kind has them."""

    def __init__(self, about: dict[str, Any]) -> None:
        self.about = about
        self.parts = nn.ModuleDict(parts(about))
        self.device = network.device()

    def images(
        self, images: NDArray[np.uint8], preprocess: Preprocess, *, head: bool = True
    ) -> list[NDArray[np.float32]]:
        """Prepared images (n, s, s, 3) uint8 to [features (n, d), and logits (n, c) of a classifier].

        head: send the features through the run's head, if it has one.
        """
        scale, shift = (torch.from_numpy(v).view(1, 3, 1, 1).to(self.device) for v in preprocess.scale_shift())
        found: list[list[torch.Tensor]] = []
        with torch.inference_mode():
            for start in range(0, len(images), BATCH):
                part = torch.from_numpy(np.ascontiguousarray(images[start : start + BATCH])).to(self.device)
                pixels = part.permute(0, 3, 1, 2).float() * scale + shift
                body: Any = self.parts["network"]
                features = body.forward_head(body.forward_features(pixels), pre_logits=True)
                if self.about["kind"] == "classifier":
                    outputs = [features, body(pixels)]
                else:
                    outputs = [self._headed(features) if head else features]
                found.append([output.float().cpu() for output in outputs])
        return [torch.cat(parts).numpy() for parts in zip(*found, strict=True)]

    def activations(
        self, images: NDArray[np.uint8], preprocess: Preprocess, layer: str
    ) -> Iterator[NDArray[np.float32]]:
        """What one layer of the image network gives for prepared images (n, s, s, 3) uint8: (b, ...) float32, 64 images a time.

        layer: its name in the network, as PyTorch has it: body.11, layer4. Raises EncoderError for a name that is none.
        """
        network: Any = self.parts["network"]
        layers = {name: module for name, module in network.named_modules() if name}
        if layer not in layers:
            near = ", ".join(difflib.get_close_matches(layer, layers, 5, 0.3) or list(layers)[-5:])
            raise EncoderError(
                f"the network '{self.about['network']['name']}' has no layer '{layer}' (it has: {near}, ...)"
            )
        scale, shift = (torch.from_numpy(v).view(1, 3, 1, 1).to(self.device) for v in preprocess.scale_shift())
        found: list[torch.Tensor] = []
        # A copy, because what follows in the network may overwrite it (ReLU in place).
        hook = layers[layer].register_forward_hook(lambda _module, _inputs, output: found.append(output.clone()))
        try:
            with torch.inference_mode():
                for start in range(0, len(images), BATCH):
                    part = torch.from_numpy(np.ascontiguousarray(images[start : start + BATCH])).to(self.device)
                    network(part.permute(0, 3, 1, 2).float() * scale + shift)
                    if not found or not isinstance(found[0], torch.Tensor):
                        raise EncoderError(f"the layer '{layer}' gives no single tensor for an image; name another")
                    yield found.pop().float().cpu().numpy()
        finally:
            hook.remove()

    def features(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors (n, d) of the base encoder through the image head, of any norm."""
        with torch.inference_mode():
            return self._headed(torch.from_numpy(vectors).to(self.device)).cpu().numpy()

    def logits(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors (n, d) of the base encoder to what a probe says of them, (n, c)."""
        with torch.inference_mode():
            return self.parts["classifier"](torch.from_numpy(vectors).to(self.device)).cpu().numpy()

    def texts(self, texts: list[str]) -> NDArray[np.float32]:
        """Texts to (t, d), of any norm."""
        tower: Any = self.parts["text"]
        head = self.parts["text_head"]
        found = []
        with torch.inference_mode():
            for start in range(0, len(texts), BATCH):
                tokens = {k: v.to(self.device) for k, v in tower.tokens(texts[start : start + BATCH]).items()}
                found.append(head(tower(tokens)).float().cpu().numpy())
                tower.forget()
        return np.concatenate(found) if found else np.zeros((0, int(self.about["dim"])), np.float32)

    def _headed(self, features: torch.Tensor) -> torch.Tensor:
        return self.parts["image_head"](features) if "image_head" in self.parts else features


def parts(about: dict[str, Any]) -> dict[str, nn.Module]:
    """The networks that `veduta.json` names, without weights."""
    made: dict[str, nn.Module] = {}
    if "network" in about:
        said = about["network"]
        made["network"] = build(said["name"], said["classes"], **said["options"])
    for name in ("image_head", "text_head"):
        if name in about:
            made[name] = build_head(about[name])
    if "classifier" in about:
        made["classifier"] = nn.Linear(about["classifier"]["inputs"], about["classifier"]["classes"])
    if "text" in about:
        made["text"] = build_text(about["text"]["name"], about["text"]["config"])
    return made


def restore(path: Path) -> Restored:
    """Build the run's networks and load `model.safetensors`, whose digest must be the recorded one."""
    from safetensors.torch import load

    about = json.loads((path / "veduta.json").read_text("utf-8"))
    data = (path / "model.safetensors").read_bytes()
    if hashlib.sha256(data).hexdigest() != about["weights"]:
        raise EncoderError(f"the weights in {path} are not those that its record names; restore the folder from a copy")
    restored = Restored(about)
    tensors = load(data)
    for name, part in restored.parts.items():
        own = {key.removeprefix(f"{name}."): v for key, v in tensors.items() if key.startswith(f"{name}.")}
        try:
            part.load_state_dict(own)
        except RuntimeError as error:
            raise EncoderError(
                f"the weights in {path} do not fit the network that its record names ({str(error).splitlines()[0]})"
            ) from None
    restored.parts.eval().to(restored.device)
    return restored
