"""The emoji that proofs of image and text share: training concepts in three vendors' drawings, unseen ones in a fourth's."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from veduta.judge.proof import Context


def rows(context: Context) -> pa.Table:
    """Rows of the splits train and test of the sample `emoji`, of a fifth of the concepts in a rehearsal.

    `shuffled`: the captions of another training concept, the same one for all drawings of a concept.
    """
    table = context.load("emoji")
    table = table.filter(pc.is_in(table["split"], pa.array(["train", "test"])))
    concepts = sorted(set(table["concept"].to_pylist()))
    kept = context.rng("concepts").choice(concepts, context.size(len(concepts), len(concepts) // 5), replace=False)
    table = table.filter(pc.is_in(table["concept"], pa.array(kept.tolist())))
    return table.append_column("shuffled", shuffled(context, table)).combine_chunks()


def shuffled(context: Context, table: pa.Table) -> pa.Array:
    """Captions (list of strings a row) moved in one cycle through the training concepts; others keep theirs."""
    captions = dict(zip(table["concept"].to_pylist(), table["captions"].to_pylist(), strict=True))
    trained = sorted({c for c, s in zip(table["concept"].to_pylist(), table["split"].to_pylist()) if s == "train"})
    order = context.rng("shuffled pairs").permutation(trained).tolist()
    wrong = captions | {to: captions[of] for to, of in zip(order, [*order[1:], order[0]], strict=True)}
    return pa.array([wrong[concept] for concept in table["concept"].to_pylist()], table.schema.field("captions").type)
