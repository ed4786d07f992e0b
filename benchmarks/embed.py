"""Embedding end to end, from files on disk to a committed column, against ONNX Runtime alone on decoded batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.measure import in_turn, now, row, scratch
from veduta import create, encode, samples
from veduta.annotate.embed import Embed
from veduta.engine.decode import decode


def main() -> None:
    """1,000 photos; the peer is the best of several batch sizes with both cores in one session, decoding not counted."""
    import onnxruntime

    from veduta.encode import cache

    folder = samples.get("in1k-sample") / "images"
    encoder = encode.load("offline")
    squares = np.stack(
        [encoder.prepare(decode(p.read_bytes(), encoder.resize).pixels) for p in sorted(folder.iterdir())]
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    weights = max((cache.folder() / "encode").glob("lite0-*.onnx"), key=lambda path: path.stat().st_mtime)
    session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def alone(batch: int) -> float:
        start = now()
        for at in range(0, len(squares), batch):
            session.run(None, {name: squares[at : at + batch]})
        return len(squares) / (now() - start)

    best = max((4, 8, 16, 32), key=alone)
    with scratch() as temporary:
        count = iter(range(100))

        def ours() -> float:
            pool = create(Path(temporary) / f"{next(count)}.vd")
            start = now()
            pool.ingest(folder, annotators=[Embed()])
            return len(squares) / (now() - start)

        ours()
        mine, theirs, ratio = in_turn(ours, lambda: alone(best), 5)
    measured = f"{ratio:.2f} ({mine:.0f} / {theirs:.0f} images/s, batch {best})"
    row("embedding end to end / ONNX Runtime alone", measured, ">= 0.90", ratio >= 0.9, "the network")


if __name__ == "__main__":
    main()
