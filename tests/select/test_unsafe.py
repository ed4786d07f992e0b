"""Selectors of safety: the drop rule and hash lists."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from veduta.errors import BadInput, SourceError
from veduta.pool import Pool
from veduta.select.drop_unsafe import DropUnsafe
from veduta.select.hash_list import HashList


def make_pool(path, columns):
    pool = Pool.create(path)
    with pool.writing():
        pool.define(pa.schema([pa.field(n, a.type) for n, a in columns.items() if n not in pool.schema.names]))
        keys = pa.array([str(i) for i in range(len(next(iter(columns.values()))))])
        table = {"key": keys, **columns}
        pool.append(pa.table(table, schema=pa.schema([pool.schema.field(n) for n in table])))
    return pool


def test_the_drop_rule_over_all_verdicts(tmp_path):
    cases = [(v, m, a) for v in ("NSFW", "UNSURE", "UNLIKELY") for m in (False, True) for a in (False, True)] + [
        (None, None, None)
    ]
    names = ("safety", "safety_minor", "safety_animal")
    pool = make_pool(tmp_path / "p.vd", {n: pa.array([c[i] for c in cases]) for i, n in enumerate(names)})
    kept = pool.select(DropUnsafe())
    for (verdict, minor, animal), keep, reason in zip(cases, kept.keep, kept.reasons.to_pylist(), strict=True):
        unsafe = verdict in ("NSFW", "UNSURE") and (minor or animal)
        assert keep == (verdict is not None and not unsafe)
        assert (reason is None) == keep
    assert "known illegal material" in kept.summary["not_checked"]
    strict = pool.select(DropUnsafe(nsfw=True, keep_unchecked=True), name="strict")
    assert [c for c, k in zip(cases, strict.keep, strict=True) if k] == [
        ("UNSURE", False, False), ("UNLIKELY", False, False), ("UNLIKELY", False, True), ("UNLIKELY", True, False),
        ("UNLIKELY", True, True), (None, None, None),
    ]  # fmt: skip


def test_digests_on_a_list_are_left_out(tmp_path):
    digests = [hashlib.sha256(bytes([i])).hexdigest() for i in range(5)]
    pool = make_pool(tmp_path / "p.vd", {"digest": pa.array([*digests, None])})
    (tmp_path / "list.txt").write_text(f"# known files\n{digests[1].upper()}, a note\n\n{digests[3]} another\n")
    kept = pool.select(HashList(file=str(tmp_path / "list.txt")))
    assert kept.keep.tolist() == [True, False, True, False, True, False]
    assert kept.reasons.to_pylist()[1] == "on the hash list list.txt"
    assert kept.reasons.to_pylist()[5] == "not checked: no hash"
    assert (kept.summary["entries"], kept.summary["matched"]) == (2, 2)


@pytest.mark.parametrize("distance", [0, 3, 10])
def test_near_hashes_are_found_up_to_the_distance(tmp_path, distance):
    rng = np.random.default_rng(0)
    known = rng.integers(0, 2**63, 40, dtype=np.uint64)
    own = np.concatenate([known[:12], rng.integers(0, 2**63, 20, dtype=np.uint64)])
    for i in range(12):
        for bit in rng.choice(64, i, replace=False):
            own[i] ^= np.uint64(1) << np.uint64(bit)
    (tmp_path / "list.txt").write_text("\n".join(f"{int(h):016x}" for h in known))
    pool = make_pool(tmp_path / "p.vd", {"hash": pa.array([int(h).to_bytes(8, "big") for h in own], pa.binary(8))})
    kept = pool.select(HashList(file=str(tmp_path / "list.txt"), column="hash", distance=distance))
    want = [min(bin(int(h) ^ int(k)).count("1") for k in known) > distance for h in own]
    assert kept.keep.tolist() == want


def test_lists_that_cannot_be_used(tmp_path):
    pool = make_pool(
        tmp_path / "p.vd",
        {"digest": pa.array(["ab"]), "hash": pa.array([b"12345678"], pa.binary(8)), "n": pa.array([1])},
    )
    path = tmp_path / "list.txt"
    with pytest.raises(SourceError, match="cannot be read"):
        pool.select(HashList(file=str(path)))
    for text, problem in (("# nothing\n", "no entries"), ("abc\nxyz\n", "line 2")):
        path.write_text(text)
        with pytest.raises(BadInput, match=problem):
            pool.select(HashList(file=str(path)))
    path.write_text("abc\n")
    with pytest.raises(BadInput, match="16 hexadecimal digits"):
        pool.select(HashList(file=str(path), column="hash"))
    with pytest.raises(BadInput, match="64-bit hashes"):
        pool.select(HashList(file=str(path), distance=2))
    with pytest.raises(BadInput, match="hash-list compares"):
        pool.select(HashList(file=str(path), column="n"))
