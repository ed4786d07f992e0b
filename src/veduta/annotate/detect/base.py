"""What a detector is, and what detectors share: fitting an image into a square, and suppressing doubles."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from veduta.encode import cache
from veduta.encode.session import Session
from veduta.errors import BadInput, EncoderError

FLOOR = 0.05
"""Boxes below this score are never told: they are noise, and there are thousands."""

MOST = 300
"""Candidates of one image that are compared with each other, the best ones; some networks are a little sure everywhere."""

Boxes = NDArray[np.float32]
"""(m, 5): x1, y1, x2, y2 in pixels of the image that was looked at, and the score in [0, 1]; the highest score first."""


class Detector(Protocol):
    """Finds things of one kind. name: kind and digest of its weights, as the columns' metadata keeps it.

    side: the short side in pixels that is enough for it; threshold: the score from which a box counts unless the user says
    otherwise. `find` takes n images (h, w, 3) uint8 RGB of any sizes and gives the boxes of each. Thread-safe.
    """

    name: str
    side: int
    threshold: float

    def find(self, images: Sequence[NDArray[np.uint8]]) -> list[Boxes]: ...


class Network:
    """An ONNX detector: one input of images, run one image at a time or, where its shape allows it, all at once.

    outputs: how many the network must have. Raises BadInput where the file is another network.
    """

    def __init__(self, kind: str, file: str, outputs: int) -> None:
        digest = cache.file_digest(Path(file))
        self.name = f"{kind}:{digest[:16]}"
        self._session = Session(lambda: Path(file))
        try:
            opened = self._session.open()
            if opened.get_overridable_initializers():
                # Without a cache the network as it is does as well, only slower.
                with suppress(EncoderError):
                    path = cache.made(f"{digest}-fixed.onnx", lambda target: _fix(file, target))
                    self._session = Session(lambda: path)
                    opened = self._session.open()
        except EncoderError as error:
            raise BadInput(f"the {kind} detector {file} cannot be opened: {error}") from None
        inputs, self._names = opened.get_inputs(), [each.name for each in opened.get_outputs()]
        if (
            len(inputs) != 1
            or len(inputs[0].shape) != 4
            or inputs[0].type != "tensor(float)"
            or len(self._names) != outputs
        ):
            raise BadInput(
                f"the {kind} detector {file} is another network: it must have one input of float images (n, 3, h, w) and "
                f"{outputs} outputs, got {len(inputs)} inputs and {len(self._names)} outputs"
            )
        self._input = inputs[0].name
        self.size = inputs[0].shape[2:]
        self._one_by_one = inputs[0].shape[0] == 1

    def names(self) -> list[str]:
        """The outputs' names, in the network's order."""
        return self._names

    def __call__(self, pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """(n, 3, h, w) to every output, each with n rows."""
        step = 1 if self._one_by_one else max(1, len(pixels))
        parts = [
            self._session.run(self._names, {self._input: pixels[at : at + step]}) for at in range(0, len(pixels), step)
        ]
        return [np.concatenate(each) for each in zip(*parts, strict=True)]


def _fix(file: str, target: Path) -> None:
    """Write the network with its weights as constants: as inputs, as old exporters left them, they keep ONNX Runtime from
    folding them into each other, which costs up to three times the time.
    """
    import onnx

    model = onnx.load(file)
    weights = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    target.write_bytes(model.SerializeToString())


def check(detector: Detector, file: str) -> None:
    """Look at a blank image, so that a wrong network is an answer before the first image is read."""
    try:
        detector.find([np.zeros((64, 64, 3), np.uint8)])
    except Exception as error:  # noqa: BLE001
        # A foreign network fails in as many ways as there are networks: shapes, names, types.
        why = (str(error) or type(error).__name__).splitlines()[0][:160]
        kind = detector.name.partition(":")[0]
        raise BadInput(f"{file} is no {kind} detector: it fails on a blank image ({why})") from None


def fit(image: NDArray[np.uint8], height: int, width: int) -> tuple[NDArray[np.uint8], float]:
    """The image scaled to lie whole in the upper left corner of (height, width, 3), the rest black; and the factor."""
    scale = min(height / image.shape[0], width / image.shape[1])
    size = max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale))
    out = np.zeros((height, width, 3), np.uint8)
    out[: size[0], : size[1]] = resized(image, *size)
    return out, scale


def resized(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """By area averaging where it shrinks, linearly where it grows."""
    import cv2

    if image.shape[:2] == (height, width):
        return image
    cv2.setNumThreads(1)  # the engine's worker threads are the parallelism
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    out = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(out, np.uint8)


def bgr(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """n images (h, w, 3) RGB of one size as (n, 3, h, w) float32 BGR in [0, 255]."""
    return np.stack(images)[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32, order="C")


def suppressed(boxes: NDArray[np.float32], shape: Sequence[int], overlap: float) -> Boxes:
    """Boxes (m, 5) clipped to the image of `shape` (h, w, ...), the best of each place kept: none overlaps a better one by more than `overlap`.

    Greedy non-maximum suppression by intersection over union among the 300 best; ties go to the earlier row. Empty boxes
    are dropped.
    Raises ValueError where a number is not finite: a network that says nothing must not pass for one that found nothing.
    """
    import cv2

    if not np.isfinite(boxes).all():
        raise ValueError("the network's answer is not finite")
    boxes = boxes[boxes[:, 4] >= FLOOR].astype(np.float32)
    boxes[:, 0:4:2] = boxes[:, 0:4:2].clip(0, shape[1])
    boxes[:, 1:4:2] = boxes[:, 1:4:2].clip(0, shape[0])
    boxes = boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]
    boxes = boxes[np.argsort(-boxes[:, 4], kind="stable")][:MOST]
    if not len(boxes):
        return boxes
    corners = np.concatenate([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]], 1).astype(np.float64)
    kept = cv2.dnn.NMSBoxes(corners.tolist(), boxes[:, 4].tolist(), 0.0, overlap)
    return boxes[np.asarray(kept, np.int64).reshape(-1)]
