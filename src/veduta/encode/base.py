"""What every encoder offers, and the parts that all of them share.

Legend for this room: n images, t texts, d embedding dimensions, s side in pixels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from veduta.errors import BadInput

ADVICE = (
    "For a stronger encoder: pip install 'veduta[clip]', then --encoder open_clip:ViT-B-32/laion2b_s34b_b79k "
    "(it fetches 600 MB once)."
)


@runtime_checkable
class Encoder(Protocol):
    """Images, and perhaps texts, to unit vectors. All methods are thread-safe and pure.

    Attributes: `uri`, the name it was loaded by; `dim`, d of `image`; `side`, s of the square that `image` takes;
    `resize`, the short side that a decoder should deliver at least (more than `side` where a margin is cropped away);
    `fingerprint`, hex sha256 of weights, preprocessing and outputs, the identity of the space of `image`; `licence`;
    `text_dim`, d of `text`, or None without a text side; `shared`, true if `text` lives in the space of `image`;
    `text_fingerprint`, the identity of the space of `text`; `advice`, one sentence on how to do better, or "".
    """

    uri: str
    dim: int
    side: int
    resize: int
    fingerprint: str
    licence: str
    text_dim: int | None
    shared: bool
    text_fingerprint: str | None
    advice: str

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """One image (h, w, 3) uint8 RGB to the (s, s, 3) uint8 square that `image` takes."""
        ...

    def image(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Prepared images (n, s, s, 3) uint8 to (n, dim) float32 of unit norm."""
        ...

    def both(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """One forward pass: `image(images)`, and the images' (n, text_dim) unit vectors in the space of `text`.

        The second is None for an encoder without text, and for a shared one, whose `image` is that already.
        """
        ...

    def text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Texts to (t, text_dim) float32 of unit norm. Raises EncoderError if the encoder has no text side."""
        ...


@dataclass(frozen=True)
class Preprocess:
    """Pixels to network input: short side to `resize`, central square of `side`, then (x / 255 - mean) / std."""

    side: int = 224
    resize: int = 224
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bicubic"

    def __post_init__(self) -> None:
        if self.side < 1 or self.resize < self.side:
            raise BadInput(
                f"resize must be at least side and both positive, got resize={self.resize}, side={self.side}"
            )
        if self.interpolation not in ("bilinear", "bicubic"):
            raise BadInput(f"interpolation must be bilinear or bicubic, got '{self.interpolation}'")
        if len(self.mean) != 3 or len(self.std) != 3:
            raise BadInput(f"mean and std must have three values, got {self.mean} and {self.std}")
        if min(self.std) <= 0:
            raise BadInput(f"std must be positive, got {self.std}")

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """One image (h, w, 3) uint8 to (side, side, 3) uint8; only the central square is resized.

        Raises BadInput for anything but (h, w, 3) uint8.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise BadInput(f"An image must be (h, w, 3) uint8 with h, w > 0, got {image.shape} {image.dtype}")
        height, width = image.shape[:2]
        short = min(height, width)
        crop = self.side if short == self.resize else max(1, round(short * self.side / self.resize))
        top, left = (height - crop) // 2, (width - crop) // 2
        square = image[top : top + crop, left : left + crop]
        if crop == self.side:
            return np.ascontiguousarray(square)
        return resized(square, self.side, self.interpolation)

    def scale_shift(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(3,) float32 each: network input = pixel * scale + shift."""
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        return np.float32(1) / (np.float32(255) * std), -mean / std

    def parameters(self) -> dict[str, object]:
        """The fields, for fingerprints and records."""
        return asdict(self)


def resized(image: NDArray[np.uint8], side: int, interpolation: str) -> NDArray[np.uint8]:
    """One image (h, w, 3) uint8, squeezed into (side, side, 3) uint8; `interpolation` "bilinear" or "bicubic".

    OpenCV's cubic and linear kernels do not widen when an image shrinks, so they alias; whole factors of 2 and more are
    therefore averaged away first, and the kernel does the rest.
    """
    import cv2

    cv2.setNumThreads(1)  # the engine's worker threads are the parallelism; OpenCV's own pool would fight them
    image = np.ascontiguousarray(image)
    height, width = image.shape[:2]
    down, across = max(1, height // side), max(1, width // side)
    if down > 1 or across > 1:
        image = np.asarray(cv2.resize(image, (width // across, height // down), interpolation=cv2.INTER_AREA), np.uint8)
    kernel = cv2.INTER_CUBIC if interpolation == "bicubic" else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (side, side), interpolation=kernel), np.uint8)


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rows (n, d) scaled to unit Euclidean norm, float32; a zero row stays zero."""
    vectors = np.asarray(vectors, np.float32)
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    return vectors / np.maximum(norms, np.finfo(np.float32).tiny)


def fingerprint(**parts: object) -> str:
    """Hex sha256 over the named parts (JSON values), independent of their order."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def checked(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """`images` itself if it is (n, side, side, 3) uint8, else BadInput."""
    if images.ndim != 4 or images.shape[1:] != (side, side, 3) or images.dtype != np.uint8:
        raise BadInput(
            f"images must be (n, {side}, {side}, 3) uint8 as encoder.prepare() makes them, "
            f"got {images.shape} {images.dtype}"
        )
    return images
