"""The language of captions."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

import numpy as np
import pyarrow as pa

from veduta.engine.operation import Annotator, Batch, Field
from veduta.errors import MissingPackage
from veduta.pool.readers.web_clean import RELIABLE, language_of


class Language(Annotator):
    """Tell the language of each image's first caption, or null where the detector is not sure.

    Adds `caption_language`: ISO 639-1 code (py3langid, 97 languages). Short captions are often uncertain; LAION-5B
    keeps those as a split of their own ("no language").
    """

    reliable: float = Field(RELIABLE, ge=0, le=1, description="confidence from which a language is named")
    column: str = Field("caption_language", pattern=r"^[A-Za-z_]\w*$", description="name of the new column")

    def reads(self) -> list[str]:
        return ["captions"]

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field(self.column, pa.string())])

    def setup(self) -> None:
        if find_spec("py3langid") is None:
            raise MissingPackage("py3langid", needed_by="language", extra="web")
        language_of("a sentence, so that the model is loaded before the threads need it")

    def annotate(self, batch: Batch) -> Mapping[str, pa.Array | np.ndarray]:
        first = [next((t for t in texts or [] if t), None) for texts in batch.column("captions").to_pylist()]
        return {self.column: pa.array([language_of(t, self.reliable) if t else None for t in first], pa.string())}
