"""A contact sheet: pictures of given rows with words below, as one image."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from veduta.errors import BadInput, Undecodable

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFont import FreeTypeFont

    from veduta.pool import View

PAPER, INK, FAINT = (250, 249, 246), (29, 31, 36), (224, 220, 211)
GAP, LINES, AT_ONCE, MOST = 12, 3, 32, 2000


def contact_sheet(
    pool: View,
    rows: Sequence[int] | np.ndarray,
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    size: int = 160,
) -> Image.Image:
    """The pictures of `rows` (row positions of the pool) in reading order, each inside `size` x `size` pixels.

    captions: words below each picture, default the keys; cut after three lines. columns: pictures a line, default a
    sheet about as wide as a screen. What cannot be shown is an empty frame that says so. Raises BadInput.
    """
    from PIL import Image, ImageDraw

    rows = np.asarray(rows, dtype=np.int64)
    n = len(rows)
    if not 1 <= n <= MOST:
        raise BadInput(f"rows of a contact sheet must be 1 to {MOST:,}, got {n:,}; choose fewer with k or limit")
    if not 16 <= size <= 2048:
        raise BadInput(f"size of a contact sheet must be 16 to 2048 pixels, got {size}")
    if columns is not None and columns < 1:
        raise BadInput(f"columns of a contact sheet must be at least 1, got {columns}")
    said = [str(key) for key in pool.take(rows, ["key"]).column("key").to_pylist()] if captions is None else captions
    if len(said) != n:
        raise BadInput(f"captions of a contact sheet must be one a row, got {len(said)} for {n} rows")
    across = min(n, columns or max(2, min(8, 1360 // (size + GAP))))
    point = max(11, round(size * 0.075))
    font, height = _font(point), round(point * 1.3)
    texts = [wrap(caption, font, size, LINES) for caption in said]
    words = height * max(len(lines) for lines in texts)
    cell = size + GAP, size + words + 6 + GAP
    sheet = Image.new("RGB", (across * cell[0] + GAP, -(-n // across) * cell[1] + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for i, picture in enumerate(_pictures(pool, rows, size)):
        x, y = GAP + i % across * cell[0], GAP + i // across * cell[1]
        if picture is None:
            draw.rectangle((x, y, x + size - 1, y + size - 1), outline=FAINT, width=2)
            draw.text((x + size / 2, y + size / 2), "no picture", font=font, fill=INK, anchor="mm")
        else:
            sheet.paste(picture, (x + (size - picture.width) // 2, y + size - picture.height))
        for line, text in enumerate(texts[i]):
            draw.text((x, y + size + 5 + line * height), text, font=font, fill=INK)
    return sheet


def save_sheet(path: str | Path, pool: View, rows: Sequence[int] | np.ndarray, **options: Any) -> Path:
    """Write the contact sheet to `path` (PNG unless the name says otherwise); options as for `contact_sheet`."""
    path = Path(path)
    sheet = contact_sheet(pool, rows, **options)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, None if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp") else "PNG")
    return path


def _pictures(pool: View, rows: np.ndarray, size: int) -> list[Image.Image | None]:
    found: list[Image.Image | None] = []
    with ThreadPoolExecutor(4, thread_name_prefix="sheet") as workers:
        for start in range(0, len(rows), AT_ONCE):
            contents = pool.read_images(rows[start : start + AT_ONCE])
            found += workers.map(lambda data: _picture(data, size), contents)
    return found


def _picture(data: bytes | None, size: int) -> Image.Image | None:
    from PIL import Image

    from veduta.engine.decode import decode

    try:
        picture = Image.fromarray(decode(data or b"", side=size).pixels)
    except Undecodable:
        return None
    scale = size / max(picture.size)
    if scale >= 1:  # tiny pictures stay pixels: enlarged by whole numbers, never blurred
        scale = max(1, int(scale))
    width, height = (max(1, round(edge * scale)) for edge in picture.size)
    return picture.resize((width, height), Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS)


@cache
def _font(point: int) -> FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib; its path is found without importing matplotlib."""
    from importlib.util import find_spec

    from PIL import ImageFont

    place = find_spec("matplotlib")
    for folder in place.submodule_search_locations or () if place else ():
        file = Path(folder) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if file.is_file():
            return ImageFont.truetype(str(file), point)
    return ImageFont.load_default(point)  # type: ignore[return-value]


def wrap(text: str, font: FreeTypeFont, width: int, lines: int) -> list[str]:
    """Lines of `text` that fit into `width` pixels; words are broken where they must be, the rest is cut with "…".

    Control characters, lone surrogates and line breaks become visible marks, so that any name can be drawn.
    """
    clean = "".join(
        "�" if "\ud800" <= c <= "\udfff" else c if c.isprintable() else "␤" if c == "\n" else "·" for c in text
    )
    done: list[str] = []
    rest = clean[: 40 * lines * max(1, width // 16)].strip()
    while rest and len(done) < lines:
        fit = _longest(rest, font, width)
        if fit < len(rest):
            space, sign = rest.rfind(" ", 1, fit + 1), max(rest.rfind(c, fit // 2, fit) for c in "_-/.,") + 1
            fit = space if space > 0 else sign or fit
        done.append(rest[:fit].rstrip())
        rest = rest[fit:].lstrip()
    if rest and done:
        last = done[-1] + "…"
        while len(last) > 1 and font.getlength(last) > width:
            last = last[:-2] + "…"
        done[-1] = last
    return done or [""]


def _longest(text: str, font: FreeTypeFont, width: int) -> int:
    """How many characters of `text` fit, at least one."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if font.getlength(text[:middle]) <= width else (low, middle - 1)
    return low
