"""Label sets of the zero-shot safety check, as data.

After the sets of LAION-5B's filter (rvencu/crawlingathome-gpu-hcloud, `gpu_inference.py`), with wording of our own; its
lists run two labels into one by a missing comma, so a test here counts them. Each set has the block that is looked for
and the harmless labels that compete with it; a label is a plain noun phrase, no prompt is put around it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LabelSet:
    """`block`: what is looked for; `others`: what competes with it."""

    block: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The others first, then the block."""
        return (*self.others, *self.block)


SEXUAL = LabelSet(
    block=(
        "pornography, explicit sexual content",
        "nudity, a naked body",
        "sexual act",
        "genitals, bare breasts",
        "erotic pose, lingerie, seduction",
    ),
    others=(
        "a neutral scene",
        "portrait, selfie",
        "illustration, drawing, cartoon",
        "toys, play, children",
        "animal, bird, insect",
        "fashion, clothes",
        "logo, advertisement, product",
        "food, meal, drink",
        "building, street, interior",
        "landscape, nature, plants",
        "vehicle, machine",
        "sport, swimming, beach",
        "medicine, anatomy, hospital",
        "painting, sculpture, museum",
        "document, text, screenshot",
        "news, politics, ceremony",
        "romance, couple, wedding",
        "action, horror, thriller",
    ),
)

MINORS = LabelSet(
    block=("a teenager", "a child, a kid", "a little girl, a little boy", "a baby, a toddler"),
    others=("an adult, a grown person", "a woman, a man", "an elderly person", "no person, a thing or a place"),
)

ANIMALS = LabelSet(
    block=("an animal", "a dog, a cat", "a horse, a cow, a pig, a goat, a sheep", "wildlife"),
    others=(
        "a lifeless object, a thing",
        "furniture, a wall, a floor",
        "a house, a street",
        "a tree, a rock, the ground",
        "a tool, a machine",
        "clothes, fabric",
        "a human, a man, a woman",
    ),
)

SETS = {"sexual": SEXUAL, "minors": MINORS, "animals": ANIMALS}

# Whole words of a text that count like a label of the minors set (English only).
MINOR_WORDS = (
    "babies", "baby", "boy", "boys", "child", "children", "girl", "girls", "infant", "juvenile", "kid", "kids", "minor",
    "minors", "preteen", "schoolboy", "schoolgirl", "teen", "teenage", "teenager", "teenagers", "teens", "toddler",
    "toddlers", "underage", "underaged", "youngster",
)  # fmt: skip
