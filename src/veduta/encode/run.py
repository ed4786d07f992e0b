"""`run:PATH`: a trained run of Veduta as an encoder, and its classifier."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veduta.encode import load as load_encoder
from veduta.encode import network, options, trained_on
from veduta.encode.base import Encoder, Preprocess, checked, fingerprint, unit
from veduta.encode.session import Session
from veduta.errors import EncoderError

CHUNK = 16
"""Images in one forward pass on ONNX Runtime."""


class TrainedRun:
    """A folder made by `veduta learn`. Runs with text live in one space of images and texts.

    On a CPU the image network runs on ONNX Runtime where the run has an exported file, else on torch.
    `base` is the encoder whose vectors a run that is only a head was trained on, else None; `headed` takes its vectors.
    `trained_on` holds the sorted digests of the images it was trained on, as `veduta.encode.trained_on` writes them, or None.
    Option `head=0`: what the image network of a run of `learn pairs` gives before its head (h, not z, in the words of
    SimCLR and ConVIRT), the better features for other tasks. That space has no texts.
    """

    licence = "of the run's owner"
    advice = ""

    def __init__(self, path: str, given: Mapping[str, str], threads: int = 1) -> None:
        self.uri = f"run:{path}" + "".join(f"?{key}={value}" for key, value in sorted(given.items()))
        options.known(self.uri, given, ("head",))
        self._headless = not options.flag(self.uri, "head", given.get("head", "1"))
        self.path = Path(path).expanduser()
        self.about = _record(self.uri, self.path)
        self._threads = threads
        self.kind = str(self.about["kind"])
        if self._headless and "image_head" not in self.about:
            raise EncoderError(f"{self.uri}: a run of kind '{self.kind}' has no head on its features; leave head=0 out")
        if self._headless and "base" in self.about:
            base = self.about["base"]["uri"]
            raise EncoderError(f"{self.uri}: this run is only a head, on vectors of '{base}'; use that encoder")
        self.base: Encoder | None = None
        if "base" in self.about:
            self.base = _base(self.uri, self.about["base"], threads)
            self.side, self.resize = self.base.side, self.base.resize
            self._preprocess = None
        else:
            self._preprocess = Preprocess(**{k: _tuple(v) for k, v in self.about["preprocess"].items()})
            self.side, self.resize = self._preprocess.side, self._preprocess.resize
        self.classes: list[str] = list(self.about.get("classes", []))
        part = {"head": 0} if self._headless else {}
        self.fingerprint = fingerprint(run=self.about["weights"], preprocess=self.about.get("preprocess"), **part)
        self.trained_on = trained_on.read(self.path)
        self.shared = self.kind == "pairs" and not self._headless
        self.text_fingerprint = self.fingerprint if self.shared else None
        self._session = self._exported()
        self.dim = int(self.about["image_head"]["inputs"] if self._headless else self.about["dim"])
        self.text_dim: int | None = self.dim if self.shared else None

    def _exported(self) -> Session | None:
        file = self.path / "model.onnx"
        if self._headless or not file.is_file() or network.device() != "cpu":
            return None
        return Session(lambda: file, self._threads)

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """One image (h, w, 3) uint8 to (side, side, 3) uint8."""
        return self.base.prepare(image) if self.base is not None else self._preprocess.prepare(image)

    def image(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, side, side, 3) uint8 to (n, dim) float32 of unit norm."""
        images = checked(images, self.side)
        if not len(images):
            return np.zeros((0, self.dim), np.float32)
        return unit(self._forward(images)[0])

    def both(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], None]:
        """`image(images)` and None: texts, where the run has them, live in the same space."""
        return self.image(images), None

    def headed(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors (n, base.dim) of `base` to (n, dim) float32 of unit norm: `image`, for images that `base` has seen."""
        return unit(self._model().features(vectors))

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, side, side, 3) uint8 to (n, classes) float32. Raises EncoderError for a run that is not a classifier."""
        if self.kind != "classifier":
            raise EncoderError(
                f"{self.uri} is not a classifier but a run of kind '{self.kind}'; train one: veduta learn classify"
            )
        return self._forward(checked(images, self.side))[1]

    def activations(self, images: NDArray[np.uint8], layer: str) -> Iterator[NDArray[np.float32]]:
        """What one layer of the image network gives for (n, side, side, 3) uint8: (b, ...) float32, some images at a time.

        Raises EncoderError for a run without an image network of its own, or without that layer.
        """
        if self._preprocess is None:
            raise EncoderError(f"{self.uri} has no image network of its own, only a head, so it has no layer '{layer}'")
        return self._model().activations(checked(images, self.side), self._preprocess, layer)

    def text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Texts to (t, dim) float32 of unit norm. Raises EncoderError for a run without texts."""
        if not self.shared:
            raise EncoderError(f"The encoder '{self.uri}' has no text side; train one with: veduta learn pairs")
        return unit(self._model().texts(list(texts)))

    def _forward(self, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        if self.base is not None:
            vectors, model = self.base.image(images), self._model()
            return [vectors, model.logits(vectors)] if self.kind == "classifier" else [model.features(vectors)]
        if self._session is None:
            return self._model().images(images, self._preprocess, head=not self._headless)
        scale, shift = self._preprocess.scale_shift()
        names = ["features", "logits"] if self.kind == "classifier" else ["features"]
        found = []
        for start in range(0, len(images), CHUNK):
            pixels = images[start : start + CHUNK].astype(np.float32) * scale + shift
            found.append(self._session.run(names, {"images": np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))}))
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]

    def _model(self) -> Any:
        return _restored(str(self.path), self.about["weights"])


@cache
def _restored(path: str, weights: str) -> Any:
    """The network of a run with its weights; opened once a process. `weights` is their digest."""
    from veduta.encode.restored import restore

    return restore(Path(path))


def _record(uri: str, path: Path) -> dict[str, Any]:
    try:
        about = json.loads((path / "veduta.json").read_text("utf-8"))
    except FileNotFoundError:
        unfinished = (path / "run.json").exists()
        raise EncoderError(
            f"{uri} is not finished; run the same veduta learn command again and it goes on"
            if unfinished
            else f"{uri} names no run; a run is a folder that veduta learn has made"
        ) from None
    except (OSError, ValueError) as error:
        raise EncoderError(f"{uri}: its veduta.json cannot be read ({error}); train it again") from None
    if about.get("format") != 1:
        raise EncoderError(
            f"{uri} has the format {about.get('format')}, which this version of Veduta does not know; update Veduta"
        )
    return about


def _base(uri: str, said: Mapping[str, str], threads: int) -> Encoder:
    base = load_encoder(said["uri"], threads)
    if base.fingerprint != said["fingerprint"]:
        raise EncoderError(
            f"{uri} was trained on vectors of '{said['uri']}' that this installation makes differently; train it again"
        )
    return base


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def load(name: str, given: dict[str, str], threads: int) -> TrainedRun:
    """Opener of the scheme `run`."""
    return TrainedRun(name, given, threads)
