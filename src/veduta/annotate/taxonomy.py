"""What each product is: the leaf of its category, or the head noun of its title."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa

from veduta.annotate.label_texts import check_texts, nouns, placed
from veduta.engine.operation import Field, TableAnnotator
from veduta.pool import View
from veduta.pool.label_words import head_noun
from veduta.pool.readers.product_text import path_of


class Taxonomy(TableAnnotator):
    """Say what each product is: the last step of its category path, or else the head noun of its title.

    Bai et al. 2024 ("Let's Go Shopping", arXiv 2401.04575), section 3.3, whose language model turns a description into a
    tree of labels; its end leaf is the label. Here the shop's own path gives the leaf, and where there is none, the last
    noun of the title before a comma, a bracket or "with", "for", ... (English, WordNet nouns; a rule of thumb).
    Adds `leaf`: string; `leaf_source`: string, "category" or "title". Rows with neither get null. `category` may hold lists
    of steps, or texts like "Women > Tops / T-shirts"; of lists of titles the first counts. Cost: one pass over two columns.
    """

    source: Literal["auto", "category", "title"] = Field(
        "auto", description="which of the two; auto: the path where there is one"
    )
    category: str = Field("category_path", description="column of category paths")
    title: str = Field("title", description="column of titles")
    wordnet: str | None = Field(
        None,
        description="WordNet's dict folder, for all nouns; by default the picturable ones of ImageNet-21k, which come along",
    )

    def reads(self) -> list[str]:
        return {"auto": [self.category, self.title], "category": [self.category], "title": [self.title]}[self.source]

    def check(self, pool: View) -> None:
        if self.source == "auto" and (self.category not in pool.schema.names) != (self.title not in pool.schema.names):
            here = self.title if self.title in pool.schema.names else self.category
            check_texts(pool, here, self.operation())
            return
        for column in self.reads():
            check_texts(pool, column, self.operation(), "name the columns with --category and --title")

    def adds(self) -> pa.Schema:
        return pa.schema([pa.field("leaf", pa.string()), pa.field("leaf_source", pa.string())])

    def compute(self, pool: View) -> pa.Table:
        self.check(pool)
        known = nouns(self.wordnet)
        leaves: list[str | None] = [None] * len(pool)
        sources: list[str | None] = [None] * len(pool)
        if self.category in self.reads() and self.category in pool.schema.names:
            for row, value in enumerate(pool.table([self.category]).column(0).to_pylist()):
                steps = path_of(value) if value else []
                if steps:
                    leaves[row], sources[row] = steps[-1], "category"
        if self.title in self.reads() and self.title in pool.schema.names:
            seen: dict[str, str | None] = {}
            for row, value in enumerate(pool.table([self.title]).column(0).to_pylist()):
                text = (value[0] if value else None) if isinstance(value, list) else value
                if leaves[row] is None and text:
                    if text not in seen:
                        seen[text] = head_noun(text, lambda noun: bool(known.find(noun)))
                    leaves[row] = seen[text]
                    sources[row] = "title" if seen[text] else None
        return placed(pool, {"leaf": leaves, "leaf_source": sources}, self.adds())
