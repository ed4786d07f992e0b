"""Deduplicate with the pixels: what only hash and vector take for a copy stays, contradictions are told, test rows stay."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from tests.select.conftest import unit
from tests.select.test_pixels import photo

from veduta.annotate.perceptual_hash import phash
from veduta.errors import NothingToDo
from veduta.judge.leaks import Leaks
from veduta.pool import Pool
from veduta.pool.schema import CORE
from veduta.select.deduplicate import Deduplicate
from veduta.select.exact_duplicates import ExactDuplicates
from veduta.select.turned_copies import BITS, TURNS, turned_hashes


def encoded(image: np.ndarray, **how: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, **({"format": "PNG"} | how))
    return out.getvalue()


def pool_of(path: Path, pictures: dict[str, tuple[bytes | None, str, str]], vectors: np.ndarray | None = None) -> Pool:
    """key -> (bytes, label, split); all vectors and hashes alike unless given."""
    pool = Pool.create(path)
    rows = [
        {"key": key, "image": data, "bytes": 9, "uri": "", "label": label, "split": split, "width": 8, "height": 8,
         "digest": str(hash(data)) if data else None}
        for key, (data, label, split) in pictures.items()
    ]  # fmt: skip
    names = list(rows[0])
    pool.append(pa.Table.from_pylist(rows, schema=pa.schema([CORE.field(name) for name in names])))
    vectors = unit(np.ones((len(rows), 8))) if vectors is None else vectors
    extra = pa.table(
        {
            "embedding": pa.FixedSizeListArray.from_arrays(
                pa.array(vectors.astype(np.float32).ravel()), vectors.shape[1]
            ),
        }
    )
    pool.define(extra.schema)
    pool.fill(extra, pool.pending(["embedding"]))
    return pool


def test_pixels_part_what_vectors_join(tmp_path: Path) -> None:
    pictures = {f"p{i}": (encoded(photo(i)), "a", "train") for i in range(12)}
    pictures |= {f"q{i}": (encoded(photo(i), format="JPEG", quality=70), "a", "train") for i in (3, 7)}
    pool = pool_of(tmp_path / "p.vd", pictures)
    chosen = pool.select(Deduplicate(prefer="first"))
    of = dict(zip(pictures, chosen.columns["duplicate_of"].to_pylist(), strict=True))
    # All vectors are equal: a row is compared with a few representatives, never left out for another picture.
    assert {key: head for key, head in of.items() if head} in ({"q3": "p3", "q7": "p7"}, {"q3": "p3"}, {"q7": "p7"}, {})
    assert chosen.summary["other_pixels"] > 0
    assert len(pool.select(Deduplicate(pixels=False))) == 1


def test_away_files_count_by_strict_vectors_in_a_small_pool(tmp_path: Path) -> None:
    vectors = unit(np.array([[1, 0.0], [1, 0.3], [1, 0.1]]))
    pool = pool_of(tmp_path / "p.vd", dict.fromkeys("abc", (None, "a", "train")), vectors)
    chosen = pool.select(Deduplicate(prefer="first"))
    assert chosen.keep.tolist() == [True, True, False]
    assert "could not be looked at" in chosen.summary["remarks"][0]


@pytest.fixture
def contradicting(tmp_path: Path) -> Pool:
    cat, owl = encoded(photo(1)), encoded(photo(2))
    pictures = {
        "a-train": (cat, "dog", "train"), "z-test": (cat, "cat", "test"), "owl-train": (encoded(photo(2)[::2, ::2]), "owl", "train"),
        "owl-val": (owl, "owl", "val"), "own-test": (encoded(photo(5)), "cow", "test"),
    }  # fmt: skip
    vectors = unit(np.eye(3)[[0, 0, 1, 1, 2]])
    return pool_of(tmp_path / "p.vd", pictures, vectors)


def test_contradictions_are_columns_and_evaluation_rows_stay(contradicting: Pool) -> None:
    chosen = contradicting.select(Deduplicate())
    assert chosen.keep.tolist() == [False, True, False, True, True]
    assert (
        chosen.reasons[0]
        .as_py()
        .endswith("label 'cat'; this one is labelled 'dog'; of the split 'test'; this one is of 'train')")
    )
    assert chosen.columns["duplicate_labels"].to_pylist() == ["cat / dog", "cat / dog", None, None, None]
    assert chosen.columns["duplicate_splits"].to_pylist() == ["test / train"] * 2 + ["train / val"] * 2 + [None]
    exact = contradicting.select(ExactDuplicates())
    assert exact.keep.tolist() == [False, True, True, True, True]
    assert exact.reasons[0].as_py().startswith("same bytes as z-test (label 'cat'; this one is labelled 'dog'")


def test_leaks_are_counted_by_split(contradicting: Pool) -> None:
    found, _ = Leaks().measure(contradicting)
    told = [(one.split, one.rows, one.exact, one.near, one.contradicting) for one in found]
    assert told == [("test", 2, 1, 0, 1), ("val", 1, 0, 1, 0)]
    page = Leaks().judge(contradicting)
    assert "1 of 2 images of 'test'" in page.verdict
    assert "veduta select deduplicate" in page.to_html()
    with pytest.raises(NothingToDo, match="--evaluation"):
        Leaks(evaluation=["train", "test", "val"]).measure(contradicting)


def test_mirrored_and_turned_copies_only_when_asked(tmp_path: Path) -> None:
    image = photo(4)
    turns = [image, image[:, ::-1], np.rot90(image), photo(9)]
    pool = pool_of(
        tmp_path / "p.vd",
        {key: (encoded(np.ascontiguousarray(each)), "a", "train") for key, each in zip("abcd", turns, strict=True)},
        unit(np.eye(4)),
    )
    codes = phash([np.ascontiguousarray(each) for each in turns])
    table = pa.table({"hash": pa.array([code.tobytes() for code in codes], pa.binary(8))})
    pool.define(table.schema)
    pool.fill(table, pool.pending(["hash"]))
    kept = {how: pool.select(Deduplicate(transforms=how, prefer="first")).keep.tolist() for how in TURNS}
    assert kept == {"none": [True] * 4, "mirror": [True, False, True, True], "all": [True, False, False, True]}


@pytest.mark.parametrize("turn", TURNS["all"])
def test_hashes_of_turned_pictures_are_told(turn: tuple[int, bool]) -> None:
    for seed in range(5):
        image = photo(seed, (160, 160))
        moved = np.ascontiguousarray(np.rot90(image[:, ::-1] if turn[1] else image, turn[0]))
        one, other = phash([image, moved]).view(np.uint64).ravel()
        assert np.bitwise_count(turned_hashes(np.array([one]), turn)[0] ^ other) <= BITS
