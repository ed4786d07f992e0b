"""Texts that a spreadsheet would take for formulas."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pytest

import veduta
from items import Given
from pictures import encoded, picture
from veduta.pool.csv_cells import quoted, unquoted

TEXTS = ["=1+1", "+1", "-x", "@sum", "\tx", "\rx", "'=x", "''=x", "'plain", "plain", "", "a=b", "'", "=", "日本"]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_quoted_comes_back(text: str) -> None:
    written = quoted(text)
    assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unquoted(written) == text


def test_a_manifest_is_safe_in_a_spreadsheet_and_reads_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    texts = [text for text in TEXTS if text.strip() == text and text]
    keys = {f"-{i}.png": text for i, text in enumerate(texts)}
    for i, key in enumerate(keys):
        (tmp_path / "src" / key).write_bytes(encoded(picture(i, (32, 32)), "PNG"))
    pool = veduta.create(tmp_path / "p.vd")
    content = {key: (tmp_path / "src" / key).read_bytes() for key in keys}
    fields = {key: {"label": text, "score": -1.5} for key, text in keys.items()}
    pool.ingest(Given(content, fields, score=pa.float64()))
    veduta.export(pool, tmp_path / "rows.csv", columns=["digest", "label", "score"])
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["score"] for row in rows} == {"-1.5"}
    assert all(row["key"].startswith("'-") for row in rows)
    assert not any(row["label"][:1] in "=+-@" for row in rows if row["label"])
    again = veduta.create(tmp_path / "q.vd")
    table = tmp_path / "src" / "rows.csv"
    table.write_text((tmp_path / "rows.csv").read_text("utf-8"), "utf-8")
    again.ingest(str(table), image="key")
    found = {row["label"]: row["score"] for row in again.table(["label", "score"]).to_pylist()}
    assert found == dict.fromkeys(texts, -1.5)
