"""`open_clip:ARCH/TAG`: CLIP models, images and texts in one space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veduta.encode import network, options
from veduta.encode.base import Preprocess, checked, fingerprint, unit
from veduta.errors import EncoderError, MissingPackage

BATCH = 64
"""Texts in one forward pass."""


class OpenCLIP:
    """A model of the package open_clip (Radford et al. 2021, arXiv 2103.00020; Cherti et al. 2023, arXiv 2212.07143).

    Naming it fetches its weights once. Option `pretrained=0` takes ARCH alone and keeps the random weights of seed 0,
    fetching nothing. Preprocessing is the model's own.
    """

    shared = True
    advice = ""

    def __init__(self, name: str, given: Mapping[str, str], threads: int = 1) -> None:
        self.uri = f"open_clip:{name}" + "".join(f"?{key}={value}" for key, value in sorted(given.items()))
        options.known(self.uri, given, ("pretrained",))
        pretrained = options.flag(self.uri, "pretrained", given.get("pretrained", "1"))
        open_clip, torch = _open_clip(), _torch()
        arch, _, tag = name.partition("/")
        if arch not in open_clip.list_models():
            raise EncoderError(
                f"open_clip has no architecture '{arch}'; write for instance open_clip:ViT-B-32/laion2b_s34b_b79k"
            )
        tags = open_clip.list_pretrained_tags_by_model(arch)
        if pretrained and tag not in tags:
            raise EncoderError(
                f"The encoder '{self.uri}' needs a tag after '{arch}/', one of: {', '.join(tags) or 'none'}"
            )
        mend = "check the connection to the Hugging Face hub, or use --encoder offline"
        with network.fetching(self.uri, mend), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = open_clip.create_model(arch, pretrained=tag if pretrained else None)
            self._tokenizer: Any = open_clip.get_tokenizer(arch)
        self._device = network.device()
        self._model: Any = model.eval().to(self._device)
        self._preprocess = _preprocess(open_clip.get_model_preprocess_cfg(model))
        self.side, self.resize = self._preprocess.side, self._preprocess.resize
        self.fingerprint = fingerprint(
            weights=network.weights_digest(model), preprocess=self._preprocess.parameters(), outputs=["clip"]
        )
        self.text_fingerprint: str | None = self.fingerprint
        self.dim = int(self.image(np.zeros((1, self.side, self.side, 3), np.uint8)).shape[1])
        self.text_dim: int | None = self.dim
        self.licence = "unknown"

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """One image (h, w, 3) uint8 to (side, side, 3) uint8."""
        return self._preprocess.prepare(image)

    def image(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, side, side, 3) uint8 to (n, dim) float32 of unit norm; half precision on a GPU."""
        images = checked(images, self.side)
        if not len(images):
            return np.zeros((0, self.dim), np.float32)
        return network.vectors(self._model.encode_image, images, self._preprocess, self._device)

    def both(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], None]:
        """`image(images)` and None: texts share its space."""
        return self.image(images), None

    def text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Texts to (t, dim) float32 of unit norm, in the space of `image`."""
        torch = _torch()
        rows = [np.zeros((0, self.dim), np.float32)]
        with torch.inference_mode(), network.autocast(self._device):
            for start in range(0, len(texts), BATCH):
                tokens = self._tokenizer(list(texts[start : start + BATCH])).to(self._device)
                rows.append(self._model.encode_text(tokens).float().cpu().numpy())
        return unit(np.concatenate(rows))


def _preprocess(config: Mapping[str, Any]) -> Preprocess:
    size = config["size"]
    side = int(size[0] if isinstance(size, tuple | list) else size)
    return Preprocess(
        side=side,
        resize=side,
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation="bilinear" if config.get("interpolation") == "bilinear" else "bicubic",
    )


def _open_clip() -> Any:
    try:
        import open_clip
    except ImportError as error:
        raise MissingPackage("open_clip_torch", needed_by="an encoder open_clip:ARCH/TAG", extra="clip") from error
    return open_clip


def _torch() -> Any:
    import torch

    return torch


def load(name: str, given: dict[str, str], threads: int) -> OpenCLIP:
    """Opener of the scheme `open_clip`. torch sets its own number of threads; `threads` has no effect."""
    return OpenCLIP(name, given, threads)
