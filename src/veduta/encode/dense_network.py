"""Networks behind `Dense`: found by name, checked to be a mean and a linear layer, and written as one graph. Imports torch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from veduta.encode import cache, convert, network, offline, options
from veduta.encode import load as load_encoder
from veduta.encode.base import Preprocess
from veduta.encode.run import TrainedRun
from veduta.encode.timm import Timm
from veduta.encode.vocabulary import imagenet_names
from veduta.errors import EncoderError

HEADS = (
    "offline, networks of timm such as resnet50, efficientnet_b0 or regnety_032, runs of learn classify with these or with resnet*_cifar, "
    "resnetrs26_cifar or conv_small, and runs of learn probe on them"
)
TOLERANCE = 1e-3
"""Largest difference of a map's mean from the classifier's logits, relative to the largest logit (and to 1)."""


class Graph(nn.Module):
    """`body`'s last features (n, d, h, w), of unit norm on average if `unit`, through a linear layer at every place."""

    weight: Tensor
    bias: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self, body: Any, weight: Tensor, bias: Tensor, preprocess: Preprocess, *, unit: bool) -> None:
        super().__init__()
        self.body, self.unit = body, unit
        scale, shift = (torch.from_numpy(v).view(1, 3, 1, 1) for v in preprocess.scale_shift())
        for name, value in (("weight", weight[:, :, None, None]), ("bias", bias), ("scale", scale), ("shift", shift)):
            self.register_buffer(name, value.detach().clone())

    def pixels(self, images: Tensor) -> Tensor:
        """(n, s, s, 3) uint8 as the body wants them."""
        return images.permute(0, 3, 1, 2).float() * self.scale + self.shift

    def forward(self, images: Tensor) -> Tensor:
        """(n, s, s, 3) uint8 to (n, C, h, w)."""
        features = self.body.forward_features(self.pixels(images))
        if self.unit:
            norm = features.mean((2, 3), keepdim=True).norm(dim=1, keepdim=True)
            features = features / norm.clamp(min=torch.finfo(torch.float32).tiny)
        return nn.functional.conv2d(features, self.weight, self.bias)

    def logits(self, images: Tensor) -> Tensor:
        """What the classifier itself says, (n, C): its own pooling, then the linear layer."""
        pooled = self.body.forward_head(self.body.forward_features(self.pixels(images)), pre_logits=True)
        if self.unit:
            pooled = nn.functional.normalize(pooled, dim=1)
            return nn.functional.linear(pooled, self.weight[:, :, 0, 0], self.bias)
        return self.body(self.pixels(images))


@dataclass(frozen=True, slots=True)
class Source:
    """A classifier: its graph, class names, preparation of pixels and the identity of its weights."""

    uri: str
    graph: Graph
    classes: tuple[str, ...]
    preprocess: Preprocess
    weights: str


def source(uri: str) -> Source:
    """The classifier that `uri` names. Raises EncoderError for one that cannot be asked at every place."""
    if uri == "offline":
        return _lite0()
    if uri.startswith("timm:"):
        return _timm(uri)
    if not uri.startswith("run:"):
        raise EncoderError(
            f"a map of labels needs a classifier: offline, timm:NAME or run:FOLDER of learn classify or learn probe, got '{uri}'"
        )
    run = load_encoder(uri)
    if not isinstance(run, TrainedRun) or run.kind != "classifier":
        raise EncoderError(f"{uri} is not a classifier; train one with: veduta learn classify, or veduta learn probe")
    parts = _parts(run)
    if "base" not in run.about:
        body, preprocess = parts["network"], Preprocess(**{k: _tuple(v) for k, v in run.about["preprocess"].items()})
        return _of(uri, body, _linear(uri, body), preprocess, tuple(run.classes), run.about["weights"], unit=False)
    body, preprocess = _base(uri, str(run.about["base"]["uri"]))
    weights = f"{run.about['weights']} {run.about['base']['fingerprint']}"
    return _of(uri, body, parts["classifier"], preprocess, tuple(run.classes), weights, unit=True)


def checked_shape(given: Source, size: int) -> tuple[int, int]:
    """Height and width of the maps of `size` pixels. Raises EncoderError unless a map's mean is what the classifier says."""
    noise = torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    reason = ""
    try:
        with torch.inference_mode(), _own_randomness():
            maps, logits = given.graph(noise), given.graph.logits(noise)
        gap = float((maps.mean((2, 3)) - logits).abs().max()) / max(1.0, float(logits.abs().max()))
        if gap <= TOLERANCE:
            return int(maps.shape[2]), int(maps.shape[3])
        reason = f"the mean of its map differs from its logits by {gap:.2g} of the largest"
    except (
        RuntimeError,
        AssertionError,
        TypeError,
        ValueError,
    ) as error:  # what networks of fixed size and other layouts raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
    raise EncoderError(
        f"{given.uri} cannot be asked at every place of {size} x {size} pixels: its head is not a mean over places and a linear "
        f"layer ({reason}); those that can: {HEADS}"
    )


def export(given: Source, size: int, target: Path) -> None:
    """`images` (n, size, size, 3) uint8 -> `maps` (n, C, h, w) as an ONNX file. Raises EncoderError if it cannot be written."""
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    try:
        convert.export(
            given.graph,
            (example,),
            target,
            inputs=["images"],
            outputs=["maps"],
            axes={"images": {0: "n"}, "maps": {0: "n"}},
        )
    except Exception as error:  # exporters raise many types for a network that they do not know
        raise EncoderError(f"{given.uri} cannot be written as ONNX ({type(error).__name__})") from error


def forward(given: Source, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, s, s, 3) uint8 to (n, C, h, w) float32, on a GPU where there is one."""
    where = network.device()
    with torch.inference_mode(), network.autocast(where):
        return given.graph.to(where)(torch.from_numpy(np.ascontiguousarray(images)).to(where)).float().cpu().numpy()


def _of(
    uri: str, body: Any, linear: Any, preprocess: Preprocess, classes: tuple[str, ...], weights: str, *, unit: bool
) -> Source:
    bias = linear.bias if linear.bias is not None else torch.zeros(len(linear.weight))
    graph = Graph(body.cpu(), linear.weight.cpu(), bias.cpu(), preprocess, unit=unit).eval()
    return Source(uri, graph.requires_grad_(False), classes, preprocess, weights)


def _lite0() -> Source:
    body = convert.lite0_network(offline.weights_file())
    digest = cache.file_digest(offline.weights_file())
    return _of("offline", body, body.classifier, offline.PREPROCESS, imagenet_names(), digest, unit=False)


def _timm(uri: str) -> Source:
    import timm

    name, _, query = uri.removeprefix("timm:").partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    encoder = Timm(name, given)  # fetches, reports what goes wrong, and knows the preparation of the pixels
    pretrained = options.flag(uri, "pretrained", given.get("pretrained", "1"))
    with network.fetching(uri, "check the connection to the Hugging Face hub, or use offline"), _own_randomness():
        torch.manual_seed(0)
        body = timm.create_model(name, pretrained=pretrained)
    names = imagenet_names()
    if body.num_classes != len(names):
        raise EncoderError(
            f"{uri} has {body.num_classes} classes whose names are not known here; name a classifier of ImageNet-1k, or train a "
            "probe on it: veduta learn probe --encoder"
        )
    return _of(uri, body, _linear(uri, body), encoder._preprocess, names, encoder.fingerprint, unit=False)


def _base(uri: str, base: str) -> tuple[Any, Preprocess]:
    """The network of an encoder on whose vectors a probe stands, and its preparation of pixels."""
    encoder = load_encoder(base)
    if base == "offline":
        return convert.lite0_network(offline.weights_file()), offline.PREPROCESS
    if isinstance(encoder, Timm):
        return encoder._model, encoder._preprocess
    if isinstance(encoder, TrainedRun) and "network" in encoder.about and "image_head" not in encoder.about:
        preprocess = Preprocess(**{k: _tuple(v) for k, v in encoder.about["preprocess"].items()})
        return _parts(encoder)["network"], preprocess
    raise EncoderError(
        f"{uri} is a probe on vectors of '{base}', which is not a mean over places; those that can: {HEADS}"
    )


def _linear(uri: str, body: Any) -> nn.Linear:
    found = body.get_classifier() if hasattr(body, "get_classifier") else getattr(body, "classifier", None)
    if isinstance(found, nn.Linear):
        return found
    raise EncoderError(
        f"{uri} cannot be asked at every place: its classifier is {type(found).__name__}, not a linear layer; those that can: {HEADS}"
    )


def _parts(run: TrainedRun) -> Any:
    from veduta.encode.restored import restore

    return restore(run.path).parts


@contextlib.contextmanager
def _own_randomness() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        yield


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
