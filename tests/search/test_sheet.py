"""Contact sheets: every picture in its place, every caption inside its cell."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from veduta.errors import BadInput
from veduta.pool import Pool
from veduta.pool.schema import CORE
from veduta.search.sheet import GAP, PAPER, _font, contact_sheet, save_sheet, wrap

COLOURS = [(200, 30, 30), (30, 160, 30), (30, 30, 200), (180, 180, 20), (120, 20, 140)]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    made = Pool.create(tmp_path_factory.mktemp("sheet") / "p.vd")
    rows = []
    for i, colour in enumerate(COLOURS):
        out = io.BytesIO()
        Image.new("RGB", [(300, 200), (200, 300), (100, 100), (3, 2), (900, 30)][i], colour).save(out, "PNG")
        rows.append({"key": f"picture {i}.png", "image": out.getvalue(), "bytes": 1, "uri": ""})
    rows.append({"key": "broken.png", "image": b"not a picture", "bytes": 13, "uri": ""})
    with made.writing():
        made.append(pa.Table.from_pylist(rows, schema=pa.schema([CORE.field(name) for name in rows[0]])))
    return made


def test_pictures_stand_in_reading_order(pool: Pool) -> None:
    sheet = contact_sheet(pool, [2, 0, 1], columns=2, size=100)
    pixels = np.asarray(sheet).astype(int)
    row = (sheet.height - GAP) // 2
    for place, colour in enumerate((COLOURS[2], COLOURS[0], COLOURS[1])):
        x, y = GAP + place % 2 * (100 + GAP) + 50, GAP + place // 2 * row + 95
        assert np.abs(pixels[y, x] - colour).max() < 4
    assert sheet.size[0] == 2 * (100 + GAP) + GAP
    assert tuple(pixels[2, 2]) == PAPER


def test_shapes_and_broken_files(pool: Pool) -> None:
    sheet = contact_sheet(pool, [3, 4, 5], captions=["tiny", "long", "broken"], size=120)
    assert sheet.width == 3 * (120 + GAP) + GAP
    pixels = np.asarray(sheet)
    tiny = (pixels[:, : GAP + 120] == COLOURS[3]).all(-1)
    assert tiny.sum() == 120 * 80  # enlarged by a whole number, hard pixels
    assert (np.abs(pixels[:, GAP + 132 :].astype(int) - COLOURS[4]).max(-1) < 4).sum() == 120 * 4


def test_captions_do_not_leave_their_cell(pool: Pool) -> None:
    silent = np.asarray(contact_sheet(pool, [0, 1], captions=["", ""], size=100))
    long = contact_sheet(pool, [0, 1], captions=["word " * 100, "x"], size=100)
    pixels = np.asarray(long)
    gutter = pixels[:, GAP + 100 : GAP + 100 + GAP]
    assert (gutter == PAPER).mean() > 0.99
    assert pixels.shape[0] > silent.shape[0]


def test_files(pool: Pool, tmp_path: Path) -> None:
    for name, form in (("a/sheet.png", "PNG"), ("sheet", "PNG"), ("s.jpg", "JPEG")):
        with Image.open(save_sheet(tmp_path / name, pool, [0, 1, 2])) as image:
            assert image.format == form
    first, second = (save_sheet(tmp_path / name, pool, [0, 5]).read_bytes() for name in ("1.png", "2.png"))
    assert first == second


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([], {}, "rows of a contact sheet must be 1 to 2,000, got 0"),
        ([0], {"size": 4}, "size"),
        ([0], {"columns": 0}, "columns"),
        ([0, 1], {"captions": ["one"]}, "captions"),
    ],
)
def test_wrong_use(pool: Pool, rows: list[int], options: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        contact_sheet(pool, rows, **options)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=300), st.integers(20, 300))
def test_any_text_wraps_into_its_width(text: str, width: int) -> None:
    font = _font(12)
    lines = wrap(text, font, width, 3)
    assert 1 <= len(lines) <= 3
    for line in lines:
        assert font.getlength(line) <= width or len(line) <= 2
        assert "\n" not in line


def test_wrapping_keeps_words_and_says_when_it_cuts() -> None:
    font = _font(12)
    assert wrap("one two", font, 200, 3) == ["one two"]
    assert wrap("", font, 200, 3) == [""]
    lines = wrap("alpha beta gamma delta epsilon", font, 80, 3)
    assert " ".join(lines) == "alpha beta gamma delta epsilon"
    cut = wrap("a very long caption that goes on and on " * 5, font, 80, 2)
    assert len(cut) == 2
    assert cut[-1].endswith("…")
    assert wrap("a\nb\udce9\x00", font, 200, 2) == ["a␤b�·"]
