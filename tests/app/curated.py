"""A small pool with everything to review: near and equal copies, a wrong label, damaged files, hostile names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

import veduta
from items import Given
from learn.shapes import shape
from pictures import encoded, picture
from veduta.annotate.embed import Embed
from veduta.annotate.outlier import Outlier
from veduta.annotate.perceptual_hash import PerceptualHash
from veduta.engine.operation import Field, TableAnnotator
from veduta.pool import Pool, View
from veduta.select.deduplicate import Deduplicate
from veduta.select.exact_duplicates import ExactDuplicates

HOSTILE = (
    "<script>alert(1)</script>.png",
    "../../../etc/passwd",
    "it's; drop table images--",
    'quo"te\\back.png',
    "emoji 🦊 ünïcode.jpg",
    "line\nbreak.png",
)
CAPTION = "</script><img src=x onerror=alert(1)> {{7*7}} ' or 1=1 --"


class Doubted(TableAnnotator):
    """The columns of label-issues with known content: the first rows given have an issue, and `disc` or `cross` fits."""

    keys: tuple[str, ...] = Field(description="rows with an issue, the worst first")

    def adds(self) -> pa.Schema:
        kinds = {"label_issue": pa.bool_(), "label_quality": pa.float32(), "label_suggested": pa.string()}
        return pa.schema([pa.field(name, kind) for name, kind in kinds.items()])

    def compute(self, pool: View) -> pa.Table:
        table = pool.table(["key", "label"]).to_pydict()
        issue = [key in self.keys for key in table["key"]]
        quality = [self.keys.index(k) / 100 if i else 0.9 for k, i in zip(table["key"], issue, strict=True)]
        other = {"disc": "cross", "cross": "disc"}
        fits = [other.get(label, "disc") if i else None for label, i in zip(table["label"], issue, strict=True)]
        rows = pool.rows()
        return pa.table(
            {
                "_row": rows,
                "label_issue": issue,
                "label_quality": pa.array(np.array(quality), pa.float32()),
                "label_suggested": pa.array(fits, pa.string()),
            }
        )


def curated(path: Path, count: int = 16) -> Pool:
    """`count` shapes, two altered copies and an equal one of a photo, hostile names, two damaged files; annotated."""
    files = {f"s{i:04d}": encoded(shape(i), "PNG") for i in range(count)}
    photo = picture(1, (256, 192))
    files |= {"photo.png": encoded(photo, "PNG"), "photo again.png": encoded(photo, "PNG")}
    files |= {"photo 80.jpg": encoded(photo, quality=80), "photo small.png": encoded(_smaller(photo), "PNG")}
    files |= {key: encoded(picture(100 + i), "PNG") for i, key in enumerate(HOSTILE)}
    files |= {"broken.jpg": b"\xff\xd8\xffbroken", "text.png": b"no picture"}
    fields = {f"s{i:04d}": {"label": ("disc", "cross")[i % 2], "captions": ["a shape", CAPTION]} for i in range(count)}
    fields |= {key: {"label": CAPTION, "captions": [CAPTION]} for key in HOSTILE}
    pool = veduta.create(path)
    pool.ingest(Given(files, fields), annotators=[Embed(), PerceptualHash()])
    pool.annotate([Outlier(), Doubted(keys=("s0003", "s0001", "s0002"))])
    pool.select(ExactDuplicates(), name="exact")
    pool.select(Deduplicate(), name="near")
    return pool


def _smaller(image: Image.Image) -> Image.Image:
    return image.resize((image.width * 3 // 4, image.height * 3 // 4))
