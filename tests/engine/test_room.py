"""A source's columns with names that a recipe writes."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

import veduta
from items import Given
from pictures import encoded, picture
from veduta.annotate.cluster import Cluster
from veduta.annotate.embed import Embed
from veduta.engine.progress import Silent
from veduta.errors import BadInput


class Heard(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


def photos(folder: Path, header: str = "embedding,hash,x,cluster,select_proposed,reason_proposed") -> Path:
    folder.mkdir()
    lines = [f"file_name,{header}"]
    for i in range(8):
        (folder / f"{i}.png").write_bytes(encoded(picture(i, (48, 48)), "PNG"))
        lines.append(f"{i}.png," + ",".join(f"{name} {i}" for name in header.split(",")))
    (folder / "metadata.csv").write_text("\n".join(lines))
    return folder


def test_columns_of_the_source_step_aside_and_keep_their_values(tmp_path: Path) -> None:
    heard = Heard()
    source = photos(tmp_path / "photos")
    pool = veduta.curate(source, tmp_path / "p.vd", on=heard, report=False).pool
    for name in ("embedding", "hash", "x", "cluster", "select_proposed", "reason_proposed"):
        told = pool.table(["key", f"source_{name}"]).to_pylist()
        assert {row[f"source_{name}"] for row in told if row["key"] == "3.png"} == {f"{name} 3"}
        assert pool.provenance(name)
        assert any(f"'{name}' is 'source_{name}'" in words for words in heard.said)
    version, columns = pool.version, pool.schema.names
    again = veduta.curate(source, tmp_path / "p.vd", report=False).pool
    assert (again.version, again.schema.names) == (version, columns)
    first = pool.log()[0].version
    assert pool.undo(first).table(["x"]).column(0).to_pylist()[0] == "x 0"


@pytest.mark.parametrize("form", ["parquet", "folder"])
def test_an_export_can_be_curated_again(tmp_path: Path, form: str) -> None:
    pool = veduta.curate(photos(tmp_path / "photos", "x"), tmp_path / "p.vd", report=False).pool
    veduta.export(pool, tmp_path / "out", form)
    again = veduta.curate(tmp_path / "out", tmp_path / "q.vd", report=False).pool
    assert again.table(["source_hash"]).column(0).to_pylist() == pool.table(["hash"]).column(0).to_pylist()
    assert again.table(["hash"]).column(0).to_pylist() == pool.table(["hash"]).column(0).to_pylist()


def test_a_single_operation_asks_before_it_takes_a_name(tmp_path: Path) -> None:
    pool = veduta.create(tmp_path / "p.vd")
    content = {f"{i}": encoded(picture(i, (48, 48)), "PNG") for i in range(4)}
    pool.ingest(Given(content, {key: {"cluster": "mine"} for key in content}, cluster=pa.string()))
    pool.annotate(Embed())
    with pytest.raises(BadInput, match="'cluster', which came with the source; choose another column name"):
        pool.annotate(Cluster())
