"""What stored answers are worth, measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from learn.shapes import pool_of
from veduta.annotate.reinforce import Reinforce
from veduta.errors import BadInput, MissingColumn, NothingToDo
from veduta.judge.reinforcement import Reinforcement, _agreement
from veduta.learn.classify import Classify
from veduta.pool import Pool


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    pool = pool_of(tmp_path_factory.mktemp("judged") / "shapes.vd", 60, damaged=1)
    run = Classify(model="conv_small", steps=60, batch=16, lr=3e-3, views="eval").learn(pool)
    pool.annotate(Reinforce(teacher=(str(run.path),), samples=4, topk=1, size=32), where="key < 's0050'")
    return pool


def test_the_figures_are_those_of_the_records_one_by_one(shapes: Pool) -> None:
    found = Reinforcement(replays=20).measure(shapes)
    rows = [row for row in shapes.table(["label", "reinforce"]).to_pylist() if row["reinforce"] is not None]
    p = np.array([[record["p"][0] for record in row["reinforce"]] for row in rows], float)
    names = [[("cross", "disc")[record["cls"][0]] for record in row["reinforce"]] for row in rows]
    assert np.allclose(found.mass, p)
    rest = 1 - p
    entropy = -(p * np.log(p) + rest * np.log(np.maximum(rest, 1e-30)))
    assert np.allclose(found.entropy, entropy, atol=1e-5)
    right = np.array([[name == row["label"] for name in own] for row, own in zip(rows, names, strict=True)])
    assert found.accuracy == pytest.approx(right.mean())
    assert found.agreement.tolist() == [max(own.count(name) for name in own) / 4 for own in names]
    assert (found.with_records, found.without, found.replayed, found.same) == (50, 10, 20, 20)
    assert found.bytes_a_row == 4 * (8 + 1 + 2 + 8 + 8 + 2 + 2 + 4 + 4)
    assert found.pixels_a_row == 3 * 32 * 32


def test_the_report_shows_replayed_views_with_words(shapes: Pool, tmp_path: Path) -> None:
    report = Reinforcement(rows=12, replays=5).judge(shapes)
    assert "50 of 60 rows have 4 records each; 5 of 5 replayed" in report.verdict.replace("\N{NO-BREAK SPACE}", " ")
    page = report.save(tmp_path).read_text("utf-8")
    assert page.count("data:image/jpeg") >= 8 * 5
    assert "have no records: training uses their plain label" in page
    assert report.facts["rows"] == 12


def test_columns_that_hold_no_records_get_a_sentence(shapes: Pool, tmp_path: Path) -> None:
    with pytest.raises(MissingColumn, match="annotate reinforce"):
        Reinforcement(column="nothing").judge(shapes)
    with pytest.raises(BadInput, match="must be one that annotate reinforce made, but 'label' holds string"):
        Reinforcement(column="label").judge(shapes)
    with pytest.raises(NothingToDo, match="none of 10 rows has records"):
        Reinforcement(where="key >= 's0050'").judge(shapes)


def test_agreement_is_the_share_of_the_most_frequent() -> None:
    assert _agreement(np.array([[1, 2, 1, 1], [0, 0, 3, 3], [4, 3, 2, 1]])).tolist() == [0.75, 0.5, 0.25]
