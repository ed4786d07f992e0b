"""A classifier asked at every place of an image: a map of logits in the place of one vector of them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veduta.encode import cache, network
from veduta.encode.base import checked, fingerprint, resized
from veduta.encode.session import Session
from veduta.errors import EncoderError

VERSION = 1
"""Part of the name of every converted file: raise it when the graph changes."""

CHUNK = {"onnx": 2, "cpu": 1, "cuda": 64}
"""Images in one forward pass. torch on a CPU multiplies one image with another kernel than several, and an image's map must not
depend on its neighbours."""

SHARE = 0.7
"""The default side is the classifier's own divided by this, in steps of 32: 320 for one of 224 pixels, which is 10 x 10 places."""


class Dense:
    """Logits (n, C, h, w) of the classifier `uri` at the places of whole images, squeezed into a square of `size` pixels.

    uri: `offline` (EfficientNet-Lite0 on ImageNet), `timm:NAME` (a classifier of ImageNet-1k), or `run:FOLDER` of learn classify or
    of learn probe on one of these. The mean over the last feature map is left out and the linear layer after it becomes a 1 x 1
    convolution with the same weights, which gives the same: the mean of a map is the classifier's logits for that square. A
    probe takes vectors of unit norm; its maps are divided by the norm of the image's vector, so that this holds for it too.
    size: 0 is the classifier's own side / 0.7, in steps of 32.

    On a CPU it runs on ONNX Runtime, from a file that is made once (it imports torch), or on torch where the network cannot be
    exported. Thread-safe. Raises EncoderError for other classifiers, above all those whose head is not mean, then linear.
    """

    def __init__(self, uri: str, size: int = 0) -> None:
        from veduta.encode import dense_network

        self.uri = uri
        self.source = dense_network.source(uri)
        self.classes = self.source.classes
        self.size = size or max(32, round(self.source.preprocess.side / SHARE / 32) * 32)
        self.fingerprint = fingerprint(
            weights=self.source.weights, preprocess=self.source.preprocess.parameters(), size=self.size, version=VERSION
        )
        self.shape = dense_network.checked_shape(self.source, self.size)
        self._session = Session(self._converted)

    @functools.cached_property
    def _on(self) -> str:
        """What it runs on."""
        if network.device() != "cpu":
            return network.device()
        try:
            self._session.open()
        except EncoderError:
            return "cpu"  # no ONNX file of this network: torch gives the same, more slowly
        return "onnx"

    def _converted(self) -> Any:
        from veduta.encode import dense_network

        return cache.made(
            f"dense-{self.fingerprint[:24]}.onnx",
            lambda target: dense_network.export(self.source, self.size, target),
        )

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """One image (h, w, 3) uint8, all of it, to (size, size, 3) uint8."""
        return resized(image, self.size, self.source.preprocess.interpolation)

    def maps(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, size, size, 3) uint8 to (n, C, h, w) float32 logits."""
        images = checked(images, self.size)
        found = np.empty((len(images), len(self.classes), *self.shape), np.float32)
        for start in range(0, len(images), CHUNK[self._on]):
            part = slice(start, start + CHUNK[self._on])
            found[part] = self._forward(images[part])
        return found

    def _forward(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self._on == "onnx":
            return self._session.run(["maps"], {"images": np.ascontiguousarray(images)})[0]
        from veduta.encode import dense_network

        return dense_network.forward(self.source, images)


@functools.cache
def dense(uri: str, size: int = 0) -> Dense:
    """The classifier, opened once a process."""
    return Dense(uri, size)
