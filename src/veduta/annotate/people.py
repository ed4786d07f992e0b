"""Whether an image shows people, with the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.annotate.detect import Detector, load
from veduta.engine.operation import Annotator, Batch, Field
from veduta.errors import BadInput
from veduta.pool import View

BOX = pa.struct(
    [
        *(pa.field(name, pa.float32()) for name in ("x1", "y1", "x2", "y2", "score")),
        pa.field("detector", pa.string()),
    ]
)
ANNOTATIONS = "annotations"
FACES = {"face", "human face"}
BODIES = {
    "person", "people", "pedestrian", "rider", "man", "woman", "boy", "girl", "human body", "human head", "human hair",
    "human eye", "human ear", "human mouth", "human nose", "human beard", "human arm", "human hand", "human leg", "human foot",
}  # fmt: skip
"""Names of people and their parts in COCO, Open Images, Cityscapes and VOC, in lower case."""


class People(Annotator):
    """Find people: faces and persons by detectors, and what is annotated; with boxes, scores and the model that decided.

    Adds:

    - `has_person`: bool, whether any detector's box reaches its threshold. Null where nothing is known: every detector failed,
      or one failed and the others found nobody; `person_error` then says why, and it is never "no person".

    - `person_score`: float32 in [0, 1], the highest score of all detectors, each scaled piece by piece so that its threshold
      becomes 0.5: what reaches 0.5 is flagged, and detectors can be compared. Zero where no box scores 0.05.

    - `person_boxes`, `face_boxes`: list<struct<x1, y1, x2, y2, score: float32, detector: string>>, the boxes that count, in pixels
      of the upright image at full size, with the detector's own score; null where no detector looked for them.

    - `person_detector`: string, kind and digest of the weights of the detector that decided; null where nobody was found.

    - `person_error`: string, what failed, null as a rule.

    After the automatic part of PASS (Asano et al. 2021, arXiv 2109.13228, section 3: RetinaFace, then Cascade R-CNN, one box
    is enough). Differences: small detectors that run without a GPU, both of them on every image unless `stop_at_first`, and
    thresholds set where they miss few (YuNet 0.7, UltraLight 0.8, NanoDet 0.35, FastestDet 0.55, torchvision 0.5).
    Detectors fail unevenly: small, hidden, dark, seen from behind. Measure what is left with `judge people-audit`, and let a
    person look. Bodies and faces are found, hands and other parts hardly.
    Cost: about 25 ms an image on one core with the defaults, and the decoding at 640 pixels of the short side.
    """

    face: tuple[str, ...] = Field(
        ("yunet:face_yunet_n_dynamic.onnx",), description="face detectors: yunet:FILE, ultralight:FILE"
    )
    person: tuple[str, ...] = Field(
        ("nanodet:coco_nanodet_m_416.onnx",),
        description="person detectors: nanodet:FILE, fastestdet:FILE, torchvision:NAME",
    )
    face_threshold: float | None = Field(
        None, gt=0, lt=1, description="score from which a face counts; by default each detector's own"
    )
    person_threshold: float | None = Field(
        None, gt=0, lt=1, description="score from which a person counts; by default each detector's own"
    )
    annotations: bool = Field(
        False, description="persons and faces among the annotated objects count as found, beside the detectors or alone"
    )
    stop_at_first: bool = Field(
        False, description="run each detector only on images in which those before it found nobody; faces first"
    )

    @property
    def side(self) -> int | None:
        return max((detector.side for detector, _, _ in self._detectors()), default=None)

    def reads(self) -> list[str]:
        return ["objects"] if self.annotations else []

    def adds(self) -> pa.Schema:
        return pa.schema(
            [
                pa.field("has_person", pa.bool_()),
                pa.field("person_score", pa.float32()),
                pa.field("person_boxes", pa.list_(BOX)),
                pa.field("face_boxes", pa.list_(BOX)),
                pa.field("person_detector", pa.string()),
                pa.field("person_error", pa.string()),
            ]
        )

    def setup(self) -> None:
        self._detectors()

    def fingerprint(self) -> str:
        return " ".join(f"{finds}={detector.name}>={least:g}" for detector, finds, least in self._detectors())

    def check(self, pool: View) -> None:
        if not (self.face or self.person or self.annotations):
            raise BadInput("people has nothing to go by: name a detector with face or person, or set annotations")
        self._detectors()
        super().check(pool)

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        sizes = zip(batch.column("width").to_pylist(), batch.column("height").to_pylist(), strict=True)
        rows = [_Row(width, height) for width, height in sizes]
        if self.annotations:
            for row, objects in zip(rows, batch.column("objects").to_pylist(), strict=True):
                row.annotated(objects)
        for detector, finds, least in self._detectors():
            todo = [i for i, row in enumerate(rows) if not (self.stop_at_first and row.found)]
            for i, told in zip(todo, _look(detector, [batch.images[i] for i in todo]), strict=True):
                rows[i].add(detector.name, finds, least, told, batch.images[i].shape)
        columns = {name: [getattr(row, name) for row in rows] for name in self.adds().names}
        return {f.name: pa.array(columns[f.name], f.type) for f in self.adds()}

    def _detectors(self) -> list[tuple[Detector, str, float]]:
        """(detector, what it finds, its threshold), in the order in which they look."""
        named = [(load(uri, "face"), "face", self.face_threshold) for uri in self.face]
        named += [(load(uri, "person"), "person", self.person_threshold) for uri in self.person]
        return [(detector, finds, detector.threshold if given is None else given) for detector, finds, given in named]


@dataclass(slots=True)
class _Row:
    """What is known of one image of width x height pixels. Its attributes of the columns' names are their values."""

    width: int
    height: int
    person_score: float | None = None
    person_boxes: list[dict[str, Any]] | None = None
    face_boxes: list[dict[str, Any]] | None = None
    person_detector: str | None = None
    failures: list[str] = field(default_factory=list)

    @property
    def found(self) -> bool:
        return self.person_score is not None and self.person_score >= 0.5

    @property
    def has_person(self) -> bool | None:
        return True if self.found else None if self.failures or self.person_score is None else False

    @property
    def person_error(self) -> str | None:
        if self.found or (self.person_score is not None and not self.failures):
            return None
        return "; ".join(self.failures) or "no detector looked at it and nothing is annotated"

    def add(self, name: str, finds: str, least: float, told: NDArray[np.float32] | str, shape: Sequence[int]) -> None:
        """A detector's answer: boxes in pixels of the decoded image of `shape`, or why it has none."""
        if isinstance(told, str):
            self.failures.append(f"{name} failed: {told}")
            return
        scale = np.array([self.width / shape[1], self.height / shape[0]] * 2, np.float32)
        counted = [(*(box[:4] * scale), box[4]) for box in told if box[4] >= np.float32(least)]
        self._keep(f"{finds}_boxes", [dict(zip(BOX.names, (*map(float, box), name), strict=True)) for box in counted])
        self._score(relative(float(told[0, 4]) if len(told) else 0.0, least), name)

    def annotated(self, objects: list[dict[str, Any]] | None) -> None:
        """The annotated objects of the row; None where nothing was annotated, which says nothing."""
        if objects is None:
            return
        people = [(thing["box"], (thing["class"] or "").strip().lower()) for thing in objects]
        for finds, names in (("face", FACES), ("person", BODIES)):
            boxes = [box for box, name in people if name in names]
            whole = [0.0, 0.0, float(self.width), float(self.height)]
            corners = [(b[0], b[1], b[0] + b[2], b[1] + b[3]) if b else whole for b in boxes]
            told = [dict(zip(BOX.names, (*corner, 1.0, ANNOTATIONS), strict=True)) for corner in corners]
            if told:
                self._keep(f"{finds}_boxes", told)
            self._score(float(bool(told)), ANNOTATIONS)

    def _keep(self, name: str, boxes: list[dict[str, Any]]) -> None:
        setattr(self, name, [*(getattr(self, name) or []), *boxes])

    def _score(self, score: float, name: str) -> None:
        before = self.person_score
        if before is None or score > before:
            self.person_score = score
            if score >= 0.5:
                self.person_detector = name


def relative(score: float, threshold: float) -> float:
    """A score in [0, 1] on the scale on which the threshold is 0.5: linear below it and above it."""
    # In single precision, in which scores are kept: one that equals its threshold there must not fall below it here.
    score, threshold = float(np.float32(score)), float(np.float32(threshold))
    return score / threshold / 2 if score < threshold else 0.5 + (score - threshold) / (1 - threshold) / 2


def _look(detector: Detector, images: list[NDArray[np.uint8]]) -> list[NDArray[np.float32] | str]:
    """A detector's boxes for each image, or why it failed on it; one bad image does not take its batch along."""
    try:
        return list(detector.find(images)) if images else []
    except Exception as error:  # noqa: BLE001
        # Runtimes raise types of their own (ONNX Runtime about ten); each is an answer about the image.
        if len(images) == 1:
            return [(str(error) or type(error).__name__).splitlines()[0][:200]]
        return [answer for image in images for answer in _look(detector, [image])]
