"""taxonomy, merge-labels and map-labels on small pools, with the offline text encoder."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pytest

import veduta
from items import Given
from pictures import encoded, picture
from veduta.annotate.label_texts import THRESHOLD
from veduta.annotate.map_labels import MapLabels
from veduta.annotate.merge_labels import MergeLabels
from veduta.annotate.taxonomy import Taxonomy
from veduta.encode.vocabulary import imagenet_synsets, imagenet_tree, picturable_nouns
from veduta.errors import BadInput, EncoderError, MissingColumn, SourceError
from veduta.pool import Pool

ROWS = [
    (["Women", "Sofas"], "Blue thing"), (["Home", "Couches"], "x"), (["Garden", "Cranes"], "x"), ([], "Acme garden snails, set of 3"),
    (None, "A wool sock"), (["Sofas"], None), (["Stuff", "Zorblax"], "x"), (None, None), (["Birds", "Cranes"], "x"),
]  # fmt: skip


@pytest.fixture
def pool(tmp_path) -> Pool:
    return made(tmp_path / "p.vd", [{"category_path": path, "title": title} for path, title in ROWS])


def made(path: Path, rows: list[dict]) -> Pool:
    pool = veduta.create(path)
    content = {f"k{i:02d}": encoded(picture(i, (48, 40)), "PNG") for i in range(len(rows))} | {
        "z": b"\xff\xd8\xffbroken"
    }
    types = {"category_path": pa.list_(pa.string()), "title": pa.string(), "leaf": pa.string()}
    used = {name: kind for name, kind in types.items() if any(name in row for row in rows)}
    pool.ingest(Given(content, {f"k{i:02d}": row for i, row in enumerate(rows)}, **used))
    return pool


def column(pool: Pool, name: str) -> list:
    return pool.table([name])[name].to_pylist()


def test_the_vocabulary_is_whole():
    tree = imagenet_tree()
    assert tuple(tree.parents) == imagenet_synsets()
    assert tree.glosses["n02012849"].startswith("large long-necked wading bird")
    assert len(picturable_nouns()) == 21844
    assert set(picturable_nouns().find("mouse")) == {"n02330245", "n03793489"}


def test_leaves_of_paths_and_heads_of_titles(pool):
    pool.annotate(Taxonomy())
    leaves = ["Sofas", "Couches", "Cranes", "garden snail", "sock", "Sofas", "Zorblax", None, "Cranes", None]
    assert column(pool, "leaf") == leaves
    assert column(pool, "leaf_source") == ["category"] * 3 + ["title"] * 2 + ["category"] * 2 + [None, "category", None]
    pool.annotate(Taxonomy(source="title"))
    assert column(pool, "leaf")[0] is None
    with pytest.raises(BadInput, match="holds int32"):
        pool.annotate(Taxonomy(source="title", title="width"))


def edited(path: Path, **said: str) -> None:
    """Write decisions into a review, by label."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        row["decision"] = said.get(row["given"], row["decision"])
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_merging_with_a_review(pool, tmp_path):
    pool.annotate(Taxonomy())
    review = tmp_path / "merges.csv"
    pool.annotate(MergeLabels(threshold=0.85, table=str(review)))
    assert column(pool, "merged_label")[:3] == ["Sofas", "Sofas", "Cranes"]  # couch ~ sofa
    assert column(pool, "merged_label")[7] is None
    assert pool.schema.field("merged_label").metadata[THRESHOLD] == b"0.8500"
    assert review.read_text("utf-8").splitlines()[0].startswith("decision,score,given,mapped")
    edited(review, Couches="split")
    pool.annotate(MergeLabels(threshold=0.85, review=str(review)))
    assert column(pool, "merged_label")[1] == "Couches"
    version = pool.version
    pool.annotate(MergeLabels(threshold=0.85, review=str(review)))
    assert pool.version == version
    edited(review, Couches="accept")  # the content of the file counts, not its name
    pool.annotate(MergeLabels(threshold=0.85, review=str(review)))
    assert column(pool, "merged_label")[1] == "Sofas"
    with pytest.raises(BadInput, match="holds decisions, which would be lost"):
        pool.annotate(MergeLabels(threshold=0.84, table=str(review)))
    pool.annotate(MergeLabels(threshold=0.85, deny=["Sofas = Couches"]))
    assert column(pool, "merged_label")[1] == "Couches"


def test_mapping_with_a_review(pool, tmp_path):
    pool.annotate(Taxonomy())
    review = tmp_path / "map.csv"
    pool.annotate(MapLabels(target="leaf", table=str(review)))
    synset, how = column(pool, "synset"), column(pool, "synset_how")
    assert synset[4] == "n04254777"
    assert column(pool, "synset_name")[4] == "sock"
    assert how[3] == "to be reviewed: a meaning of its own; head noun: snail"
    assert synset[2] is None
    assert how[2].startswith("to be reviewed: several meanings")
    assert synset[6] is None
    assert column(pool, "synset_score")[6] < 0.9
    assert synset[7] is None
    assert how[7] is None
    edited(review, Cranes="n03126707", sock="split", Sofas="n04344873")
    pool.annotate(MapLabels(target="leaf", review=str(review)))
    assert column(pool, "synset")[2] == "n03126707"
    assert column(pool, "synset")[4] is None
    assert column(pool, "synset")[0] == "n04344873"
    assert column(pool, "synset_how")[2] == "reviewed"
    edited(review, Cranes="a bird")
    with pytest.raises(BadInput, match="sends 'Cranes' to 'a bird', which is not a class of imagenet"):
        pool.annotate(MapLabels(target="leaf", review=str(review)))


def test_a_context_tells_what_to_propose(tmp_path):
    pool = made(
        tmp_path / "p.vd",
        [{"leaf": "crane", "category_path": ["Animals", "Birds"]}, {"leaf": "mouse", "category_path": ["Computers"]}],
    )
    work = MapLabels(target="leaf", context="category_path")
    rows = {row["given"]: row for row in work.propose(pool.where("error is null"), ["crane", "mouse"]).to_pylist()}
    assert rows["crane"]["mapped"] == "n02012849"
    assert rows["mouse"]["mapped"] == "n03793489"
    assert rows["crane"]["ambiguous"]
    assert rows["mouse"]["ambiguous"]


def test_another_vocabulary(pool, tmp_path):
    (tmp_path / "v.csv").write_text("class,parent,name\n/m/1,,Sofa\n/m/2,,Sock\n")
    pool.annotate(Taxonomy())
    pool.annotate(MapLabels(target="leaf", vocabulary=str(tmp_path / "v.csv"), column="open_image"))
    assert column(pool, "open_image")[0] == "/m/1"
    assert column(pool, "open_image")[4] == "/m/2"


def test_thresholds_from_reviews(pool, tmp_path):
    pool.annotate(Taxonomy())
    with pytest.raises(BadInput, match="is taken from a reviewed table"):
        pool.annotate(MergeLabels(threshold="review"))
    lines = [
        "decision,given,mapped,score",
        *(f"accept,a{i},b,0.8{i}" for i in range(5)),
        *(f"split,c{i},d,0.7{i}" for i in range(6)),
    ]
    (tmp_path / "r.csv").write_text("\n".join(lines))
    pool.annotate(MergeLabels(threshold="review", review=str(tmp_path / "r.csv")))
    assert pool.schema.field("merged_label").metadata[THRESHOLD] == b"0.8000"


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (MergeLabels(threshold=1.5), BadInput, "above 0 and at most 1"), (MapLabels(target="leaf", threshold=0.0), BadInput, "above 0"),
        (MapLabels(target="leaf", vocabulary="no.csv"), SourceError, "must be imagenet or a file"),
        (MergeLabels(review="no.csv"), SourceError, "cannot be read"), (MergeLabels(table="/no/such/folder/t.csv"), BadInput, "does not exist"),
        (MapLabels(target="nothing"), MissingColumn, "lacks"), (MergeLabels(encoder="timm:resnet18?pretrained=0"), EncoderError, "text"),
    ],
)  # fmt: skip
def test_wrong_use_gets_a_sentence(pool, wrong, error, words):
    pool.annotate(Taxonomy())
    with pytest.raises(error, match=words):
        wrong.check(pool)
