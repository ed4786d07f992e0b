"""`onnx:PATH`: any image network in ONNX, with an optional text network beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veduta.encode import cache, options
from veduta.encode.base import Preprocess, checked, fingerprint, unit
from veduta.encode.session import Session
from veduta.errors import EncoderError

OPTIONS = (
    "side",
    "resize",
    "mean",
    "std",
    "layout",
    "interpolation",
    "output",
    "licence",
    "text",
    "tokenizer",
    "length",
    "classes",
)

CHUNK = 8
"""Images in one forward pass."""


class Onnx:
    """An image network in a file. Options come from the URI, else from `PATH.json`, else the defaults below.

    `side` (224) and `resize` (side): the square the network takes and the short side before its crop; `mean` (0) and
    `std` (1): of pixels in [0, 1]; `layout`: nchw (default) or nhwc; `interpolation`: bicubic or bilinear; `output`: name
    of the output, else the first; `licence`. A network whose input is uint8 gets the pixels as they are, without mean
    and std. An output of more than two dimensions is averaged over the last ones.
    `text`: path, relative to the image network's folder, of a text network in the same space, which takes token ids
    (t, l) int64 and, if it has a second input, the mask; `tokenizer`: path of its tokenizer.json; `length` (77): tokens
    to which texts are cut and padded.
    `classes`: of a classifier, path, relative to the same folder, of a text file with the name of a class a line, in the
    order of the output.
    """

    advice = ""

    def __init__(self, path: str, given: Mapping[str, object], threads: int = 1) -> None:
        self.uri = f"onnx:{path}"
        file = Path(path).expanduser()
        if not file.is_file():
            raise EncoderError(
                f"The encoder '{self.uri}' names a file that does not exist; give the path of an .onnx file"
            )
        self._options = _sidecar(self.uri, file) | dict(given)
        options.known(self.uri, self._options, OPTIONS)
        self._preprocess = self._preprocessing()
        self._session = Session(lambda: file, threads)
        self._input, self._output = self._ports()
        self.side, self.resize = self._preprocess.side, self._preprocess.resize
        self.licence = str(self._options.get("licence", "unknown"))
        self.fingerprint = fingerprint(
            weights=cache.file_digest(file),
            preprocess=self._preprocess.parameters(),
            layout=self._layout,
            outputs=[self._output],
        )
        self.dim = int(self.image(np.zeros((1, self.side, self.side, 3), np.uint8)).shape[1])
        self.classes = _classes(self.uri, file.parent, self._options, self.dim)
        self._chances = bool(self.classes) and self._probable()
        self._text = _Text(self.uri, file.parent, self._options, threads) if "text" in self._options else None
        self.text_dim: int | None = None
        self.text_fingerprint: str | None = None
        self.shared = self._text is not None
        if self._text is not None:
            self.text_dim, self.text_fingerprint = self._text.dim, self.fingerprint
            if self.text_dim != self.dim:
                raise EncoderError(
                    f"The text network of '{self.uri}' gives {self.text_dim} dimensions and its image network "
                    f"{self.dim}; both must live in one space"
                )

    def _preprocessing(self) -> Preprocess:
        get = self._options.get
        side = options.whole(self.uri, "side", get("side", 224))
        self._layout = options.one_of(self.uri, "layout", get("layout", "nchw"), ("nchw", "nhwc"))
        return Preprocess(
            side=side,
            resize=options.whole(self.uri, "resize", get("resize", side)),
            mean=options.triple(self.uri, "mean", get("mean", 0)),
            std=options.triple(self.uri, "std", get("std", 1)),
            interpolation=options.one_of(
                self.uri, "interpolation", get("interpolation", "bicubic"), ("bicubic", "bilinear")
            ),
        )

    def _ports(self) -> tuple[Any, str]:
        """The network's only input and the name of the chosen output."""
        session = self._session.open()
        inputs, names = session.get_inputs(), [each.name for each in session.get_outputs()]
        if len(inputs) != 1:
            raise EncoderError(f"The network of '{self.uri}' must have one input, the images; it has {len(inputs)}")
        if inputs[0].type not in ("tensor(uint8)", "tensor(float)", "tensor(float16)"):
            raise EncoderError(f"The input of '{self.uri}' must be uint8, float or float16, got {inputs[0].type}")
        output = str(self._options.get("output", names[0]))
        return inputs[0], options.one_of(self.uri, "output", output, names)

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """One image (h, w, 3) uint8 to (side, side, 3) uint8."""
        return self._preprocess.prepare(image)

    def image(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, side, side, 3) uint8 to (n, dim) float32 of unit norm."""
        images = checked(images, self.side)
        return unit(self._outputs(images))

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, side, side, 3) uint8 to (n, classes) float32; the logarithm of what a network gives that ends in a softmax."""
        found = self._outputs(checked(images, self.side))
        return np.log(np.maximum(found, np.finfo(np.float32).tiny)) if self._chances else found

    def _probable(self) -> bool:
        """Whether the network gives probabilities, by what it says of noise."""
        noise = np.random.default_rng(0).integers(0, 256, (4, self.side, self.side, 3), dtype=np.uint8)
        found = self._outputs(noise)
        return bool((found >= 0).all() and (np.abs(found.sum(1) - 1) <= 1e-2).all())

    def _outputs(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = [self._forward(images[start : start + CHUNK]) for start in range(0, len(images), CHUNK)]
        return np.concatenate(parts) if parts else np.zeros((0, self.dim), np.float32)

    def _forward(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels: NDArray[Any] = images
        if self._input.type != "tensor(uint8)":
            scale, shift = self._preprocess.scale_shift()
            pixels = (images * scale + shift).astype(np.float16 if "16" in self._input.type else np.float32)
        if self._layout == "nchw":
            pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        # A network exported for a fixed batch of one is fed one by one.
        step = 1 if self._input.shape[0] == 1 else len(pixels)
        found = [
            self._session.run([self._output], {self._input.name: pixels[at : at + step]})[0]
            for at in range(0, len(pixels), step)
        ]
        vectors = np.concatenate(found).astype(np.float32)
        return vectors.reshape(*vectors.shape[:2], -1).mean(-1)

    def both(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], None]:
        """`image(images)` and None: the text network, if any, shares its space."""
        return self.image(images), None

    def text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Texts to (t, text_dim) float32 of unit norm. Raises EncoderError without a text network."""
        if self._text is None:
            raise EncoderError(
                f"The encoder '{self.uri}' has no text side; name its text network by the option text=PATH"
            )
        return self._text(texts)


class _Text:
    """A text network and its tokenizer."""

    def __init__(self, uri: str, folder: Path, given: Mapping[str, object], threads: int) -> None:
        from tokenizers import Tokenizer

        model, tokenizer = folder / str(given["text"]), folder / str(given.get("tokenizer", "tokenizer.json"))
        for file in (model, tokenizer):
            if not file.is_file():
                raise EncoderError(f"The text side of '{uri}' needs the file {file}, which does not exist")
        self._session = Session(lambda: model, threads)
        self._inputs = [each.name for each in self._session.open().get_inputs()]
        self._tokenizer: Any = Tokenizer.from_file(str(tokenizer))
        length = options.whole(uri, "length", given.get("length", 77))
        self._tokenizer.enable_truncation(length)
        own = self._tokenizer.padding or {}
        pad = {name: own[name] for name in ("pad_id", "pad_token") if name in own}
        self._tokenizer.enable_padding(length=length, **pad)
        self.dim = int(self(["a photo"]).shape[1])

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = []
        for start in range(0, len(texts), CHUNK):
            encoded = self._tokenizer.encode_batch(list(texts[start : start + CHUNK]))
            inputs = [np.asarray([each.ids for each in encoded], np.int64)]
            if len(self._inputs) > 1:
                inputs.append(np.asarray([each.attention_mask for each in encoded], np.int64))
            name = self._session.open().get_outputs()[0].name
            rows.append(self._session.run([name], dict(zip(self._inputs, inputs, strict=False)))[0])
        return unit(np.concatenate(rows)) if rows else np.zeros((0, self.dim), np.float32)


def _classes(uri: str, folder: Path, given: Mapping[str, object], outputs: int) -> tuple[str, ...]:
    """The names of the classes, one a line of the file that the option names; empty without it."""
    if "classes" not in given:
        return ()
    file = folder / str(given["classes"])
    try:
        names = tuple(line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise EncoderError(f"The class list {file} of '{uri}' cannot be read ({error}); name a text file") from None
    if len(names) != outputs or len(set(names)) != len(names):
        raise EncoderError(
            f"The class list {file} must name {outputs} different classes, one a line, as '{uri}' has outputs; it names "
            f"{len(set(names))}"
        )
    return names


def _sidecar(uri: str, file: Path) -> dict[str, object]:
    beside = file.with_name(file.name + ".json")
    if not beside.is_file():
        return {}
    try:
        found = json.loads(beside.read_text(encoding="utf-8"))
    except ValueError as error:
        raise EncoderError(f"The file {beside} beside the encoder '{uri}' is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise EncoderError(f"The file {beside} beside the encoder '{uri}' must hold a JSON object")
    return found


def load(name: str, given: dict[str, str], threads: int) -> Onnx:
    """Opener of the scheme `onnx`: the name is the path of the file."""
    return Onnx(name, given, threads)
