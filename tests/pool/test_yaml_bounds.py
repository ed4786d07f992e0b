"""YAML that a few lines make endless is refused, and a class called `no` keeps its name."""

from __future__ import annotations

import pytest
import yaml

from veduta.pool import limits
from veduta.pool.readers import yaml_bounds


def test_what_is_read_and_what_is_refused():
    assert yaml_bounds.load("names: [no, 1.0]") == {"names": ["no", "1.0"]}
    assert yaml_bounds.load("a: [no, 1.0]", typed=True) == {"a": [False, 1.0]}
    with pytest.raises(yaml.YAMLError, match="write it out"):
        yaml_bounds.load("a: &a [x, x]\nnames: [*a, *a]")
    with pytest.raises(ValueError, match="nested too deep"):
        yaml_bounds.load("[" * 20_000)
    with pytest.raises(ValueError, match="longer than"):
        yaml_bounds.load("x" * (limits.YAML + 1))
