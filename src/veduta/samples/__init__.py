"""Named public data sets for demos, proofs and benchmarks.

`get(name)` gives a folder or file that any Veduta reader can ingest, fetched and unpacked once; `load(name)` gives the
same rows as an Arrow table. Where the data come from: the folder `VEDUTA_DATA` (default: `../shared/data` beside a
checkout), else the public package that carries them, through that package manager's own client, into
`VEDUTA_CACHE/samples` (default `~/.cache/veduta/samples`). Nothing is fetched before `get` or `load` is called.
"""

from __future__ import annotations

from veduta.samples.catalog import Sample, info, names
from veduta.samples.features import features
from veduta.samples.place import get, present
from veduta.samples.split import stable_share, stable_split
from veduta.samples.table import load

__all__ = ["Sample", "features", "get", "info", "load", "names", "present", "stable_share", "stable_split"]
