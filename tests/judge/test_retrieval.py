from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics.functional.retrieval import retrieval_average_precision, retrieval_hit_rate

import veduta
from items import Given
from pictures import encoded, picture
from veduta.annotate.embed import Embed
from veduta.errors import BadInput, MissingColumn, NothingToDo
from veduta.judge.ranking import rank
from veduta.judge.retrieval import Retrieval, retrieval


def random(n: int, d: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def test_figures_are_those_of_torchmetrics():
    queries, database = random(40, 8, 0), random(300, 8, 1)
    rng = np.random.default_rng(2)
    wanted, have = rng.integers(0, 12, 40), rng.integers(0, 10, 300)
    ranked = rank(queries, wanted, database, have, depths=(4, 10))
    assert set(ranked.queries) == set(np.flatnonzero(wanted < 10))
    for i, query in enumerate(ranked.queries):
        # torchmetrics takes only positive scores for retrieved
        scores, relevant = torch.tensor(queries[query] @ database.T) + 2, torch.tensor(have == wanted[query])
        assert ranked.precision[i] == pytest.approx(float(retrieval_average_precision(scores, relevant)), abs=1e-5)
        for k in (1, 5, 10):
            assert ranked.recall(k)[i] == bool(retrieval_hit_rate(scores, relevant, top_k=k))
        assert ranked.hits[10][i] == int(relevant[scores.topk(10).indices].sum())
        assert ranked.relevant[i] == int(relevant.sum())


def test_a_query_does_not_find_itself_unless_asked():
    x = random(12, 6, 0)
    groups = np.repeat(np.arange(6), 2)
    own = np.arange(12)
    kept, out = rank(x, groups, x, groups), rank(x, groups, x, groups, own=own)
    assert (kept.first == 1).all()
    assert (kept.relevant == 2).all()
    assert (out.relevant == 1).all()
    for i in range(12):
        scores = x @ x[i]
        scores[i] = -np.inf
        partner = i ^ 1
        assert out.first[i] == 1 + int((scores > scores[partner]).sum())
        assert out.precision[i] == pytest.approx(1 / out.first[i])
    # a perfect space gives UKBench's 4 of 4
    quads = np.repeat(np.arange(3), 4)
    centres = np.eye(3, dtype=np.float32)[quads]
    assert rank(centres, quads, centres, quads).hits[4].mean() == 4
    assert np.isnan(rank(x[:1], np.array([99]), x, groups).mean_average_precision)


@pytest.fixture
def pool(tmp_path: Path) -> veduta.Pool:
    """12 pictures, each twice at another JPEG quality, and one alone."""
    files, fields = {}, {}
    for i in range(12):
        for quality in (95, 60):
            files[f"{i:02d}-{quality}"] = encoded(picture(i), quality=quality)
            fields[f"{i:02d}-{quality}"] = {"label": f"picture {i}", "quality": quality}
    files["alone"], fields["alone"] = encoded(picture(99)), {"label": "alone"}
    made = veduta.create(tmp_path / "p.vd")
    made.ingest(Given(files, fields), annotators=[Embed()])
    return made


def test_retrieval_on_a_pool(pool: veduta.Pool, tmp_path: Path):
    asked = Retrieval()
    found = asked.measure(pool)
    assert found.skipped == 1
    assert len(found.ranked.queries) == 24
    figures = {row["metric"]: row for row in asked.figures(found)}
    assert figures["R@1"]["value"] > 0.9
    assert figures["R@1"]["from"] <= figures["R@1"]["value"] <= figures["R@1"]["to"]
    assert figures["hits in the top 4"]["value"] <= 1
    page = retrieval(pool, k=[1])
    assert page.save(tmp_path, "retrieval").exists()
    assert "mAP" in page.to_json()
    both = Retrieval(keep_self=True).measure(pool)
    assert both.ranked.hits[4].max() == 2
    assert both.skipped == 0
    apart = Retrieval(queries="key like '%-95'", database="key like '%-60'").measure(pool)
    assert len(apart.ranked.queries) == 12 == len(apart.database_rows)


def test_wrong_use_gets_one_sentence(pool: veduta.Pool):
    with pytest.raises(MissingColumn, match="what belongs together"):
        Retrieval(group="scene").judge(pool)
    with pytest.raises(NothingToDo, match="no query has another row"):
        Retrieval(group="key").judge(pool)
    with pytest.raises(NothingToDo, match="the queries of retrieval"):
        Retrieval(queries="width > 100000").judge(pool)
    with pytest.raises(BadInput, match="not valid SQL"):
        Retrieval(queries="colour = 3").judge(pool)
    with pytest.raises(BadInput, match="k of retrieval"):
        Retrieval(k=[0]).judge(pool)
    with pytest.raises(BadInput, match="must be strings or integers"):
        Retrieval(group="captions").judge(pool)
