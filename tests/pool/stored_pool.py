"""Makes the pool of this release that every later one must open: `python tests/pool/stored_pool.py` (run once a release).

It lies beside this file as `stored/VERSION.zip` (the pool's folder as it is) and `stored/VERSION.json` (what is in it).
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import veduta
from items import Given
from pictures import encoded, picture
from veduta.annotate.cluster import Cluster
from veduta.annotate.perceptual_hash import PerceptualHash
from veduta.annotate.quality import Quality
from veduta.annotate.review import Review
from veduta.pool import Pool
from veduta.select.sample import Sample

HERE = Path(__file__).parent / "stored"


def content(first: int, count: int) -> Given:
    """Small pictures with labels, captions, splits and a box, one of which cannot be decoded."""
    keys = [f"{'ab'[i % 2]}/{i:02d} é.png" for i in range(first, first + count)]
    files: dict[str, Any] = {
        key: encoded(picture(int(key[2:4]), (40, 32)), "PNG") if key[2:4] != "07" else b"\x89PNG torn" for key in keys
    }
    box = {"class": "disc", "box": [1.0, 2.0, 8.0, 9.0]}
    fields = {
        key: {"label": key[0], "captions": ["one", "two"], "split": ("train", "test")[i % 3 == 0], "objects": [box]}
        for i, key in enumerate(keys)
    }
    return Given(files, fields)


def make(path: Path) -> Pool:
    """Every kind of change: rows, columns of each kind, a selection, a decision, an undo, rows that went, vectors."""
    from veduta.annotate.embed import Embed

    pool = veduta.create(path)
    pool.ingest(content(0, 8), annotators=[Embed(), Quality(), PerceptualHash()])
    pool.annotate(Cluster(count=2))
    pool.select(Sample(count=3, seed=1), name="some")
    pool.annotate(Review(kind="outliers", decisions={"a/00 é.png": "keep", "b/01 é.png": "leave-out"}))
    pool.select(Sample(count=4, seed=2), name="taken_back")
    pool.undo()
    pool.ingest(content(0, 7))
    return pool


def facts(pool: Pool) -> dict[str, Any]:
    """What a user can read of a pool, as JSON has it."""
    columns = [
        f.name for f in pool.schema if f.name not in ("image", "stamp") and not str(f.type).startswith("fixed_size")
    ]
    return json.loads(
        json.dumps(
            {
                "types": {field.name: str(field.type) for field in pool.schema},
                "rows": pool.table(columns).to_pylist(),
                "log": [[record.operation, record.before, record.version] for record in pool.log()],
                "recipe": pool.recipe(),
                "selections": {name: pool.selection(name).rows().tolist() for name in pool.selections()},
                "digest": pool.digest(),  # which covers images and vectors
            },
            default=bytes.hex,
        )
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        pool = make(Path(folder) / "pool.vd")
        HERE.mkdir(exist_ok=True)
        shutil.make_archive(str(HERE / veduta.__version__), "zip", folder, "pool.vd")
        (HERE / f"{veduta.__version__}.json").write_text(json.dumps(facts(pool), indent=1, ensure_ascii=False) + "\n")
