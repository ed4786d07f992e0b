"""A few damaged files of every kind, the same each time; `python tests/fuzz.py all 10000` tries more."""

from __future__ import annotations

import pytest

import fuzz


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_damaged_files_are_read_or_refused_by_name(kind: str):
    found = fuzz.run(kind, 200 if kind == "pictures" else 80)
    assert set(found) <= {"read", "refused"}, {name: numbers[:3] for name, numbers in found.items()}
    assert min(map(len, found.values())) > 5
    assert len(found) == 2
