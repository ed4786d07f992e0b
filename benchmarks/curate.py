"""The whole default `veduta curate` against cleanvision alone on the same folder."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from benchmarks.measure import PEERS, command, in_turn, row, scratch, veduta
from veduta import samples

CLEANVISION = """
import sys
from cleanvision import Imagelab
if __name__ == "__main__":
    lab = Imagelab(data_path=sys.argv[1])
    lab.find_issues()
"""


def compare(folder: Path, place: Path, asked: float, name: str) -> None:
    """Three rounds in turn, each into a new pool."""
    script = place / "peer.py"
    script.write_text(CLEANVISION)
    count = iter(range(100))
    last: dict[str, str] = {}

    def ours() -> float:
        done = command(veduta("curate", folder, "-o", place / f"{folder.name}-{next(count)}.vd", "--json"))
        stages = [json.loads(line) for line in done.output.splitlines()]
        slow = max((s for s in stages if s["event"] == "done"), key=lambda s: s["seconds"])
        last["stage"] = f"{slow['stage']} ({slow['seconds']:.1f} of {done.seconds:.1f} s)"
        return done.seconds

    ours()  # converts the encoder's weights once and warms the file cache
    mine, theirs, ratio = in_turn(ours, lambda: command([PEERS, script, folder]).seconds)
    row(name, f"{ratio:.2f} ({mine:.1f} s / {theirs:.1f} s)", f"<= {asked}", ratio <= asked, last["stage"])


def main() -> None:
    """As given, and 200 photos enlarged to the size that cameras make."""
    source = samples.get("in1k-sample")
    photos = sorted((source / "images").iterdir())
    with scratch() as temporary:
        place = Path(temporary)
        given, large = place / "given", place / "large"
        given.mkdir()
        large.mkdir()
        for photo in photos:
            (given / photo.name).write_bytes(photo.read_bytes())
        for photo in photos[:200]:
            with Image.open(photo) as image:
                scale = 1024 / min(image.size)
                size = (round(image.width * scale), round(image.height * scale))
                image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(large / photo.name, quality=92)
        compare(given, place, 1.0, "curate / cleanvision, 1,000 photos of short side 256")
        compare(large, place, 0.3, "curate / cleanvision, 200 photos of short side 1024")


if __name__ == "__main__":
    main()
