from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pictures import encoded, picture
from veduta import samples
from veduta.errors import BadInput, SourceError
from veduta.samples import catalog, emoji, fashion_mnist, packages, place, tux_stamps


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEDUTA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VEDUTA_DATA", str(tmp_path / "data"))


def tar_of(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def test_every_sample_says_what_it_is_and_under_which_terms():
    assert {"tux-stamps", "emoji", "fashion-mnist", "cifar10", "flickr8k", "chest-xray"} <= set(samples.names())
    for name in samples.names():
        sample = samples.info(name)
        assert sample.about.endswith(".")
        assert sample.licence
        assert sample.attribution
        assert sample.origin
        assert sample.images > 100
    with pytest.raises(BadInput, match="did you mean 'tux-stamps'"):
        samples.info("tux-stamp")


def test_shares_never_move_and_are_even():
    assert samples.stable_share("1F600", "emoji") == pytest.approx(0.2141801092575565, abs=1e-15)
    shares = np.array([samples.stable_share(str(i), "x") for i in range(4000)])
    assert shares.min() >= 0
    assert shares.max() < 1
    assert np.abs(np.histogram(shares, 10, (0, 1))[0] - 400).max() < 80
    names = [samples.stable_split(str(i), "x", {"train": 0.8, "test": 0.2}) for i in range(4000)]
    assert 0.77 < names.count("train") / 4000 < 0.83


def test_unpacking_never_leaves_its_folder(tmp_path: Path):
    for path in ("../out.png", "/out.png", "a/../../out.png"):
        data = tar_of({"good.png": b"1", path: b"2"})
        with tarfile.open(fileobj=io.BytesIO(data)) as archive, pytest.raises(SourceError, match="leaves its folder"):
            packages.unpack(archive, tmp_path / "in", lambda name: name)
        assert not (tmp_path / "out.png").exists()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with tarfile.open(fileobj=io.BytesIO(stream.getvalue())) as archive:
        assert packages.unpack(archive, tmp_path / "in", lambda name: name) == 0


def command(folder: Path, name: str, body: str) -> None:
    folder.mkdir(exist_ok=True)
    script = folder / name
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)


def test_stamps_from_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The package manager's clients are replaced by scripts; everything else is real."""
    inside = f"./{tux_stamps.INSIDE}"
    stamp = encoded(picture(1, (40, 30)), "PNG")
    files = {
        f"{inside}animals/birds/owl.png": stamp,
        f"{inside}animals/birds/owl.txt": b"An owl.\nde.utf8=Eine Eule.\nfr.utf8=\n",
        f"{inside}animals/birds/owl.ogg": b"sound",
        f"{inside}vehicles/ship/cartoon/tug.png": stamp,
        f"{inside}vehicles/ship/cartoon/tug_mirror.png": stamp,
        f"{inside}vehicles/ship/cartoon/tug.txt": b"A tugboat.",
        f"{inside}symbols/a.png": stamp,
        "./usr/share/doc/readme.png": stamp,
    }
    (tmp_path / "inner.tar").write_bytes(tar_of(files, "w"))
    tools = tmp_path / "bin"
    command(tools, "apt-get", 'echo fetched >> "$COUNT"; touch $3_1.deb; [ "$1 $2" = "download -q" ]')
    command(tools, "dpkg-deb", f'cat "{tmp_path}/inner.tar"')
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("COUNT", str(tmp_path / "count"))
    assert samples.present("tux-stamps") is None
    folder = samples.get("tux-stamps")
    assert samples.get("tux-stamps") == folder == samples.present("tux-stamps")
    assert (tmp_path / "count").read_text().count("fetched") == 1
    table = samples.load("tux-stamps")
    rows = {row["key"]: row for row in table.to_pylist()}
    assert set(rows) == {
        "animals/birds/owl.png",
        "symbols/a.png",
        "vehicles/ship/cartoon/tug.png",
        "vehicles/ship/cartoon/tug_mirror.png",
    }
    owl = rows["animals/birds/owl.png"]
    assert (owl["label"], owl["category"], owl["captions"]) == ("animals", "animals/birds", ["An owl."])
    assert json.loads(owl["captions_other"]) == {"de": "Eine Eule."}
    assert owl["is_object"]
    assert not owl["cartoon"]
    assert owl["image"] == stamp
    tug, mirrored = rows["vehicles/ship/cartoon/tug.png"], rows["vehicles/ship/cartoon/tug_mirror.png"]
    assert tug["split"] == mirrored["split"]
    assert mirrored["captions"] == ["A tugboat."]
    assert mirrored["mirrored"]
    assert not mirrored["is_object"]
    assert not rows["symbols/a.png"]["is_object"]
    assert samples.load("tux-objects")["key"].to_pylist() == ["animals/birds/owl.png", "vehicles/ship/cartoon/tug.png"]
    assert "GPL" in (folder / "SOURCE.md").read_text()
    assert not list(place.cache().glob(".tux*"))


def test_a_failed_fetch_leaves_nothing_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tools = tmp_path / "bin"
    command(tools, "npm", 'echo "npm error network is unreachable" >&2; exit 1')
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    with pytest.raises(SourceError, match="network is unreachable"):
        samples.get("emoji")
    assert samples.present("emoji") is None
    assert [path.name for path in place.cache().iterdir()] == ["downloads"]
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(SourceError, match="this machine has no npm"):
        samples.get("emoji")
    with pytest.raises(SourceError, match="this machine has no apt-get"):
        samples.get("tux-stamps")
    with pytest.raises(SourceError, match=r"put it into the folder \$VEDUTA_DATA/cifar10"):
        samples.get("cifar10")


def test_forms_of_an_emoji_that_differ_in_gender_are_one():
    runner, woman, man = "1F3C3", "1F3C3-200D-2640-FE0F", "1F3C3-200D-2642-FE0F"
    assert {emoji.ungendered(form) for form in (runner, woman, man)} == {runner}
    cooks = {emoji.ungendered(form) for form in ("1F468-200D-1F373", "1F469-200D-1F373", "1F9D1-200D-1F373")}
    assert cooks == {"1F9D1-200D-1F373"}
    assert emoji.ungendered("1F468") == "1F468"


def test_emoji_rows_and_their_fixed_split():
    listed = [
        {
            "name": "FACE", "unified": "1F600", "image": "1f600.png", "short_name": "grinning", "category": "Smileys & Emotion",
            "subcategory": "face-smiling", "has_img_apple": True, "has_img_google": True,
        },
        {
            "name": None, "unified": "1F44B-FE0F", "image": "1f44b.png", "short_name": "wave_hand", "category": "People & Body",
            "subcategory": "hand", "has_img_apple": True, "has_img_google": True,
            "skin_variations": {"1F3FB": {"image": "1f44b-1f3fb.png", "has_img_apple": True, "has_img_google": False}},
        },
        {"name": "SKIN", "unified": "1F3FB", "image": "x.png", "short_name": "skin", "category": "Component", "subcategory": "s"},
    ]  # fmt: skip
    names = emoji.by_code([{"hexcode": "1F44B", "label": "waving hand", "tags": ["hello", "wave"]}])
    google = list(emoji.vendor_rows(listed, names, "google", tones=False))
    apple = list(emoji.vendor_rows(listed, names, "apple", tones=True))
    assert [row["concept"] for row in google] == ["1F600", "1F44B-FE0F"]
    assert google[1]["captions"] == ["waving hand", "wave hand", "hello, wave"]
    assert google[0]["captions"] == [
        "face",
        "grinning",
    ]
    assert [row["tone"] for row in apple] == ["", "", "1F3FB"]
    assert apple[1]["split"] == apple[2]["split"]
    for one, other in zip(google, apple[:2], strict=True):
        assert one["concept_split"] == other["concept_split"]
        assert (one["split"], other["split"]) in {("train", "other"), ("validation", "test")}
    assert list(emoji.vendor_rows(listed, names, "google", tones=True)) == google


def test_idx_files(tmp_path: Path):
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    head = b"\0\0\x08\x03" + np.array(images.shape, ">u4").tobytes()
    (tmp_path / "a.gz").write_bytes(gzip.compress(head + images.tobytes()))
    np.testing.assert_array_equal(fashion_mnist.read_idx(tmp_path / "a.gz"), images)
    for damaged in (b"", b"\0\0\x08\x03", head, head + images.tobytes()[:-1], b"PNG" + head):
        (tmp_path / "b").write_bytes(damaged)
        with pytest.raises(SourceError, match="not an idx file"):
            fashion_mnist.read_idx(tmp_path / "b")


def test_own_data_come_first_and_load_with_common_names(tmp_path: Path):
    folder = tmp_path / "data" / "cifar10"
    folder.mkdir(parents=True)
    table = pa.table({"path": ["a.jpg"], "split": ["train"], "label": [3], "class": ["cat"], "image": [b"bytes"]})
    pq.write_table(table, folder / "cifar10.parquet")
    assert samples.get("cifar10") == folder / "cifar10.parquet"
    assert samples.load("cifar10").to_pylist() == [
        {"key": "a.jpg", "split": "train", "label_index": 3, "label": "cat", "image": b"bytes"}
    ]
    assert "image" not in samples.load("cifar10", images=False).column_names
    photos = tmp_path / "elsewhere"
    (photos / "images").mkdir(parents=True)
    (photos / "images" / "x.jpg").write_bytes(b"photo")
    (photos / "index.jsonl").write_text('{"file": "images/x.jpg", "captions": ["a", "b"]}\n\n')
    assert samples.load("flickr8k", where=photos).to_pylist() == [
        {"key": "images/x.jpg", "captions": ["a", "b"], "image": b"photo"}
    ]
    with pytest.raises(SourceError, match=r"neither metadata.jsonl nor index.jsonl"):
        samples.load("flickr8k", where=tmp_path)


def test_features_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    images = [encoded(picture(i, (40, 30))) for i in range(3)]
    first = samples.features(images)
    assert first.shape[0] == 3
    assert np.allclose(np.linalg.norm(first, axis=1), 1, atol=1e-5)
    many = samples.features(images, views=8)
    np.testing.assert_allclose(many[:, 0], first, atol=1e-4)  # the first view is the image itself
    whole = samples.features(images, whole=True)
    assert whole.shape == first.shape
    assert not np.allclose(whole, first, atol=1e-3)
    import veduta.engine.decode

    monkeypatch.setattr(veduta.engine.decode, "decode", lambda *_: pytest.fail("decoded again"))
    np.testing.assert_array_equal(samples.features(images), first)
    np.testing.assert_array_equal(samples.features(images, views=8), many)
    assert samples.features([]).shape == (0, first.shape[1])


def test_the_catalog_names_builders_that_exist():
    import importlib

    for sample in catalog.CATALOG.values():
        if sample.build:
            module, _, function = sample.build.partition(":")
            assert callable(getattr(importlib.import_module(module), function))
