"""WebDataset shards: names with dots, further images, texts; read against webdataset and datasets."""

import io
import json
import tarfile

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from veduta.pool.readers.samples import ASIDE, Naming, main_picture
from veduta.pool.readers.webdataset import WebDataset


def png(value: int, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("L", (8, 8), value).save(stream, form)
    return stream.getvalue()


def tar(path, members):
    with tarfile.open(path, "w") as archive:
        for name, data in members.items() if isinstance(members, dict) else members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def read(path, members):
    reader = WebDataset(tar(path, members))
    columns = reader.columns()
    return reader, columns, {i.key.partition("/")[2]: i for i in reader.items()}


@pytest.mark.parametrize(
    ("names", "samples"),
    [
        (["photo.v1.png", "photo.v1.txt", "photo.v2.png", "photo.v2.txt"], ["photo.v1", "photo.v1", "photo.v2", "photo.v2"]),
        (["x.jpg", "x.seg.png", "x.meta.json", "x.txt"], ["x", "x", "x", "x"]),
        (["x.jpg", "x.zeta.png", "x.txt"], ["x", "x", "x"]),
        (["a.left.jpg", "a.right.jpg", "b.left.jpg", "b.right.jpg"], ["a", "a", "b", "b"]),
        (["cat.0.jpg", "cat.1.jpg", "dog.0.jpg", "dog.1.jpg"], ["cat.0", "cat.1", "dog.0", "dog.1"]),
        (["x.jpg", "x.txt", "x.1.jpg", "x.1.txt"], ["x", "x", "x.1", "x.1"]),
        (["p.v1.jpg", "p.v1.seg.png", "p.v1.txt", "p.v2.jpg", "p.v2.txt"], ["p.v1", "p.v1", "p.v1", "p.v2", "p.v2"]),
        (["IMG.2020.01.jpg", "IMG.2020.02.jpg"], ["IMG.2020.01", "IMG.2020.02"]),
        (["x.image.jpg", "x.caption.txt"], ["x", "x"]),
        (["no_suffix"], ["no_suffix"]),
    ],
)  # fmt: skip
def test_which_files_are_a_sample(names, samples):
    naming = Naming()
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.partition(".")[0], []).append(name)
    for group in groups.values():
        naming.see(group)
    assert [naming.split(name)[0] for name in names] == samples


def test_the_picture_that_a_sample_is_about():
    assert main_picture(["seg.png", "jpg"]) == "jpg"
    assert main_picture(["depth.png", "image.png", "b.png"]) == "image.png"
    assert main_picture(["mask.png", "left.png", "right.png"]) == "left.png"


def test_further_images_are_columns(tmp_path):
    members = {}
    for n in (1, 2):
        members |= {f"d/{n}.seg.png": png(n + 10), f"d/{n}.jpg": png(n, "JPEG"), f"d/{n}.depth.png": png(n + 20)}
        members |= {f"d/{n}.cls": b"cat", f"d/{n}.npy": b"\x93"}
    members |= {"d/3.png": png(3), "d/3.jpg": png(33, "JPEG"), "d/3.cls": b"dog"}
    reader, columns, items = read(tmp_path / "s.tar", members)
    assert list(items) == ["d/1.jpg", "d/2.jpg", "d/3.png"]
    assert columns == dict.fromkeys(["seg_png", "depth_png", "jpg"], pa.large_binary())
    one, three = items["d/1.jpg"].fields, items["d/3.png"].fields
    assert (one["seg_png"], one["depth_png"], one["jpg"], one["label"]) == (png(11), png(21), None, "cat")
    assert (three["seg_png"], three["jpg"], three["label"]) == (None, png(33, "JPEG"), "dog")
    assert "depth.png, jpg, seg.png: kept as columns of bytes" in str(reader.notes.guesses[0])
    assert reader.notes.aside == {"arrays (.npy)": (2, ["d/1.npy", "d/2.npy"])}


def test_no_text_is_lost(tmp_path):
    members = {
        "a.jpg": png(1),
        "a.txt": "größe".encode("cp1252"),
        "a.long.txt": "ein langer Text".encode("utf-16"),
        "a.json": json.dumps({"caption": "other", "bad.name": 1, "_rowid": 2}).encode(),
        "a.meta.json": json.dumps({"caption": "third", "n": 3}).encode(),
        "a.cls": b"12",
        "b.png": png(2),
        "b.json": b"{not json",
        "c.txt": b"alone",
    }
    reader, columns, items = read(tmp_path / "s.tar", members)
    fields = items["a.jpg"].fields
    assert fields["captions"] == ["other"]
    assert (fields["txt"], fields["long_txt"], fields["meta_caption"]) == ("größe", "ein langer Text", "third")
    assert (fields["bad_name"], fields["source_rowid"], fields["n"], fields["label"]) == (1, 2, 3, "12")
    assert set(columns) == {"txt", "long_txt", "meta_caption", "bad_name", "source_rowid", "n", "label_id"}
    assert [name for name, _ in reader.problems] == ["b.json"]
    assert reader.skipped == [("s.tar/c", "a sample without an image")]
    assert any("Windows-1252" in str(g) for g in reader.notes.guesses)


NAMES = st.lists(st.from_regex(r"[a-c]{1,3}(/[a-c0-9]{1,4})?", fullmatch=True), min_size=1, max_size=6, unique=True)


@settings(max_examples=40, deadline=None)
@given(names=NAMES, more=st.sets(st.sampled_from(["seg.png", "depth.png", "json", "cls"])))
def test_samples_are_those_of_webdataset(tmp_path_factory, names, more):
    """Without dots in the names, the samples, their captions and their further images are the peer's."""
    webdataset = pytest.importorskip("webdataset")
    members = []
    for number, name in enumerate(names):
        data = {"jpg": png(number, "JPEG"), "txt": f"caption {number}".encode(), "seg.png": png(100 + number)}
        data |= {"depth.png": png(50 + number), "json": json.dumps({"n": number}).encode(), "cls": str(number).encode()}
        members += [(f"{name}.{end}", data[end]) for end in ("jpg", "txt", *sorted(more))]
    path = tar(tmp_path_factory.mktemp("w") / "s.tar", members)
    items = {i.key.removeprefix("s/").removesuffix(".jpg"): i for i in WebDataset(path).items()}
    peer = {s["__key__"]: s for s in webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False)}
    assert list(items) == list(peer)
    for key, item in items.items():
        theirs = peer[key]
        assert item.read() == theirs["jpg"]
        assert item.fields["captions"] == [theirs["txt"].decode()]
        for end in more & {"seg.png", "depth.png"}:
            assert item.fields[end.replace(".", "_")] == theirs[end]
        if "json" in more:
            assert item.fields["n"] == json.loads(theirs["json"])["n"]
        if "cls" in more:
            assert item.fields["label"] == theirs["cls"].decode()


@settings(max_examples=40, deadline=None)
@given(
    stems=st.lists(st.from_regex(r"[ab](\.[a-z0-9]{1,3}){0,3}", fullmatch=True), min_size=1, max_size=8, unique=True)
)
def test_every_picture_keeps_its_own_caption(tmp_path_factory, stems):
    assume(not {part for stem in stems for part in stem.split(".")} & {*ASIDE})  # `a.ir.png` is infrared beside a.png
    members = [(f"{s}.{e}", png(n) if e == "png" else s.encode()) for n, s in enumerate(stems) for e in ("png", "txt")]
    path = tar(tmp_path_factory.mktemp("w") / "s.tar", members)
    got = {i.key.removeprefix("s/"): i.fields["captions"] for i in WebDataset(path).items()}
    assert got == {f"{s}.png": [s] for s in stems}
