"""A finished run says which images it was trained on, so that no judge takes its memory for skill."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veduta.encode import trained_on
from veduta.learn.folder import RunFolder
from veduta.pool import View
from veduta.pool.durable import write_atomically


def note(folder: RunFolder, pool: View, rows: NDArray[np.int64], about: Mapping[str, Any]) -> None:
    """Write the digests of the training rows, and those of the runs that this one stands on or started from.

    Validation rows are not among them: they choose the best weights, and no weight was fitted to them.
    """
    digests = pool.take(rows, ["digest"]).column(0).to_pylist()
    before = [about.get("base", {}).get("uri", ""), about.get("init", {}).get("run", "")]
    runs = [Path(uri.removeprefix("run:").split("?")[0]).expanduser() for uri in before if uri]
    also = [numbers for run in runs if (numbers := trained_on.read(run)) is not None]
    write_atomically(folder.path / trained_on.FILE, trained_on.packed(digests, *also))
