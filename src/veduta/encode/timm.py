"""`timm:NAME`: the image networks of timm, without a text side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veduta.encode import network, options
from veduta.encode.base import Preprocess, checked, fingerprint
from veduta.encode.vocabulary import imagenet_names
from veduta.errors import EncoderError, MissingPackage


class Timm:
    """A network of the package timm, its pooled features before the classifier.

    Naming it fetches its weights once from the Hugging Face hub. Option `pretrained=0` keeps the random weights of
    seed 0 instead and fetches nothing: of use for tests, and as the control of an experiment.
    Preprocessing is the model's own (size, mean, std, crop, interpolation of its pretrained configuration).
    """

    text_dim: int | None = None
    shared = False
    text_fingerprint: str | None = None
    advice = ""

    def __init__(self, name: str, given: Mapping[str, str], threads: int = 1) -> None:
        self.uri = f"timm:{name}" + "".join(f"?{key}={value}" for key, value in sorted(given.items()))
        options.known(self.uri, given, ("pretrained",))
        pretrained = options.flag(self.uri, "pretrained", given.get("pretrained", "1"))
        timm = _timm()
        if not timm.is_model(name):
            near = ", ".join(timm.list_models(f"{name.split('.')[0].split('_')[0]}*")[:5])
            raise EncoderError(f"timm has no model '{name}'" + (f"; it has, for instance: {near}" if near else ""))
        self._asked = (name, pretrained)
        model = self._created(num_classes=0)
        self._device = network.device()
        self._model: Any = model.eval().to(self._device)
        self._preprocess = _preprocess(timm.data.resolve_model_data_config(model))
        self.side, self.resize = self._preprocess.side, self._preprocess.resize
        self.dim = int(model.num_features if not hasattr(model, "head_hidden_size") else model.head_hidden_size)
        self.licence = str(model.pretrained_cfg.get("license") or "unknown")
        self.fingerprint = fingerprint(
            weights=network.weights_digest(model), preprocess=self._preprocess.parameters(), outputs=["pooled"]
        )

    def _created(self, **given: Any) -> Any:
        timm, torch = _timm(), _torch()
        name, pretrained = self._asked
        mend = "check the connection to the Hugging Face hub, or use --encoder offline"
        with network.fetching(self.uri, mend), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return timm.create_model(name, pretrained=pretrained, **given)

    @cached_property
    def _whole(self) -> Any:
        """The network with its classifier."""
        return self._created().eval().to(self._device)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of ImageNet's 1,000 classes where they are what the network's own classifier tells apart, else none."""
        count = self._model.pretrained_cfg.get("num_classes")
        return imagenet_names() if count == len(imagenet_names()) else ()

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, side, side, 3) uint8 to what the network's own classifier says, (n, classes) float32."""
        return network.outputs(self._whole, checked(images, self.side), self._preprocess, self._device)

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """One image (h, w, 3) uint8 to (side, side, 3) uint8."""
        return self._preprocess.prepare(image)

    def image(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, side, side, 3) uint8 to (n, dim) float32 of unit norm; half precision on a GPU."""
        images = checked(images, self.side)
        if not len(images):
            return np.zeros((0, self.dim), np.float32)
        return network.vectors(self._model, images, self._preprocess, self._device)

    def both(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], None]:
        """`image(images)` and None: there is no text side."""
        return self.image(images), None

    def text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Raises EncoderError: timm's networks know no text."""
        raise EncoderError(f"The encoder '{self.uri}' has no text side; use offline or open_clip:ARCH/TAG for text")


def _preprocess(config: Mapping[str, Any]) -> Preprocess:
    side = int(config["input_size"][1])
    return Preprocess(
        side=side,
        # timm scales the short side to floor(side / crop_pct), then crops; "squash" and "border" crops are not used.
        resize=max(side, int(side / float(config["crop_pct"]))),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation="bilinear" if config["interpolation"] == "bilinear" else "bicubic",
    )


def _timm() -> Any:
    try:
        import timm
        import timm.data
    except ImportError as error:
        raise MissingPackage("timm", needed_by="an encoder timm:NAME") from error
    return timm


def _torch() -> Any:
    import torch

    return torch


def load(name: str, given: dict[str, str], threads: int) -> Timm:
    """Opener of the scheme `timm`. torch sets its own number of threads; `threads` has no effect."""
    return Timm(name, given, threads)
