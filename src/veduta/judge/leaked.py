"""What of an evaluation split lies in the training data too."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Pair:
    """An evaluation row, a training row that copies it, whether the bytes are equal, and the cosine where it is known."""

    row: int
    copy: int
    exact: bool
    similarity: float | None


@dataclass
class Leaked:
    """Of one evaluation split. rows: its images; exact, near: how many of them have a copy with equal bytes, or only
    another, among the training rows; contradicting: how many of these have another label there; inside: images that
    repeat another image of the same split; pairs: one for each leaked image.
    """

    split: str
    rows: int
    exact: int = 0
    near: int = 0
    contradicting: int = 0
    inside: int = 0
    pairs: list[Pair] = field(default_factory=list)

    @property
    def leaked(self) -> int:
        """Images with a copy of either kind."""
        return self.exact + self.near
