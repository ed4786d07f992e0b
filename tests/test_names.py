"""The names of `import veduta`."""

from __future__ import annotations

import subprocess
import sys

ONCE_AND_AGAIN = """
import veduta
first = {name: getattr(veduta, name) for name in veduta.__all__}
assert all(callable(value) for value in first.values()), first
assert {name: getattr(veduta, name) for name in veduta.__all__} == first
"""


def test_a_public_name_is_the_same_thing_each_time_it_is_used() -> None:
    """A function with its module's name would be the module from the second time on."""
    subprocess.run([sys.executable, "-c", ONCE_AND_AGAIN], check=True, timeout=100)
