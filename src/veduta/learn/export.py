"""Networks as ONNX files, checked against the network that they were made from."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from veduta.learn.evaluate import Prepared
from veduta.learn.images import pooled as pooled_features

OPSET = 17
TOLERANCE = 1e-3
"""Largest difference of an output from torch's, relative to the largest output."""


class _Graph(nn.Module):
    """Pooled features, through `head` where there is one, and the logits of a classifier."""

    def __init__(self, network: nn.Module, head: nn.Module | None, *, logits: bool) -> None:
        super().__init__()
        self.network, self.head, self.logits = network, head, logits

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        features = pooled_features(self.network, images)
        if self.head is not None:
            features = self.head(features)
        return (features, self.network(images)) if self.logits else (features,)


def classifier(network: nn.Module, held: Prepared, target: Path) -> str:
    """`images` (n, 3, s, s) float32, normalised -> `features` (n, d), `logits` (n, c); says in words how it went."""
    return _exported(_Graph(network, None, logits=True).eval(), ("features", "logits"), held, target)


def pooled(network: nn.Module, held: Prepared, target: Path, head: nn.Module | None = None) -> str:
    """`images` (n, 3, s, s) float32, normalised -> `features` (n, d), behind `head`; says in words how it went."""
    return _exported(_Graph(network, head, logits=False).eval(), ("features",), held, target)


def _exported(graph: nn.Module, outputs: tuple[str, ...], held: Prepared, target: Path) -> str:
    graph = graph.cpu()
    side = held.preprocess.side
    probe = next(iter(held.batches()), torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(0)))[:16]
    temporary = target.with_name(f".{target.name}.part")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                graph, (probe[:2],), str(temporary), input_names=["images"], output_names=list(outputs),
                dynamic_axes={name: {0: "n"} for name in ("images", *outputs)}, opset_version=OPSET, dynamo=False,
            )  # fmt: skip
        difference = _difference(graph, probe, temporary)
    except Exception as error:  # noqa: BLE001 - exporters raise many types; a run without an ONNX file is still a run
        temporary.unlink(missing_ok=True)
        return f"no ONNX file: {type(error).__name__}: {(str(error) or '?').splitlines()[0][:160]}"
    if difference > TOLERANCE:
        temporary.unlink()
        return f"no ONNX file: it differed from torch by {difference:.2g} of the largest output"
    temporary.replace(target)
    return f"model.onnx, at most {difference:.1e} of the largest output from torch on {len(probe)} images"


def _difference(graph: nn.Module, probe: Tensor, file: Path) -> float:
    import onnxruntime

    with torch.no_grad():
        truth = graph(probe)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    found = session.run(None, {"images": probe.numpy()})
    return max(
        float(np.abs(a - b.numpy()).max() / max(1e-6, float(b.abs().max()))) for a, b in zip(found, truth, strict=True)
    )
