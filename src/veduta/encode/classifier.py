"""Encoders that also name classes, and several of them that answer as one.

Legend: n images, s side in pixels, c classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from veduta.encode import shared
from veduta.encode.base import fingerprint
from veduta.encode.conse import posterior
from veduta.errors import BadInput, EncoderError


@runtime_checkable
class Classifier(Protocol):
    """The part of an encoder that `classifier` promises. `classes`: the names, in the order of the logits."""

    uri: str
    resize: int
    fingerprint: str
    classes: Sequence[str]

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """One image (h, w, 3) uint8 RGB to the square that `logits` takes."""
        ...

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Prepared images (n, s, s, 3) uint8 to (n, c) float32."""
        ...


def classifier(uri: str) -> Classifier:
    """The classifier that `uri` names, opened once a process; `PATH/runs/NAME` is short for `run:PATH/runs/NAME`.

    offline and timm:NAME know the classes of ImageNet, a run of learn classify or learn probe those it was trained on, and
    onnx:PATH?classes=FILE those that the file names. Raises EncoderError for what has no named classes.
    """
    known = uri == "offline" or ":" in uri or uri.startswith("offline?")
    model = shared(uri if known else f"run:{uri}")
    if not isinstance(model, Classifier) or not len(model.classes):
        raise EncoderError(
            f"'{uri}' has no classifier with named classes; use offline, timm:NAME with ImageNet's classes, "
            "onnx:PATH?classes=FILE, or the folder of a run of: veduta learn classify"
        )
    return model


class Ensemble:
    """Classifiers of the same classes; their answer is the mean of the members' softmaxes.

    classes: the names as the first member orders them. fingerprint: of all members in their order. Raises BadInput if a
    member has other classes.
    """

    def __init__(self, uris: Sequence[str]) -> None:
        self.members = [classifier(uri) for uri in uris]
        self.classes = tuple(self.members[0].classes)
        self._order = [self._ordered(member) for member in self.members]

    def _ordered(self, member: Classifier) -> NDArray[np.int64]:
        place = {name: number for number, name in enumerate(member.classes)}
        if set(place) != set(self.classes):
            odd = sorted(set(place) ^ set(self.classes))
            raise BadInput(
                f"the teachers must know the same classes, but '{member.uri}' and '{self.members[0].uri}' differ in "
                f"{len(odd)} of them (such as '{odd[0]}'); name teachers of one class list"
            )
        return np.array([place[name] for name in self.classes], np.int64)

    @cached_property
    def fingerprint(self) -> str:
        """Hex sha256."""
        return fingerprint(members=[member.fingerprint for member in self.members])

    @property
    def resize(self) -> int:
        """The short side in pixels that is enough for every member."""
        return max(member.resize for member in self.members)

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Images (h, w, 3) uint8 of any sizes to probabilities (n, c) float32, n >= 1."""
        total = np.zeros((len(images), len(self.classes)), np.float32)
        for member, order in zip(self.members, self._order, strict=True):
            total += posterior(member.logits(np.stack([member.prepare(image) for image in images])))[:, order]
        return total / np.float32(len(self.members))
