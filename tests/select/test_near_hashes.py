"""Pairs of near hashes, against all pairs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from veduta.select.near_hashes import near


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(0, 6))
def test_near_hashes_are_those_of_all_pairs(seed: int, count: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 2**64, max(1, count // 4), np.uint64)[rng.integers(0, max(1, count // 4), count)]
    flips = rng.integers(0, 64, (count, 4)).astype(np.uint64)
    words = words ^ np.bitwise_xor.reduce(np.uint64(1) << flips, axis=1) if count else words
    later, earlier = near(words, bits, most=count + 1)
    apart = np.bitwise_count(words[:, None] ^ words[None, :])
    expected = {(i, j) for i in range(count) for j in range(i) if apart[i, j] <= bits}
    # Rows of one hash are compared with the first of another, as one of them that joins brings the rest along.
    found = set(zip(later.tolist(), earlier.tolist(), strict=True))
    assert found <= expected
    firsts = {w: k for k, w in reversed(list(enumerate(words.tolist())))}
    assert {(i, j) for i, j in expected if firsts[words[j]] == j or words[i] == words[j]} <= found
    capped = near(words, bits, most=2)[0]
    assert len(capped) == 0 or np.bincount(capped).max() <= 2
