"""Tables beside images: which are taken, by which column, and what is told of the others."""

from __future__ import annotations

import pytest
from PIL import Image

from veduta.errors import BadInput
from veduta.pool.readers import open_source


def tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            Image.new("RGB", (8, 6), (len(name), 0, 0)).save(path)
        else:
            path.write_text(text)
    return root


def read(root, **options):
    reader = open_source(root, **options)
    return reader, {i.key: i.fields for i in reader.items()}


IN_FOLDER = {"im/a0.png": None, "im/a1.png": None}
SPREAD = {"x/a0.png": None, "y/a1.png": None, "z/a2.PNG": None, "z/a3.png": None}


@pytest.mark.parametrize(
    ("table", "images"),
    [
        ("image_id,label\nim/a0.png,c0\nim/a1.png,c1\n", IN_FOLDER),
        ("image_id,label\na0.png,c0\na1.png,c1\n", IN_FOLDER),
        ("ImageId,label\na0,c0\na1,c1\n", IN_FOLDER),
        ("image,label\na0,c0\na1,c1\n", IN_FOLDER),
        ("id,label\na0,c0\na1,c1\n", IN_FOLDER),
        ("label,Slice\nc0,a0\nc1,a1\n", IN_FOLDER),
        ("n,Slice,label\n5,C:\\im\\a0.png,c0\n6,C:\\im\\a1.png,c1\n", IN_FOLDER),
        ("id,label\n1,c0\n2,c1\n", {"im/1.png": None, "im/2.png": None}),
        ("id,label\na0,c0\na1,c1\na2,c2\na3,c3\n", SPREAD),
        ("id,label\na0,c0\na1,c1\n", {"deep/er/A0.png": None, "deep/A1.png": None}),
    ],
)
def test_a_table_is_taken_whose_first_values_name_images(tmp_path, table, images):
    reader, found = read(tree(tmp_path, {**images, "train.csv": table}))
    assert {f["label"] for f in found.values()} == {f"c{i}" for i in range(len(images))}
    assert {f["split"] for f in found.values()} == {"train"}
    assert not reader.problems
    assert not reader.skipped


def test_a_tables_split_says_nothing_of_other_images(tmp_path):
    files = {"train/a.png": None, "test/b.png": None, "train.csv": "Image,Id\na.png,w_1\n"}
    files["sample_submission.csv"] = "Image,Id\nb.png,x y\n"
    reader, found = read(tree(tmp_path, files))
    assert found["test/b.png"]["split"] == "test"
    assert found["train/a.png"]["Id"] == "w_1"
    assert "Id" not in found["test/b.png"]
    assert "sample submissions, whose values are placeholders" in reader.notes.aside


@pytest.mark.parametrize(
    "table",
    [
        "epoch,loss\n1,0.5\n2,0.4\n",  # numbers that happen to be names
        "label,count\n1x,4\n1x,5\n",
        "image_id,label\nq0,c0\nq1,c1\n",
    ],
)
def test_a_table_that_names_no_images_is_told_with_the_option(tmp_path, table):
    reader, found = read(tree(tmp_path, {"1.png": None, "2.png": None, "1x.png": None, "results.csv": table}))
    assert found["1.png"] == {}
    assert next(kind for kind in reader.notes.aside if "--image-column" in kind)


def test_the_column_can_be_named(tmp_path):
    files = {"a.png": None, "b.png": None, "t.csv": "image,other,label\na,b,x\nb,a,y\n"}
    root = tree(tmp_path, files)
    assert read(root)[1]["a.png"]["label"] == "x"
    assert read(root, image="other")[1]["a.png"]["label"] == "y"
    with pytest.raises(BadInput, match=r"in a column 'othr'; tables: t.csv \(image, other, label\)"):
        read(root, image="othr")


def test_every_known_table_that_names_images_is_read(tmp_path):
    files = {f"{i}.png": None for i in range(2)}
    files |= {"labels.csv": "filename,label\n0.png,a\n1.png,b\n", "captions.csv": "image,caption\n0.png,c0\n1.png,c1\n"}
    _, found = read(tree(tmp_path, {**files, "metadata.jsonl": '{"file_name": "0.png", "n": 3}\n'}))
    assert [(f["label"], f["captions"], f["n"]) for f in found.values()] == [("a", ["c0"], 3), ("b", ["c1"], None)]


def test_names_found_elsewhere_are_told_once(tmp_path):
    files = {f"img/{i:03}.png": None for i in range(12)}
    files["labels.csv"] = "image,label\n" + "".join(f"{i:03}.png,c\n" for i in range(12))
    reader, _ = read(tree(tmp_path, files))
    assert [g.how for g in reader.notes.guesses if g.what == "names in labels.csv"] == [
        "12 file names found in a folder below, such as img/000.png"
    ]


@pytest.mark.parametrize("name", ["0.png", "0", "0.PNG"])
def test_a_name_of_several_images_is_said_to_be_one(tmp_path, name):
    files = {"a/0.png": None, "b/0.png": None, "labels.csv": f"image,label\n{name},x\n"}
    reader, _ = read(tree(tmp_path, files))
    assert reader.problems == [
        (name, "named in labels.csv, but 2 images have that name; write their folders before it")
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metadata.jsonl", '{"file_names": ["0.png", "1.png"], "q": "x"}\n{"file_names": ["2.png"], "q": "y"}\n'),
        ("metadata.csv", 'file_names,q\n"[""0.png"", ""1.png""]",x\n"[""2.png""]",y\n'),
    ],
)
def test_a_record_of_several_images_is_one_for_each(tmp_path, name, text):
    files = {f"train/{i}.png": None for i in range(3)}
    reader, found = read(tree(tmp_path, {**files, f"train/{name}": text}))
    assert [(f["q"], f["group"], f["position"]) for f in found.values()] == [
        ("x", "train/0.png", 0),
        ("x", "train/0.png", 1),
        ("y", None, None),
    ]
    assert not reader.skipped
    assert set(reader.columns()) == {"q", "group", "position"}


def test_columns_of_further_images_are_kept_and_told(tmp_path):
    files = {"0.png": None, "1.png": None}
    text = '{"left_file_name": "0.png", "right_file_name": "1.png"}\n'
    reader, found = read(tree(tmp_path, {**files, "metadata.jsonl": text}))
    assert found["0.png"] == {"left_file_name": "0.png", "right_file_name": "1.png"}
    assert any("right_file_name kept as text" in g.how for g in reader.notes.guesses)
