"""`torchvision:NAME`: persons by a COCO detector of torchvision, such as `torchvision:fasterrcnn_resnet50_fpn_v2`.

The published weights are fetched at the first use, because the user names them, and kept where torch keeps its own. They
are many times larger and slower than the small ONNX detectors (about 3 s an image on one core), and miss far fewer people.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veduta.annotate.detect.base import Boxes, suppressed
from veduta.errors import BadInput

PERSON = "person"
OVERLAP = 0.5


class TorchVision:
    """A detector of torchvision with its COCO weights. net, classes: given in tests instead of being fetched."""

    threshold = 0.5
    side = 800  # what its own transform scales the short side to

    def __init__(self, name: str, net: Any = None, classes: Sequence[str] = ()) -> None:
        net, digest, classes = (net, "given", classes) if net is not None else _fetched(name)
        self.name = f"torchvision:{name}:{digest}"
        self._net, self._person = net.eval(), list(classes).index(PERSON)

    def find(self, images: Sequence[NDArray[np.uint8]]) -> list[Boxes]:
        import torch

        with torch.inference_mode():
            told = self._net(
                [torch.from_numpy(np.ascontiguousarray(i.transpose(2, 0, 1))).float() / 255 for i in images]
            )
        found = []
        for image, one in zip(images, told, strict=True):
            own = one["labels"] == self._person
            boxes = torch.cat([one["boxes"][own], one["scores"][own, None]], 1).float().numpy()
            found.append(suppressed(boxes, image.shape, OVERLAP))
        return found


def _fetched(name: str) -> tuple[Any, str, Sequence[str]]:
    """The network with its published weights, the name of these, and their classes."""
    from torchvision.models import detection, get_model, get_model_weights, list_models

    known = list_models(module=detection)
    if name not in known:
        raise BadInput(f"torchvision has no detector '{name}' (it has: {', '.join(known)})")
    weights = get_model_weights(name).DEFAULT  # pyright: ignore[reportAttributeAccessIssue]
    if PERSON not in weights.meta["categories"]:
        raise BadInput(f"torchvision's '{name}' has no class '{PERSON}'; name a detector that was trained on COCO")
    try:
        return get_model(name, weights=weights), weights.name, weights.meta["categories"]
    except Exception as error:  # noqa: BLE001
        # urllib, ssl and torch.hub raise types of their own for one cause.
        why = (str(error) or type(error).__name__).splitlines()[0][:160]
        raise BadInput(
            f"the weights of torchvision's '{name}' cannot be fetched ({why}); check the connection"
        ) from None


def load(name: str) -> TorchVision:
    """Opener of the kind `torchvision`."""
    return TorchVision(name)
