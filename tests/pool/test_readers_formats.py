from __future__ import annotations

import struct
import sys

import numpy as np
import pytest

from pictures import encoded, picture
from veduta.engine.decode import Raster, plugins
from veduta.engine.decode.raster import FIRST_FRAME
from veduta.engine.ingest import ingest
from veduta.pool import Pool
from veduta.pool.readers.images import has_image_magic
from veduta.pool.readers.kinds import kind

CR2 = b"II*\0\x10\0\0\0CR\x02\0" + bytes(200)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a/b.MP4", "videos (.mp4)"),
        ("a.psd", "files of drawing programs (.psd)"),
        ("x.Txt", "text files (.txt)"),
        ("README", "files without a suffix"),
    ],
)
def test_what_is_left_aside_has_a_kind(name: str, words: str):
    assert kind(name) == words


def test_optional_formats_are_known_without_a_suffix():
    heads = (
        b"\0\0\0\x18ftypheix",
        b"\0\0\0\x0cJXL \r\n\x87\n",
        bytes(128) + b"DICM",
        struct.pack(">I", 24) + b"ftypcrx ",
    )
    assert all(has_image_magic(head) for head in heads)


def test_raw_files_beside_a_photo_are_rows_with_a_reason(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.CR2", "b.cr2", "c.cr2"):
        (tmp_path / "in" / name).write_bytes(CR2)
    (tmp_path / "in" / "d.jpg").write_bytes(encoded(picture(1)))
    pool = Pool.create(tmp_path / "pool.vd")
    report = ingest(pool, tmp_path / "in")
    assert report.outcomes == {"undecodable": 3, "ingested": 1}
    reasons = [r["error"] for r in pool.dataset.to_table(["key", "error"]).to_pylist() if r["error"]]
    assert len(reasons) == 3
    assert all(reason.startswith("unsupported: camera RAW") for reason in reasons)


def test_files_are_read_once_their_decoder_is_installed(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(encoded(picture(1)))
    (tmp_path / "in" / "b.jxl").write_bytes(b"\xff\x0a" + bytes(40))
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    pool = Pool.create(tmp_path / "pool.vd")
    assert ingest(pool, tmp_path / "in").outcomes == {"ingested": 1, "undecodable": 1}
    assert ingest(pool, tmp_path / "in").outcomes == {"unchanged": 1, "undecodable": 1}

    class Installed:
        name = "JPEG XL"

        def claims(self, head: bytes) -> bool:
            return head.startswith(b"\xff\x0a")

        def decode(self, data: bytes, limit: int) -> Raster:
            return Raster(np.zeros((4, 6), np.uint8), "JPEG XL", frames=3)

    monkeypatch.setattr(plugins, "decoders", lambda: (Installed(),))
    report = ingest(pool, tmp_path / "in")
    assert report.outcomes == {"unchanged": 1, "updated": 1}
    assert report.told["converted"][FIRST_FRAME] == 1
    rows = pool.dataset.to_table(["key", "width", "error"]).to_pylist()
    assert {r["key"]: (r["width"], r["error"]) for r in rows} == {"a.jpg": (160, None), "b.jxl": (6, None)}
