"""How toxic a caption is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import pyarrow as pa

from veduta.engine.operation import Annotator, Batch, Field
from veduta.errors import BadInput, EncoderError, MissingPackage

BATCH = 32


class Toxicity(Annotator):
    """Score how toxic each image's captions are, by a text classifier of the Hugging Face hub.

    Adds `toxicity`: float32 in [0, 1], the highest of an image's captions; null without a caption. LAION-5B used the
    multilingual Detoxify (unitary/multilingual-toxic-xlm-roberta). The model is loaded from a folder, or fetched once
    if a hub name is given; only safetensors weights are opened. It judges words, not pictures, and errs both ways.
    """

    model: str = Field(description="folder or hub name of a sequence classifier", min_length=1)
    label: str = Field("toxic", description="the class whose probability is the score; its beginning is enough")
    column: str = Field("toxicity", pattern=r"^[A-Za-z_]\w*$", description="name of the new column")

    def reads(self) -> list[str]:
        return ["captions"]

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field(self.column, pa.float32())])

    def setup(self) -> None:
        _load(self.model, self.label)

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        captions = [[t for t in texts or [] if t] for texts in batch.column("captions").to_pylist()]
        flat = [text for texts in captions for text in texts]
        scores = iter(self._scores(flat))
        best = [max((next(scores) for _ in texts), default=None) for texts in captions]
        return {self.column: pa.array(best, pa.float32())}

    def _scores(self, texts: list[str]) -> list[float]:
        import torch

        tokenizer, model, place, single = _load(self.model, self.label)
        found: list[float] = []
        with torch.inference_mode():
            for start in range(0, len(texts), BATCH):
                tokens = tokenizer(
                    texts[start : start + BATCH], padding=True, truncation=True, max_length=256, return_tensors="pt"
                )
                logits = model(**tokens).logits
                chances = logits.softmax(-1) if single else logits.sigmoid()
                found += chances[:, place].tolist()
        return found


@lru_cache(maxsize=2)
def _load(name: str, label: str) -> tuple[Any, Any, int, bool]:
    """Tokenizer, model, index of the label, and whether the classes exclude each other."""
    if find_spec("transformers") is None:
        raise MissingPackage("transformers", needed_by="toxicity", extra="hub")
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = AutoModelForSequenceClassification.from_pretrained(name, use_safetensors=True).eval()
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise EncoderError(
            f"the classifier '{name}' cannot be loaded: {first}; give a folder with safetensors weights"
        ) from None
    labels = {index: str(text).lower() for index, text in model.config.id2label.items()}
    place = next((i for i, text in sorted(labels.items()) if text.startswith(label.lower())), None)
    if place is None:
        raise BadInput(f"the classifier '{name}' has no class '{label}'; it has: {', '.join(labels.values())}")
    single = getattr(model.config, "problem_type", None) == "single_label_classification"
    return tokenizer, model, int(place), single
