"""Labels merged with each other, or mapped onto a vocabulary, by the similarity of their nouns.

Bai et al. 2024 ("Let's Go Shopping", arXiv 2401.04575), section 3.3 (merging, 0.92) and 4.1 (ImageNet, 0.90): the similarity
of two labels is the highest cosine of any noun of the one with any of the other. Legend: l labels, v distinct nouns, d.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from veduta.pool.class_tree import ClassTree, normal
from veduta.pool.label_review import ACCEPT, SPLIT, decisions, proposals
from veduta.pool.label_words import head_of, nouns_of, singular

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors (t, d)."""
BLOCK = 2048
TIE = 1e-4


def similar_labels(counts: Mapping[str, int], embed: Embed, threshold: float, floor: float | None = None) -> pa.Table:
    """Every pair of labels with at least the similarity `floor` (by default 0.1 below the threshold), for review.

    counts: label -> rows. `given` is the rarer of the two, `mapped` the commoner; `score` their similarity; `how` the two nouns;
    ambiguous: some noun of one has no like in the other ("Rings" and "Rings and key rings"), which the maximum does not see.
    Memory: v * d * 4 bytes and blocks of 2,048 * v; time v * v * d, and the pairs.
    """
    floor = max(0.0, threshold - 0.1) if floor is None else floor
    labels = sorted(counts, key=lambda label: (-counts[label], label))
    nouns = {label: [singular(noun) for noun in nouns_of(label)] or [label] for label in labels}
    words = list(dict.fromkeys(word for label in labels for word in nouns[label]))
    vectors = embed(words)
    place = {word: i for i, word in enumerate(words)}
    owners: list[list[int]] = [[] for _ in words]
    for at, label in enumerate(labels):
        for word in dict.fromkeys(nouns[label]):
            owners[place[word]].append(at)
    best: dict[tuple[int, int], tuple[float, int, int]] = {}
    for i, j, cosine in _pairs(vectors, floor):
        for a in owners[i]:
            for b in owners[j]:
                pair = (min(a, b), max(a, b))
                if a != b and cosine > best.get(pair, (-2.0, 0, 0))[0]:
                    best[pair] = (cosine, i, j)
    rows = []
    for (common, rare), (score, i, j) in best.items():
        one, two = ([place[word] for word in nouns[labels[at]]] for at in (common, rare))
        cosines = vectors[one] @ vectors[two].T
        partial = bool((cosines.max(1) < threshold).any() or (cosines.max(0) < threshold).any())
        rows.append({
            "given": labels[rare], "mapped": labels[common], "count": counts[labels[rare]], "score": min(score, 1.0),
            "how": f"{words[i]} ~ {words[j]}" if i != j else f"both {words[i]}", "ambiguous": partial and score >= threshold,
        })  # fmt: skip
    rows.sort(key=lambda row: (-row["score"], row["given"], row["mapped"]))
    return proposals(rows)


def merged(
    counts: Mapping[str, int],
    pairs: pa.Table,
    threshold: float,
    deny: Collection[tuple[str, str]] = (),
    alone: Collection[str] = (),
) -> dict[str, str]:
    """label -> the commonest label of its group: union-find over the pairs that are accepted or have the threshold.

    A pair that was split, or stands in `deny`, is never in one group, whatever third label is like both: pairs are joined
    from the most similar down (accepted ones first), and a join that would bring such a pair together is left out. `alone`:
    labels that are merged with nothing. Ambiguous pairs are merged, as in the paper; the review shows them.
    """
    said = decisions(pairs)
    apart: dict[str, set[str]] = {label: set() for label in counts}
    for a, b in [*deny, *((given, str(mapped)) for (given, mapped), what in said.items() if what == SPLIT)]:
        if a in apart and b in apart:
            apart[a].add(b)
            apart[b].add(a)
    group: dict[str, set[str]] = {label: {label} for label in counts}
    rows = sorted(
        pairs.to_pylist(), key=lambda r: (r["decision"] != ACCEPT, -(r["score"] or 0.0), r["given"], r["mapped"])
    )
    for row in rows:
        a, b = row["given"], row["mapped"]
        accepted = row["decision"] == ACCEPT
        if a not in group or b not in group or row["decision"] == SPLIT or group[a] is group[b]:
            continue
        if not accepted and ((row["score"] or 0.0) < threshold or a in alone or b in alone):
            continue
        if any(apart[member] & group[b] for member in group[a]):
            continue
        joined = group[a] | group[b]
        for member in joined:
            group[member] = joined
    return {label: min(members, key=lambda name: (-counts[name], name)) for label, members in group.items()}


@dataclass(frozen=True, slots=True)
class _Word:
    """A noun of a label as it is looked for. whole: the phrase whose head it is; how: what was done to it."""

    text: str
    whole: str
    how: str


def similar_targets(
    counts: Mapping[str, int],
    targets: ClassTree,
    embed: Embed,
    threshold: float,
    *,
    lexicon: ClassTree | None = None,
    contexts: Mapping[str, str] | None = None,
    embed_names: Embed | None = None,
) -> pa.Table:
    """For every label the most similar class of `targets`, by id, for review; the commonest labels first.

    Nouns are made singular; a phrase is also looked for by its head ("wooden snail": snail).
    ambiguous, so that nothing is mapped before a person has decided: the noun has several meanings in the lexicon, or it has
    one that is not the target's (nor below it), or two targets fit equally. `candidates` lists those meanings, id and gloss.
    contexts: label -> words that stand with it; then the meaning whose gloss is nearest to them is the one proposed.
    Cost: an embedding of each noun and each name; memory of blocks 2,048 x names.
    """
    known = lexicon or targets
    ids = list(targets.parents)
    names = [(name, at) for at, node in enumerate(ids) for name in (targets.names.get(node) or (node,))]
    owner = np.array([at for _, at in names], np.int64)
    vectors = (embed_names or embed)([name for name, _ in names]) if names else np.zeros((0, 1), np.float32)
    words = {label: _words(label, known) for label in counts}
    texts = list(dict.fromkeys(word.text for each in words.values() for word in each))
    own = embed(texts) if texts else np.zeros((0, vectors.shape[1]), np.float32)
    nearest: dict[str, tuple[float, list[int]]] = {}
    for start in range(0, len(texts), BLOCK):
        cosines = own[start : start + BLOCK] @ vectors.T
        for text, line in zip(texts[start : start + BLOCK], cosines, strict=True):
            top = float(line.max(initial=-1.0))
            nearest[text] = (min(top, 1.0), sorted(set(owner[line >= top - TIE].tolist())))
    rows = [_proposal(label, counts[label], words[label], nearest, ids, targets, known, threshold) for label in counts]
    if contexts:
        _by_context(rows, contexts, targets, known, embed)
    rows.sort(key=lambda row: (-row["count"], row["given"]))
    return proposals(rows)


def _words(label: str, known: ClassTree) -> list[_Word]:
    def is_known(text: str) -> bool:
        return bool(known.find(text))

    found: list[_Word] = []
    for noun in nouns_of(label):
        one = singular(noun, is_known)
        found.append(_Word(one, one, "noun" if normal(one) == normal(noun) else "singular"))
        if " " in one and (head := head_of(one.partition(" ")[2], is_known)):
            found.append(_Word(head, one, "head noun"))
    return found


def _proposal(
    label: str, count: int, words: list[_Word], nearest: Mapping[str, tuple[float, list[int]]], ids: list[str],
    targets: ClassTree, known: ClassTree, threshold: float,
) -> dict:  # fmt: skip
    row: dict = {"given": label, "count": count, "mapped": None, "how": "no noun", "score": None}
    if not words or not ids:
        return row
    word = max(words, key=lambda each: nearest[each.text][0])  # the first of equals
    score, found = nearest[word.text]
    target = ids[found[0]]
    row |= {
        "score": score,
        "mapped": target,
        "gloss": _said(targets, target),
        "how": f"{word.how}: {word.text}",
    }
    if score < threshold:
        return row | {"how": f"below {threshold:g}; {word.how}: {word.text}"}
    # A phrase that is a noun of its own means that, not its head: a key ring is not a ring.
    meanings = list(known.find(word.whole) or known.find(word.text))
    other = [node for node in meanings if node != target and target in known and target not in known.ancestors(node)]
    if len(found) > 1 or (other and (target in meanings or len(other) == len(meanings))):
        rivals = dict.fromkeys([*(ids[at] for at in found), *meanings])
        reason = "several meanings" if target in meanings or len(found) > 1 else "a meaning of its own"
        row |= {"ambiguous": True, "candidates": [f"{n} {_said(known if n in known else targets, n)}" for n in rivals],
                "how": f"{reason}; {word.how}: {word.text}"}  # fmt: skip
    return row


def _by_context(
    rows: list[dict], contexts: Mapping[str, str], targets: ClassTree, known: ClassTree, embed: Embed
) -> None:
    """Propose for ambiguous labels the meaning whose gloss is nearest to the label's context; it stays to be decided."""
    asked = [row for row in rows if row.get("ambiguous") and contexts.get(row["given"]) and "several" in row["how"]]
    if not asked:
        return
    around = embed([f"{row['given']}: {contexts[row['given']]}" for row in asked])
    for row, vector in zip(asked, around, strict=True):
        meanings = [each.partition(" ")[0] for each in row["candidates"]]
        fits = embed([each.partition(" ")[2] for each in row["candidates"]]) @ vector
        best = meanings[int(fits.argmax())]
        if best in targets:
            row |= {"mapped": best, "gloss": _said(targets, best)}
        else:
            row["how"] += f"; the context speaks for {best}, which is not a target"


def _said(tree: ClassTree, node: str) -> str:
    gloss = tree.glosses.get(node, "")
    return f"{tree.name(node)}: {gloss}" if gloss else tree.name(node)


def _pairs(vectors: NDArray[np.float32], floor: float) -> Iterator[tuple[int, int, float]]:
    """(i, j, cosine) of all pairs i <= j with at least `floor`."""
    for start in range(0, len(vectors), BLOCK):
        cosines = vectors[start : start + BLOCK] @ vectors.T
        for i, j in zip(*np.nonzero(cosines >= floor), strict=True):
            if start + i <= j:
                yield int(start + i), int(j), float(cosines[i, j])


def counted(labels: Sequence[str | None]) -> Counter[str]:
    """label -> rows; empty labels and null are left out."""
    return Counter(label for label in labels if label is not None and label.strip())
