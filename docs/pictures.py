"""Draw the folder of pictures that the screenshots in the docs show: landscapes, all generated, with planted faults.

python docs/pictures.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

SIZE = (480, 360)
SKIES = {
    "dawn": ((255, 190, 150), (120, 140, 200)),
    "day": ((225, 240, 255), (90, 150, 225)),
    "night": ((110, 110, 170), (30, 35, 90)),
}


def gradient(low: tuple[int, int, int], high: tuple[int, int, int]) -> Image.Image:
    """A sky from `high` at the top to `low` at the horizon."""
    share = np.linspace(0, 1, SIZE[1])[:, None, None]
    rows = np.asarray(high) * (1 - share) + np.asarray(low) * share
    return Image.fromarray(np.broadcast_to(rows, (SIZE[1], SIZE[0], 3)).astype(np.uint8))


def hills(draw: ImageDraw.ImageDraw, rng: np.random.Generator, base: int, colour: tuple[int, int, int]) -> None:
    """One ridge across the picture."""
    x = np.arange(0, SIZE[0] + 8, 8)
    y = base + sum(rng.uniform(8, 26) * np.sin(x / rng.uniform(30, 110) + rng.uniform(0, 6)) for _ in range(3))
    draw.polygon([(0, SIZE[1]), *zip(x.tolist(), y.tolist(), strict=True), (SIZE[0], SIZE[1])], fill=colour)


def scene(kind: str, rng: np.random.Generator) -> Image.Image:
    """A landscape with trees, houses or sails."""
    sky = list(SKIES)[rng.integers(3)]
    image = gradient(*SKIES[sky])
    draw = ImageDraw.Draw(image)
    x, y, r = rng.integers(60, 420), rng.integers(40, 130), rng.integers(18, 36)
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(250, 240, 200) if sky != "dawn" else (255, 120, 80))
    dim = 0.7 if sky == "night" else 1.0
    shade = rng.uniform(0.7, 1.1) * dim

    def tint(*colour: int) -> tuple[int, int, int]:
        return tuple(int(np.clip(c * shade, 0, 255)) for c in colour)  # type: ignore[return-value]

    if kind == "sea":
        draw.rectangle((0, 200, *SIZE), fill=tint(40, 110, 160))
        for _ in range(rng.integers(2, 6)):
            bx, by, s = rng.integers(30, 450), rng.integers(210, 320), rng.integers(16, 46)
            draw.polygon([(bx, by), (bx, by - 2 * s), (bx + s, by)], fill=tint(250, 250, 245))
            draw.polygon(
                [(bx - s, by + 4), (bx + s, by + 4), (bx + s // 2, by + 16), (bx - s // 2, by + 16)],
                fill=tint(140, 60, 40),
            )
        return image.filter(ImageFilter.GaussianBlur(0.6))
    for depth, green in ((150, 150), (190, 120), (240, 90)):
        hills(draw, rng, depth, tint(green // 2, green, green // 2))
    for _ in range(rng.integers(5, 12)):
        px, py, s = rng.integers(10, 470), rng.integers(230, 340), rng.integers(14, 40)
        if kind == "forest":
            draw.rectangle((px - s // 10, py - s // 2, px + s // 10, py + s), fill=tint(90, 60, 40))
            draw.polygon([(px - s, py), (px, py - 2 * s), (px + s, py)], fill=tint(20, 100, 50))
        else:
            draw.rectangle((px - s, py - s, px + s, py + s // 2), fill=tint(*rng.integers(120, 250, 3).tolist()))
            draw.polygon([(px - s - 6, py - s), (px, py - 2 * s), (px + s + 6, py - s)], fill=tint(170, 60, 50))
    return image.filter(ImageFilter.GaussianBlur(0.6))


def main() -> None:
    """Sixty pictures in three classes; some doubled, blurred, dark, torn or in the wrong folder."""
    root, rng = Path(sys.argv[1]), np.random.default_rng(7)
    for kind in ("forest", "village", "sea"):
        (root / kind).mkdir(parents=True, exist_ok=True)
        for i in range(40):
            image = scene(kind, rng)
            image = Image.fromarray(
                np.clip(np.asarray(image) + rng.normal(0, 5, (*SIZE[::-1], 3)), 0, 255).astype(np.uint8)
            )
            image.save(root / kind / f"{kind}-{i:02d}.jpg", quality=90)
            if i in (3, 11):
                image.resize((300, 225)).save(root / kind / f"{kind}-{i:02d}-small.jpg", quality=70)
            if i == 5:
                (root / kind / f"{kind}-{i:02d} copy.jpg").write_bytes(
                    (root / kind / f"{kind}-{i:02d}.jpg").read_bytes()
                )
            if i == 7:
                image.filter(ImageFilter.GaussianBlur(7)).save(root / kind / f"{kind}-{i:02d}-blurred.jpg")
            if i == 9:
                ImageEnhance.Brightness(image).enhance(0.08).save(root / kind / f"{kind}-{i:02d}-dark.jpg")
    torn = (root / "sea" / "sea-20.jpg").read_bytes()
    (root / "sea" / "sea-torn.jpg").write_bytes(torn[: len(torn) // 2])
    scene("sea", rng).save(root / "forest" / "forest-wrong.jpg", quality=90)


if __name__ == "__main__":
    main()
