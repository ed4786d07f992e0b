from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge as Reference
from tests.conftest import picture

from veduta.encode import fit_map
from veduta.encode.joint import Blend
from veduta.errors import BadInput


def test_ridge_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 12)), rng.normal(size=(30, 5))
    ridge = fit_map.Ridge(x, y)
    for strength in (0.1, 1.0, 30.0):
        matrix, bias = ridge.at(strength)
        reference = Reference(alpha=strength).fit(x, y)
        assert np.allclose(matrix, reference.coef_.T)
        assert np.allclose(bias, reference.intercept_)


def test_factors_are_the_best_of_their_rank() -> None:
    """The error of the outputs equals the tail of the singular values of X M, the least that any rank-r map can reach."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 8)) @ rng.normal(size=(8, 8)) + 3
    matrix, root = rng.normal(size=(8, 6)), fit_map.Ridge(x, x).root()
    x -= x.mean(0)
    for rank in (1, 3, 6):
        left, right = fit_map.factors(matrix, root, rank)
        assert left.shape == (8, rank)
        tail = np.linalg.svd(x @ matrix, compute_uv=False)[rank:]
        assert np.isclose(np.linalg.norm(x @ (matrix - left @ right)), np.linalg.norm(tail), atol=1e-6)


def test_ranks_are_counted_by_hand() -> None:
    rng = np.random.default_rng(0)
    images, texts = rng.normal(size=(6, 3)), rng.normal(size=(9, 3))
    owner = rng.integers(0, 6, 9)
    found = fit_map.ranks(images, texts, owner)
    for row, text in enumerate(texts):
        order = sorted(range(6), key=lambda image: -float(text @ images[image]))
        assert found[row] == order.index(owner[row])
    assert fit_map.recalls(np.array([0, 1, 4, 9, 10])) == {"R@1": 20.0, "R@5": 60.0, "R@10": 80.0}


def test_images_that_are_all_alike_are_not_found() -> None:
    same = np.ones((21, 3), np.float32)
    assert set(fit_map.ranks(same, same, np.arange(21))) == {10}


def test_mixing_is_a_weighted_mean() -> None:
    a, b = np.array([[1.0, 0.0]], np.float32), np.array([[0.0, 1.0]], np.float32)
    assert np.allclose(Blend(blend=0).mix(a, b), a)
    assert np.allclose(Blend(blend=1).mix(a, b), b)
    assert np.allclose(Blend(blend=0.5).mix(a, b), 0.5**0.5)


def _folder(folder: Path, count: int, **fields: str) -> Path:
    folder.mkdir()
    rows = []
    for seed in range(count):
        picture(seed).save(folder / f"{seed}.png")
        rows.append({"file_name": f"{seed}.png", "captions": [f"picture number {seed}", "a picture"], **fields})
    (folder / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder


def test_the_command_writes_the_same_bytes_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = _folder(tmp_path / "train", 6, license="MIT", split="train")
    other = _folder(tmp_path / "other", 4)
    for out in ("a", "b"):
        arguments = [
            "--train",
            str(train),
            "--validate",
            str(other),
            "--test",
            f"t={other}",
            "--out",
            str(tmp_path / out),
        ]
        fit_map.main(arguments)
    capsys.readouterr()
    for name in ("offline_map.safetensors", "offline_text.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    table = json.loads((tmp_path / "a" / "offline_text.json").read_text())
    assert table["training pairs"] == 1006
    assert table["test: t"]["images"] == 4
    assert table["test: t"]["captions"] == 8


def test_rows_under_other_licences_are_not_used(tmp_path: Path) -> None:
    train = _folder(tmp_path / "train", 2, license="all rights reserved", split="train")
    with pytest.raises(BadInput, match="licences"):
        fit_map.main(["--train", str(train), "--validate", str(train), "--out", str(tmp_path / "out")])
    with pytest.raises(BadInput, match=r"metadata\.jsonl"):
        fit_map.main(["--train", str(tmp_path), "--validate", str(train), "--out", str(tmp_path / "out")])
