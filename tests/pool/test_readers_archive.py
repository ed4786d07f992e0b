"""Zip, tar and WebDataset: read in place, nothing dangerous, from many threads."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest
from PIL import Image

from veduta.errors import SourceError
from veduta.pool import location
from veduta.pool.readers import open_source
from veduta.pool.readers.archive import Archive
from veduta.pool.readers.webdataset import WebDataset


def png(shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), (shade, 10, 20)).save(buffer, "PNG")
    return buffer.getvalue()


def tar(path: Path, members: dict[str, bytes], mode: str = "w", extra: tuple[tarfile.TarInfo, ...] = ()) -> Path:
    with tarfile.open(path, mode) as archive:
        for info in extra:
            archive.addfile(info)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def zipped(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


PICTURES = {"root/cat/b.png": png(2), "root/cat/a.png": png(1), "root/dog/c.png": png(3), "root/readme.md": b"x"}


@pytest.mark.parametrize("kind", ["stored.zip", "deflated.zip", "plain.tar", "packed.tar.gz", "packed.tar.xz"])
def test_archives_of_class_folders(tmp_path, kind):
    path = tmp_path / kind
    if kind.endswith(".zip"):
        zipped(path, PICTURES, zipfile.ZIP_STORED if kind[0] == "s" else zipfile.ZIP_DEFLATED)
    else:
        tar(path, PICTURES, {"tar": "w", "gz": "w:gz", "xz": "w:xz"}[kind.rsplit(".")[-1]])
    reader = open_source(path)
    assert isinstance(reader, Archive)
    items = list(reader.items())
    assert {i.key: (i.fields["label"], i.read()) for i in items} == {
        k: (k.split("/")[1], v) for k, v in PICTURES.items() if k.endswith(".png")
    }
    if "packed" not in kind:
        assert [i.key for i in items] == sorted(i.key for i in items)
    for item in items:
        assert not item.uri or location.read(item.uri) == PICTURES[item.key]
    assert bool(items[0].uri) == (kind in ("stored.zip", "plain.tar"))
    assert [i.stamp for i in reader.items()] == [i.stamp for i in items]
    assert reader.skipped == [("root/readme.md", "not an image by its name (.md)")]


@pytest.mark.parametrize("kind", ["a.zip", "a.tar"])
def test_reading_from_many_threads(tmp_path, kind):
    members = {f"{i:03d}.png": png(i) for i in range(100)}
    path = zipped(tmp_path / kind, members) if kind == "a.zip" else tar(tmp_path / kind, members)
    items = list(Archive(path).items())
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda i: i.read() == members[i.key], items * 5)) == [True] * 500


def test_dangerous_tar_members_are_refused_by_name(tmp_path):
    link, device, hard = tarfile.TarInfo("link.png"), tarfile.TarInfo("dev.png"), tarfile.TarInfo("hard.png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    device.type = tarfile.CHRTYPE
    hard.type, hard.linkname = tarfile.LNKTYPE, "ok.png"
    members = {
        "../up.png": png(),
        "/abs.png": png(),
        "a/../../b.png": png(),
        "C:\\x.png": png(),
        "ok.png": png(),
        "a..b.png": png(),
    }
    reader = Archive(tar(tmp_path / "bad.tar", members, extra=(link, device, hard)))
    assert [i.key for i in reader.items()] == ["a..b.png", "ok.png"]
    refused = dict(reader.problems)
    assert set(refused) == {"../up.png", "/abs.png", "a/../../b.png", "C:\\x.png", "link.png", "dev.png", "hard.png"}
    assert all(reason.startswith("refused") for reason in refused.values())
    assert list(tmp_path.iterdir()) == [tmp_path / "bad.tar"]


def test_dangerous_zip_members_are_refused_by_name(tmp_path):
    path = zipped(tmp_path / "bad.zip", {"../up.png": png(), "/abs.png": png(), "ok.png": png()})
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    reader = Archive(path)
    assert [i.key for i in reader.items()] == ["ok.png"]
    assert {name for name, _ in reader.problems} == {"../up.png", "/abs.png", "link.png"}


def test_a_member_that_claims_too_much_is_refused(tmp_path):
    path = tar(tmp_path / "a.tar", {"ok.png": png()})
    liar = tarfile.TarInfo("liar.png")
    liar.size = 1 << 40
    path.write_bytes(path.read_bytes()[:1024] + liar.tobuf(tarfile.GNU_FORMAT))
    reader = Archive(path)
    assert [i.key for i in reader.items()] == ["ok.png"]
    words = "refused: claims to be 1,099,511,627,776 bytes long; the limit is 256 MiB; allow it with VEDUTA_MAX_FILE_MIB=1048576"
    assert reader.problems[0] == ("liar.png", words)


def test_truncated_archives(tmp_path):
    members = {f"{i}.png": png(i) * 20 for i in range(5)}
    whole = tar(tmp_path / "a.tar", members).read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[:5000])
    reader = Archive(tmp_path / "a.tar")
    read, lost = 0, 0
    for item in reader.items():
        try:
            read += item.read() == members[item.key]
        except SourceError as error:
            lost += "ends inside" in str(error)
    assert read >= 1
    assert lost + len(reader.problems) >= 1
    (tmp_path / "b.zip").write_bytes(zipped(tmp_path / "b.zip", members).read_bytes()[:300])
    with pytest.raises(SourceError, match="not a sound zip"):
        open_source(tmp_path / "b.zip")
    (tmp_path / "c.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(SourceError, match="not a sound tar"):
        open_source(tmp_path / "c.tar")


def test_damaged_zip_member_costs_only_itself(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a.png": png(1) * 30, "b.png": png(2) * 30})
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(bytes(data))
    items = list(Archive(path).items())
    with pytest.raises(SourceError, match=r"a\.png cannot be unpacked"):
        items[0].read()
    assert items[1].read() == png(2) * 30


def test_names_in_tars_that_are_not_utf8(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo(b"caf\xe9.png".decode("utf-8", "surrogateescape"))
        info.size = len(png())
        archive.addfile(info, io.BytesIO(png()))
    (item,) = Archive(path).items()
    assert item.key == "caf%E9.png"
    assert item.read() == png()


def sample(number: int, label: str) -> dict[str, bytes]:
    meta = {"caption": f"picture {number}", "score": number / 2, "width": 4, "url": "http://x/y.png"}
    return {
        f"d/{number:04d}.png": png(number),
        f"d/{number:04d}.json": json.dumps(meta).encode(),
        f"d/{number:04d}.cls": label.encode(),
    }


def test_webdataset_samples(tmp_path):
    tar(tmp_path / "s-000.tar", {**sample(1, "3"), **sample(2, "4")})
    tar(
        tmp_path / "s-001.tar",
        {**sample(3, "5"), "d/lonely.txt": b"no image", "d/two.left.png": png(8), "d/two.right.png": png(9)},
    )
    reader = open_source(str(tmp_path / "s-{000..001}.tar"))
    assert isinstance(reader, WebDataset)
    items = {i.key: i for i in reader.items()}
    assert set(items) == {
        "s-000/d/0001.png", "s-000/d/0002.png", "s-001/d/0003.png", "s-001/d/two.left.png", "s-001/d/two.right.png",
    }  # fmt: skip
    one = items["s-000/d/0001.png"]
    assert one.read() == png(1) == location.read(one.uri)
    assert one.fields == {
        "label": "3", "captions": ["picture 1"], "source_url": "http://x/y.png", "label_id": 3, "score": 0.5, "source_width": 4,
    }  # fmt: skip
    assert reader.skipped == [("s-001.tar/d/lonely", "a sample without an image")]
    for source in (tmp_path, str(tmp_path / "*.tar"), [tmp_path / "s-000.tar", tmp_path / "s-001.tar"]):
        assert {i.key for i in open_source(source).items()} == set(items)


def test_webdataset_packed_text_and_errors(tmp_path):
    members = {
        "a.jpg": png(1),
        "a.txt": b"a \xff caption",
        "b.jpg": png(2),
        "b.txt": b"two",
        "b.error": b"404",
        "b.npy": b"\x93",
    }
    path = tar(tmp_path / "w.tar.gz", members, "w:gz")
    reader = open_source(path)
    items = list(reader.items())
    assert isinstance(reader, WebDataset)
    assert [i.fields["captions"] for i in items] == [["a ÿ caption"], ["two"]]
    assert [i.fields["download_error"] for i in items] == [None, "404"]
    assert [i.read() for i in items] == [png(1), png(2)]
    assert reader.skipped == [("b.npy", "neither image nor text (.npy)")]


def test_one_tar_with_samples_is_a_webdataset(tmp_path):
    assert isinstance(open_source(tar(tmp_path / "x.tar", sample(1, "2"))), WebDataset)
    with pytest.raises(SourceError, match="does not exist"):
        open_source(str(tmp_path / "x-{000..002}.tar"), "webdataset")


def test_archives_behind_urls(tmp_path):
    fs = fsspec.filesystem("memory")
    fs.pipe("/vd/a.zip", zipped(tmp_path / "a.zip", PICTURES).read_bytes())
    fs.pipe("/vd/b.tar", tar(tmp_path / "b.tar", PICTURES).read_bytes())
    fs.pipe("/vd/w-0.tar", tar(tmp_path / "w.tar", sample(1, "2")).read_bytes())
    for url in ("memory://vd/a.zip", "memory://vd/b.tar", f"file://{tmp_path}/a.zip"):
        assert {i.key: i.read() for i in open_source(url).items()} == {k: v for k, v in PICTURES.items() if "png" in k}
    (item,) = open_source("memory://vd/w-*.tar").items()
    assert item.read() == png(1)


def test_backslashes_and_a_folder_of_one_archive(tmp_path):
    members = {"train\\cat\\é.png": png(1), "train\\dog\\b.png": png(2)}
    place = tmp_path / "down" / "pets.zip"
    place.parent.mkdir()
    zipped(place, {name.replace("\\", "/"): data for name, data in members.items()})
    backslashes = place.read_bytes().replace(b"train/cat/", b"train\\cat\\").replace(b"train/dog/", b"train\\dog\\")
    place.write_bytes(backslashes)
    for source in (place, place.parent):
        reader = open_source(source)
        found = {i.key: (i.fields["label"], i.fields["split"], i.read()) for i in reader.items()}
        assert found == {
            "train/cat/é.png": ("cat", "train", png(1)),
            "train/dog/b.png": ("dog", "train", png(2)),
        }
        assert reader.notes.counts["backslashes in an archive's paths read as folders"] == 2
    assert any(guess.what == "archive" for guess in reader.notes.guesses)
    zipped(place.with_name("more.zip"), {"a.png": png(3)})
    with pytest.raises(SourceError, match=r"holds no images, but 2 archives; name one of them, such as .*\.zip"):
        open_source(place.parent)


def test_a_folder_of_one_tar_is_what_its_members_say(tmp_path):
    (tmp_path / "classes").mkdir()
    tar(tmp_path / "classes" / "b.tar", {"cat/0.png": png(1), "dog/1.png": png(2)})
    assert [i.fields["label"] for i in open_source(tmp_path / "classes").items()] == ["cat", "dog"]
