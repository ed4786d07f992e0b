"""ICO: the sizes of its pictures, which its list of contents may not tell."""

from __future__ import annotations


def largest(data: bytes) -> tuple[int, int]:
    """Width and height in pixels of the largest picture, by each one's own header; (0, 0) where there is none."""
    found = [(0, 0)]
    for at in range(6, 6 + 16 * int.from_bytes(data[4:6], "little"), 16):
        start = int.from_bytes(data[at + 12 : at + 16], "little")
        head = data[start : start + 24]
        if head[:8] == b"\x89PNG\r\n\x1a\n":
            found.append((int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")))
        elif len(head) == 24:  # a BMP, with rows for its mask
            width = abs(int.from_bytes(head[4:8], "little", signed=True))
            found.append((width, abs(int.from_bytes(head[8:12], "little", signed=True)) // 2))
    return max(found, key=lambda size: size[0] * size[1])
