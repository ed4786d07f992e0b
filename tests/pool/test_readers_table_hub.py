"""Tables as the Hugging Face Hub has them: shards, class names, lists of images."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from veduta.errors import BadInput, SourceError
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


FINE = {"_type": "ClassLabel", "names": ["apple", "bear"]}


def two_labels() -> pa.Table:
    table = pa.table({"img": [png(0), png(1), png(2)], "fine_label": [0, 1, -1], "coarse_label": [1, 0, 1]})
    return featured(table, {"fine_label": FINE, "coarse_label": {"_type": "ClassLabel", "names": ["thing", "fruit"]}})


def test_every_column_of_class_numbers_has_its_names():
    reader = open_source(two_labels())
    fields = [i.fields for i in reader.items()]
    assert [f["fine_label"] for f in fields] == ["apple", "bear", None]
    assert [f["fine_label_id"] for f in fields] == [0, 1, -1]
    assert [f["coarse_label"] for f in fields] == ["fruit", "thing", "fruit"]
    assert not any("label" in f for f in fields)
    guess = next(g for g in reader.notes.guesses if g.what == "labels")
    assert "fine_label, coarse_label" in guess.how
    assert guess.option == "--label-from COLUMN"

    asked = [i.fields for i in open_source(two_labels(), label_from="fine_label").items()]
    assert [(f["label"], f["fine_label"]) for f in asked] == [("apple", "apple"), ("bear", "bear"), (None, None)]

    alone = open_source(two_labels().drop_columns(["coarse_label"]))
    assert [i.fields["label"] for i in alone.items()] == ["apple", "bear", None]
    assert any(g.what == "labels" and g.option == "--label-from none" for g in alone.notes.guesses)
    assert "label" not in next(iter(open_source(two_labels(), label_from="none").items())).fields


def test_class_names_in_lists_and_below_fields():
    table = pa.table({"image": [png()], "tags": [[1, 0]], "parts": [{"kind": 1, "size": 4}]})
    reader = open_source(featured(table, {"tags": {"_type": "List", "feature": FINE}, "parts": {"kind": FINE}}))
    fields = next(iter(reader.items())).fields
    assert fields["tags"] == ["bear", "apple"]
    assert fields["parts"] == {"kind": "bear", "size": 4}


CARD = """---
configs:
- config_name: big
  data_files: [{split: train, path: data/*}]
dataset_info:
- config_name: small
  features: [{name: label, dtype: {class_label: {names: {'0': wrong}}}}]
- config_name: big
  features:
  - {name: image, dtype: image}
  - name: label
    dtype:
      class_label:
        names:
          '0': ham
          '1': egg
  - name: many
    sequence: {class_label: {names: [x, y]}}
---
"""


def test_class_names_of_the_card(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "README.md").write_text(CARD)
    table = pa.table({"image": [png(0), png(1)], "label": [1, 0], "many": [[0, 1], []]})
    pq.write_table(table, tmp_path / "data" / "train-00000-of-00001.parquet")
    reader = open_source(tmp_path)
    assert [(i.fields["label"], i.fields["label_id"], i.fields["many"]) for i in reader.items()] == [
        ("egg", 1, ["x", "y"]),
        ("ham", 0, []),
    ]
    assert any("README.md" in g.how for g in reader.notes.guesses)


def test_labels_from_a_column_of_a_table(tmp_path):
    (tmp_path / "train").mkdir()
    for i in range(2):
        (tmp_path / "train" / f"{i}.png").write_bytes(png(i))
    (tmp_path / "train.csv").write_text("Image,Id,words\n0.png,w_1,a\n1.png,w_2,b\n")
    items = list(open_source(tmp_path / "train.csv", label_from="Id").items())
    assert [(i.fields["label"], i.fields["Id"]) for i in items] == [("w_1", "w_1"), ("w_2", "w_2")]
    with pytest.raises(BadInput, match="did you mean 'Id'"):
        open_source(tmp_path / "train.csv", label_from="id_")
    with pytest.raises(BadInput, match="is a table"):
        open_source(tmp_path / "train.csv", label_from="folder")


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n"


@pytest.mark.parametrize("name", ["train.parquet", "train.arrow", "t.csv", "t.jsonl"])
def test_pointers_of_git_lfs_say_how_to_fetch_the_file(tmp_path, name):
    (tmp_path / name).write_text(POINTER)
    with pytest.raises(SourceError, match="is a Git LFS pointer, not the file itself; run: git lfs pull"):
        open_source(tmp_path / name)


def test_words_for_missing_values(tmp_path):
    """Null among numbers and booleans; among texts they may be meant, so they are kept and told."""
    text = "file_name,score,ok,n,label\na.png,1.5,true,NA,NA\nb.png,NA,None,3,cat\nc.png,NULL,false,,None\n"
    (tmp_path / "t.csv").write_text(text)
    reader = open_source(tmp_path / "t.csv")
    fields = [i.fields for i in reader.items()]
    assert [(f["score"], f["ok"], f["n"], f["label"]) for f in fields] == [
        (1.5, True, None, "NA"),
        (None, None, 3, "cat"),
        (None, False, None, "None"),
    ]
    assert [name for name, reason in reader.notes.warnings if "kept as text" in reason] == ["column label"]
