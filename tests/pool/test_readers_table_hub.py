"""Tables as the Hugging Face Hub has them: shards, class names, lists of images."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from veduta.pool.readers import hub, open_source

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def png(shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), (shade, 10, 20)).save(buffer, "PNG")
    return buffer.getvalue()


def featured(table: pa.Table, features: dict) -> pa.Table:
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


@pytest.mark.parametrize("kind", [pa.list_(STRUCT), pa.large_list(STRUCT), pa.list_(pa.binary())])
def test_lists_of_images_are_rows_of_their_own(tmp_path, kind):
    def one(i: int):
        return png(i) if pa.types.is_binary(kind.value_type) else {"bytes": png(i), "path": f"{i}.png"}

    table = pa.table({"images": pa.array([[one(0), one(1)], [], [one(2)]], kind), "answer": ["x", "y", "z"]})
    pq.write_table(table, tmp_path / "t.parquet")
    items = list(open_source(tmp_path / "t.parquet").items())
    assert [(i.key, i.read(), i.fields["answer"]) for i in items] == [
        ("t/00000000/0", png(0), "x"),
        ("t/00000000/1", png(1), "x"),
        ("t/00000002/0", png(2), "z"),
    ]


def test_a_row_more_in_one_shard_moves_no_key_of_another(tmp_path):
    (tmp_path / "data").mkdir()

    def keys(rows: int) -> set[str]:
        for split, count in (("test", rows), ("train", 3)):
            table = pa.table({"image": [png(i) for i in range(count)], "label": ["a"] * count})
            pq.write_table(table, tmp_path / "data" / f"{split}-00000-of-00001.parquet")
        return {i.key for i in open_source(tmp_path).items()}

    before, after = keys(2), keys(3)
    assert after - before == {"test-00000-of-00001/00000002"}
    assert before < after


@pytest.mark.parametrize(
    ("uris", "expected"),
    [
        (["/d/a.parquet"], ["a"]),
        (["/d/a.parquet", "/d/b.csv.gz"], ["a", "b"]),
        (["/d/en/0.parquet", "/d/fr/0.parquet"], ["en/0", "fr/0"]),
        (["/d/0.parquet", "/d/fr/0.parquet"], ["0", "fr/0"]),
        (["/d/t.v1.csv", "/d/t.v2.csv", "/d/u.csv"], ["t.v1", "t.v2", "u"]),
        (["/d/t.csv", "/d/t.tsv"], ["t.csv", "t.tsv"]),
        (["/d/t.csv", "/d/t.csv"], ["t.csv", "t.csv-2"]),
        (["/da/t.csv", "/db/t.csv"], ["da/t", "db/t"]),
    ],
)
def test_names_of_shards_are_unique(uris, expected):
    assert hub.stems(uris) == expected
