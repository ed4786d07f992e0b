"""A folder of everything that goes wrong with image files, made by script, with the outcome each file must have."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from pictures import encoded, picture

INGESTED, UNDECODABLE, UNREADABLE = "ingested", "undecodable", "unreadable"


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


def with_orientation(orientation: int) -> bytes:
    """A JPEG whose EXIF block asks for an orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture(40 + orientation, (64, 40)), "JPEG", exif=exif)


def files() -> dict[bytes, tuple[bytes, str]]:
    """File name (bytes, as on disk) -> content and the outcome it must have."""
    whole = encoded(picture(1))
    made: dict[bytes, tuple[bytes, str]] = {b"whole.jpg": (whole, INGESTED)}
    for tenth in range(10):
        outcome = UNDECODABLE
        made[b"truncated_%d.jpg" % tenth] = (whole[: len(whole) * tenth // 10], outcome)
    png = encoded(picture(2), "PNG")
    flipped = bytearray(png)
    flipped[len(png) // 2] ^= 0xFF
    made[b"flipped.png"] = (bytes(flipped), UNDECODABLE)
    made[b"wrong_extension.png"] = (encoded(picture(3)), INGESTED)
    made[b"text.jpg"] = (b"this is not a picture", UNDECODABLE)
    made[b"one_pixel.png"] = (encoded(Image.new("RGB", (1, 1), (9, 9, 9)), "PNG"), INGESTED)
    made[b"thin.png"] = (encoded(Image.new("RGB", (1, 30_000), (9, 99, 9)), "PNG"), INGESTED)
    made[b"bomb.png"] = (png_header(50_000, 50_000), UNDECODABLE)
    frames = [picture(i, (32, 32)) for i in (4, 5, 6)]
    made[b"animated.gif"] = (encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), INGESTED)
    made[b"cmyk.jpg"] = (encoded(picture(7).convert("CMYK"), "JPEG"), INGESTED)
    palette = picture(8).convert("P")
    made[b"palette_alpha.png"] = (encoded(palette, "PNG", transparency=3), INGESTED)
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    made[b"grey16.png"] = (encoded(Image.fromarray(ramp), "PNG"), INGESTED)
    made[b"grey16.tiff"] = (encoded(Image.fromarray(ramp[::-1].copy()), "TIFF"), INGESTED)
    for orientation in range(1, 9):
        made[b"orientation_%d.jpg" % orientation] = (with_orientation(orientation), INGESTED)
    broken = b"\xff\xe1\x00\x10Exif\0\0II*\0\xff\xff\xff\xff"
    jpeg = encoded(picture(9))
    made[b"broken_exif.jpg"] = (jpeg[:2] + broken + jpeg[2:], INGESTED)
    made[b"same_pixels.bmp"] = (encoded(Image.open(io.BytesIO(png)), "BMP"), INGESTED)
    made[b"same_pixels.png"] = (png, INGESTED)
    made[b"new\nline.jpg"] = (encoded(picture(10)), INGESTED)
    made["emoji 🦊 ünïcode.jpg".encode()] = (encoded(picture(11)), INGESTED)
    made[b"not_utf8_\xff\xfe.jpg"] = (encoded(picture(12)), INGESTED)
    made[b"n" * 251 + b".jpg"] = (encoded(picture(13)), INGESTED)
    made[b"stem.jpg"] = (encoded(picture(14)), INGESTED)
    made[b"stem.png"] = (encoded(picture(15), "PNG"), INGESTED)
    made[b"CASE.jpg"] = (encoded(picture(16)), INGESTED)
    made[b"case.jpg"] = (encoded(picture(17)), INGESTED)
    made[b"q'uote;drop table.jpg"] = (encoded(picture(18)), INGESTED)
    made[b"<script>alert(1)<&script>.jpg"] = (encoded(picture(19)), INGESTED)
    return made


def write(root: Path) -> dict[bytes, str]:
    """Write the corpus into `root`; returns file name -> outcome."""
    root.mkdir(parents=True)
    outcomes = {}
    for name, (content, outcome) in files().items():
        with open(os.path.join(os.fsencode(root), name), "wb") as stream:
            stream.write(content)
        outcomes[name] = outcome
    (root / "loop").symlink_to(root, target_is_directory=True)
    return outcomes
