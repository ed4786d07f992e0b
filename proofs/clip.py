"""Names typed at query time classify concepts that training never saw, better than a model that predicts words.

Radford et al.: "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021 (arXiv 2103.00020). They
trained both networks on 400 million pairs; here two linear maps are trained on frozen features (EfficientNet-Lite0 for
images, MiniLM for texts) of emoji and their names. Tested are concepts that training never saw, as a vendor draws them of
which training saw nothing. Their baseline predicts the words of a caption from the image (section 2.3); here it is one
logistic regression a word on the same features, for the product has no learner of words.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from _emoji import rows
from numpy.typing import NDArray

from veduta.annotate.embed import Embed
from veduta.encode import load
from veduta.encode.base import unit
from veduta.encode.restored import restore
from veduta.engine.threads import one_thread
from veduta.errors import BadInput
from veduta.judge.intervals import bootstrap, difference, wilson
from veduta.judge.proof import Context, Proof
from veduta.learn import linear
from veduta.learn.pairs import Pairs
from veduta.learn.run import Run
from veduta.models.text.words import LEAST, words_of
from veduta.pool import Pool
from veduta.samples.emoji import ungendered

SLUG = "clip"
CLAIM = "Contrast with names gives a classifier for classes never seen in training, better than predicting words."
SOURCE = (
    "Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021, arXiv 2103.00020"
)

FORMS = ("CLDR name", "Unicode name", "shortcode")
SEEDS = 3
STEPS = 500
GRID = (1.0, 10.0, 100.0)
HELD_OUT = 0.1
TASK = "unseen concepts by name"


@dataclass(frozen=True)
class Concepts:
    """Rows of one split. vectors (n, d) of images; concepts (n,) their code points; records: the rows without images."""

    vectors: NDArray[np.float32]
    concepts: list[str]
    records: list[dict[str, Any]]

    @classmethod
    def of(cls, pool: Pool, split: str) -> Concepts:
        vectors, at = pool.vectors("embedding", where=f"split = '{split}'")
        records = pool.take(at, ["concept", "vendor", "captions", "tags"]).to_pylist()
        return cls(vectors, [record["concept"] for record in records], records)

    def take(self, keep: NDArray[np.bool_]) -> Concepts:
        at = np.flatnonzero(keep)
        return Concepts(self.vectors[at], [self.concepts[i] for i in at], [self.records[i] for i in at])

    def classes(self) -> tuple[list[tuple[str, ...]], NDArray[np.int64]]:
        """The three name forms of each different concept, and the class of each image."""
        number = {concept: i for i, concept in enumerate(dict.fromkeys(self.concepts))}
        record = dict(zip(self.concepts, self.records, strict=True))
        return [forms(record[concept]) for concept in number], np.array([number[c] for c in self.concepts])


def forms(record: dict[str, Any]) -> tuple[str, str, str]:
    """CLDR name, Unicode name and shortcode. Captions hold them in this order, equal ones once, and then the tags."""
    captions = record["captions"]
    names = captions[:-1] if len(captions) > 1 and captions[-1] == ", ".join(record["tags"]) else captions
    code = record["concept"].replace("-FE0F", "")
    official = "" if "-" in code else unicodedata.name(chr(int(code, 16)), "").lower()
    return names[0], official if official in names else names[min(1, len(names) - 1)], names[-1]


def run(context: Context) -> Proof:
    """The two maps with three seeds, shuffled pairs with one, the baseline, and what they say of unseen concepts."""
    if context.scale != "cpu":
        raise BadInput(f"the proof of {SLUG} is written for the CPU only")
    proof = Proof(SLUG, CLAIM, SOURCE)
    with context.pool(rows(context), Embed()) as pool:
        seen, test = Concepts.of(pool, "train"), Concepts.of(pool, "test")
        trained = [zero_shot(learn(context, pool, "captions", seed), test) for seed in range(SEEDS)]
        shuffled = zero_shot(learn(context, pool, "shuffled", 0), test)
    predicted = predicts_words(context, proof, seen, test)
    found = {name: np.mean([each[name] for each in trained], 0) for name in (*FORMS, "mean of all forms")}
    for name, right in found.items():
        note(context, proof, TASK, f"contrast, {name}", right, "arm")
    wrong = shuffled["mean of all forms"]
    note(context, proof, TASK, "contrast, shuffled pairs", wrong, "control")
    proof.details["top-1 of each seed"] = {
        "contrast": [round(float(each["mean of all forms"].mean()), 4) for each in trained]
    }
    conditions(context, proof, found, wrong, predicted)
    siblings(context, proof, seen, test, found["mean of all forms"], predicted)
    notes(proof)
    return proof


def learn(context: Context, pool: Pool, text: str, seed: int) -> Run:
    """Linear maps of both sides into 256 dimensions, a tenth of the training concepts choosing the weights."""
    learner = Pairs(
        image="embedding",
        text=[text],
        objective="clip",
        text_tower="minilm",
        image_head="linear",
        text_head="linear",
        dim=256,
        group="concept",
        batch=context.size(512, 256),
        steps=context.size(STEPS, 60),
        optimizer="adamw",
        lr=1e-3,
        weight_decay=0.2,
        seed=SEEDS * context.seed + seed,
    )
    with context.timed("training"), one_thread():
        return learner.learn(pool, name=f"{text}-{seed}")


def zero_shot(made: Run, test: Concepts) -> dict[str, NDArray[np.float64]]:
    """1 where the nearest class name is the image's own, else 0 (n,): by each form of the names, and by their mean."""
    names, truth = test.classes()
    model = load(made.encoder)
    with one_thread():
        images = unit(restore(made.path).features(test.vectors))
        classes = np.stack([model.text([own[i] for own in names]) for i in range(len(FORMS))])
    by = {form: classes[i] for i, form in enumerate(FORMS)} | {"mean of all forms": unit(classes.mean(0))}
    return {name: ((images @ each.T).argmax(1) == truth).astype(np.float64) for name, each in by.items()}


def predicts_words(context: Context, proof: Proof, seen: Concepts, test: Concepts) -> NDArray[np.float64]:
    """The baseline's right answers (n,): the better of two rules on the test images, which favours it.

    C is the one that names unseen concepts best: a tenth of the training concepts chooses it, after fits on one vendor's
    drawings of the others, each counting threefold, for time.
    """
    concepts = sorted(set(seen.concepts))
    held = set(
        context.rng("held-out concepts").choice(concepts, round(HELD_OUT * len(concepts)), replace=False).tolist()
    )
    out = np.array([concept in held for concept in seen.concepts])
    words = vocabulary(seen)
    third = np.array([record["vendor"] == "google" for record in seen.records])
    fitted, chosen = seen.take(~out & third), seen.take(out)
    scores: dict[float, float] = {}
    paths: dict[float, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
    start = None
    with context.timed("baseline"):
        for c in GRID:
            start = linear.fit(
                fitted.vectors, said(fitted, words), c, "logistic", exclusive=False, weight=3.0, start=start
            )
            paths[c] = start
            scores[c] = max(each.mean() for each in by_words(*start, fitted, chosen, words).values())
            context.say(f"baseline: C {c:g} names {scores[c]:.3f} of the held-out images")
        best = max(GRID, key=lambda c: scores[c])
        weights = linear.fit(seen.vectors, said(seen, words), best, "logistic", exclusive=False, start=paths[best])
        found = by_words(*weights, seen, test, words)
    for rule, right in found.items():
        note(context, proof, TASK, f"words, {rule}", right, "baseline")
    proof.details["baseline"] = {
        "words": len(words),
        "C": best,
        "top-1 on held-out training concepts": {f"{c:g}": round(float(score), 4) for c, score in scores.items()},
    }
    return max(found.values(), key=lambda right: right.mean())


def vocabulary(seen: Concepts) -> list[str]:
    """Words in the captions of two training concepts or more."""
    captions = dict(zip(seen.concepts, (record["captions"] for record in seen.records), strict=True))
    counts = Counter(word for own in captions.values() for word in {w for text in own for w in words_of(text)})
    return sorted(word for word, count in counts.items() if count >= LEAST)


def said(of: Concepts, words: list[str]) -> NDArray[np.bool_]:
    """(n, words): which words the captions of an image hold."""
    number = {word: i for i, word in enumerate(words)}
    found = np.zeros((len(of.records), len(words)), bool)
    for own, record in zip(found, of.records, strict=True):
        own[[number[w] for text in record["captions"] for w in words_of(text) if w in number]] = True
    return found


def by_words(
    weights: NDArray[np.float32], bias: NDArray[np.float32], seen: Concepts, test: Concepts, words: list[str]
) -> dict[str, NDArray[np.float64]]:
    """Right answers (n,) by the mean log-odds of the words of a name, over its forms; and by how far they rise above what
    is usual for each word, so that common words do not win everywhere. Classes of unknown words alone come last."""
    names, truth = test.classes()
    number = {word: i for i, word in enumerate(words)}
    share = np.zeros((len(names), len(words)), np.float32)
    for own, name in zip(share, names, strict=True):
        known = [[number[w] for w in words_of(form) if w in number] for form in name]
        for form in [each for each in known if each]:
            np.add.at(own, form, 1 / (len(form) * sum(map(bool, known))))
    unknown = ~share.any(1)
    usual = np.clip(said(seen, words).mean(0), 1e-6, 1 - 1e-6)
    odds = test.vectors @ weights.T + bias
    found = {}
    for rule, each in (("mean log-odds", odds), ("mean gain in log-odds", odds - np.log(usual / (1 - usual)))):
        scores = np.where(unknown, -np.inf, each @ share.T)
        found[rule] = (scores.argmax(1) == truth).astype(np.float64)
    return found


def note(context: Context, proof: Proof, task: str, arm: str, right: NDArray[np.float64], kind: Any) -> None:
    """Top-1, over images and seeds. The interval is Wilson's over images, with the seeds' mean number of hits."""
    value = float(right.mean())
    interval = wilson(round(value * len(right)), len(right))
    proof.measure(task, arm, "top-1", value, kind=kind, interval=interval, n=len(right))
    context.say(f"{task}: {arm} {value:.3f}")


def conditions(
    context: Context,
    proof: Proof,
    found: dict[str, NDArray[np.float64]],
    wrong: NDArray[np.float64],
    predicted: NDArray[np.float64],
) -> None:
    """The four conditions; intervals over test images."""
    right = found["mean of all forms"]
    n = len(right)

    def resampled(of: Any, part: str) -> tuple[float, float]:
        return bootstrap(of, n, context.rng(part))

    proof.must(
        "top-1 over chance",
        right.mean() * n,
        at_least=20.0,
        interval=resampled(lambda drawn: float(right[drawn].mean() * n), "chance"),
    )
    proof.must(
        "top-1 over that of predicting words",
        right.mean() / max(predicted.mean(), 1e-9),
        at_least=1.3,
        interval=resampled(lambda drawn: float(right[drawn].mean() / max(predicted[drawn].mean(), 1e-9)), "words"),
    )
    best = max(FORMS, key=lambda form: found[form].mean())
    gain, low, high = difference(right, found[best], context.rng("forms"))
    proof.must(
        f"top-1 by the mean of all name forms minus by the best one ({best})", gain, at_least=0.01, interval=(low, high)
    )
    proof.must("control: top-1 of shuffled pairs", wrong.mean(), at_most=0.01)


def siblings(
    context: Context,
    proof: Proof,
    seen: Concepts,
    test: Concepts,
    right: NDArray[np.float64],
    predicted: NDArray[np.float64],
) -> None:
    """The same answers on concepts of which training saw no form of another gender either."""
    trained = {ungendered(concept) for concept in seen.concepts}
    alone = np.array([ungendered(concept) not in trained for concept in test.concepts])
    for arm, of, kind in (("contrast, mean of all forms", right, "arm"), ("words, better rule", predicted, "baseline")):
        note(context, proof, "of these, without a form of another gender in training", arm, of[alone], kind)


def notes(proof: Proof) -> None:
    """What the verdict rests on."""
    proof.note(
        f"Contrast: mean of {SEEDS} seeds; shuffled pairs: one seed. Chance is one in as many classes as there are test images."
    )
    proof.note(
        "Of the unseen concepts two fifths have one name in all three forms, so that averaging cannot help them; flags and "
        "people are a third."
    )
    proof.note(
        "The baseline is fitted to convergence, chooses C by naming held-out training concepts, and takes the better of two "
        "rules on the test images. It is not a learner of the product."
    )
    proof.note(
        f"{STEPS} steps and not 2,000: in the one calibration, with another seed, held-out training concepts were named best after 120 of "
        "300 steps."
    )
    proof.note(
        "Not as in the plan: features at the encoder's own 224 pixels and one view an image, not 128 pixels and four views."
    )
