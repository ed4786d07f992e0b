"""Whether an image carries a watermark."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from veduta.engine.operation import Annotator, Batch, Field
from veduta.errors import BadInput, SourceError

SIDE = 256
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Watermark(Annotator):
    """Tell how likely an image carries a visible watermark, by LAION's detector.

    Adds `p_watermark`: float32 in [0, 1]; LAION's subsets keep rows below 0.8. EfficientNet-B3 on 256 x 256 pixels
    with the head 1536-625-256-2 (LAION-AI/LAION-5B-WatermarkDetection, MIT). The weights are the user's to supply, as
    safetensors with timm's names; pickle files are not opened. Cost: about 0.2 s an image on one core.
    """

    weights: str = Field(description="the detector's .safetensors file", min_length=1)
    column: str = Field("p_watermark", pattern=r"^[A-Za-z_]\w*$", description="name of the new column")

    @property
    def side(self) -> int | None:
        return SIDE

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field(self.column, pa.float32())])

    def setup(self) -> None:
        _load(self.weights)

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        import cv2
        import torch

        squares = np.stack([cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for image in batch.images])
        pixels = (squares.astype(np.float32) / 255 - np.array(_MEAN, np.float32)) / np.array(_STD, np.float32)
        with torch.inference_mode():
            chances = _load(self.weights)(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())).softmax(-1)
        return {self.column: chances[:, 0].numpy()}


def network() -> Any:
    """The detector without weights: class 0 is "watermark", class 1 "clear"."""
    import timm
    from torch import nn

    net = timm.create_model("efficientnet_b3", pretrained=False)
    net.classifier = nn.Sequential(
        nn.Linear(1536, 625), nn.ReLU(), nn.Dropout(0.3), nn.Linear(625, 256), nn.ReLU(), nn.Linear(256, 2)
    )
    return net


@lru_cache(maxsize=1)
def _load(path: str) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if Path(path).suffix != ".safetensors":
        raise BadInput(
            f"the watermark detector must be a .safetensors file, got {Path(path).name}; convert it with safetensors first"
        )
    net = network()
    try:
        net.load_state_dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise SourceError(f"the watermark detector {path} cannot be read: {error}") from None
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise BadInput(
            f"{path} does not hold LAION's watermark detector: {' '.join(lines[1:2]).strip() or lines[0]}"
        ) from None
    return net.eval()
