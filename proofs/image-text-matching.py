"""Which negatives a ranking loss sees decides in which direction the model is good, with three small text models.

Baqapuri: "Deep Learning Applied to Image and Text Matching", 2016 (arXiv 1601.03478), on the ranking objective of Karpathy,
Joulin and Fei-Fei 2014 and the sentence embedding of Bespalov et al. 2012. Their data were Flickr8k and Flickr30k; here
images are emoji and sentences their names and tags. Tested are concepts that training never saw, as a vendor draws them of
which training saw nothing. Annotation: an image searches all sentences, and the first true one counts; image search: a
sentence searches all images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from _emoji import rows
from numpy.typing import NDArray

from veduta.annotate.embed import Embed
from veduta.encode.restored import restore
from veduta.engine.threads import one_thread
from veduta.errors import BadInput
from veduta.judge.cross_ranking import Direction, cross_retrieval
from veduta.judge.evidence import Interval
from veduta.judge.intervals import bootstrap
from veduta.judge.proof import Context, Proof
from veduta.learn.pairs import Pairs
from veduta.pool import Pool

SLUG = "image-text-matching"
CLAIM = (
    "False sentences as negatives make a ranking model better at annotation, false images at image search, both serve both; "
    "and small text models suffice."
)
SOURCE = "Baqapuri, Deep Learning Applied to Image and Text Matching, 2016, arXiv 1601.03478"

Negatives = Literal["sentences", "images", "both"]
NEGATIVES: tuple[Negatives, ...] = ("sentences", "images", "both")
TOWERS = ("bow", "ngram:3+skip", "sse")
SEEDS = 3
DEPTH = 10
STEPS = 500


@dataclass(frozen=True)
class Trial:
    """One trained model on the unseen concepts. annotation: images search; search: sentences search.

    by_cosine: R@10 of both with vectors of unit norm, as the run gives them when it serves as an encoder.
    """

    annotation: Direction
    search: Direction
    by_cosine: tuple[float, float]

    @property
    def directions(self) -> dict[str, Direction]:
        return {"annotation": self.annotation, "image search": self.search}


class Unseen:
    """The test rows of the pool: their vectors (n, d), their sentences, and the image of each sentence."""

    def __init__(self, pool: Pool) -> None:
        self.vectors, at = pool.vectors("embedding", where="split = 'test'")
        captions = pool.take(at, ["captions"]).column(0).to_pylist()
        self.sentences = [sentence for own in captions for sentence in own]
        self.owner = np.repeat(np.arange(len(captions)), [len(own) for own in captions])

    def judge(self, run: Path) -> Trial:
        """Rank by the raw product, as the run was trained."""
        model = restore(run)
        images, texts = model.features(self.vectors), model.texts(self.sentences)
        found = cross_retrieval(images, texts, self.owner, score="dot")
        unit = cross_retrieval(images, texts, self.owner, score="cosine")
        return Trial(
            found.image_to_text,
            found.text_to_image,
            (unit.image_to_text.recall(DEPTH), unit.text_to_image.recall(DEPTH)),
        )


def run(context: Context) -> Proof:
    """Three text models with three kinds of negatives, three seeds each, and each text model with shuffled pairs."""
    if context.scale != "cpu":
        raise BadInput(f"the proof of {SLUG} is written for the CPU only")
    proof = Proof(SLUG, CLAIM, SOURCE)
    arms: dict[tuple[str, Negatives], list[Trial]] = {}
    shuffled: dict[str, list[Trial]] = {}
    with context.pool(rows(context), Embed()) as pool:
        unseen = Unseen(pool)
        for tower in TOWERS:
            for negatives in NEGATIVES:
                arms[tower, negatives] = [trial(context, pool, unseen, tower, negatives, i) for i in range(SEEDS)]
                note(context, proof, f"{tower}, {negatives}", arms[tower, negatives])
            shuffled[tower] = [trial(context, pool, unseen, tower, "both", 0, "shuffled")]
            note(context, proof, f"{tower}, shuffled pairs", shuffled[tower], control=True)
    specialises(context, proof, arms)
    suffices(proof, arms, shuffled)
    notes(proof)
    return proof


def trial(
    context: Context, pool: Pool, unseen: Unseen, tower: str, negatives: Negatives, seed: int, text: str = "captions"
) -> Trial:
    """Train on the training concepts, a tenth of which chooses the weights, and judge on the unseen ones."""
    learner = Pairs(
        image="embedding",
        text=[text],
        objective="ranking",
        text_tower=tower,
        image_head="mlp",
        hidden=512,
        drop=0.3,
        dim=256,
        score="dot",
        margin=1.0,
        directions=negatives,
        group="concept",
        batch=256,
        steps=context.size(STEPS, 60),
        optimizer="adam",
        lr=3e-3,
        weight_decay=1e-5,
        seed=SEEDS * context.seed + seed,
    )
    with context.timed("training"), one_thread():
        made = learner.learn(pool, name=f"{tower}-{negatives}-{text}-{seed}".replace(":", "").replace("+", ""))
    with context.timed("judging"):
        return unseen.judge(made.path)


def note(context: Context, proof: Proof, arm: str, trials: Sequence[Trial], *, control: bool = False) -> None:
    """Means over seeds of both directions."""
    for place, name in enumerate(("annotation", "image search")):
        found = [each.directions[name] for each in trials]
        n = len(found[0].rank)
        kind = "control" if control else "arm"
        for k in (1, DEPTH):
            proof.measure(name, arm, f"R@{k}", float(np.mean([each.recall(k) for each in found])), kind=kind, n=n)
        proof.measure(name, arm, "median rank", float(np.mean([each.median() for each in found])), kind=kind, n=n)
        proof.details[f"{name}, {arm}"] = {
            f"R@{DEPTH} of each seed": [round(each.recall(DEPTH), 4) for each in found],
            f"R@{DEPTH} by cosine": round(float(np.mean([each.by_cosine[place] for each in trials])), 4),
            "share of queries with the commonest first hit": round(
                float(np.mean([each.hub()[1] for each in found])), 4
            ),
        }
        context.say(f"{name}: {arm} R@{DEPTH} {np.mean([each.recall(DEPTH) for each in found]):.3f}")


def specialises(context: Context, proof: Proof, arms: dict[tuple[str, Negatives], list[Trial]]) -> None:
    """Conditions 1 and 2, over all text models and seeds, with intervals over test concepts."""
    for name, own, other in (("annotation", "sentences", "images"), ("image search", "images", "sentences")):
        of: dict[Negatives, list[Direction]] = {
            kind: [each.directions[name] for tower in TOWERS for each in arms[tower, kind]] for kind in NEGATIVES
        }
        gap, interval = difference(context, of[own], of[other])
        proof.must(
            f"{name}: R@{DEPTH} with false {own} minus with false {other} as negatives",
            gap,
            at_least=0.02,
            interval=interval,
        )
        best = max((own, other), key=lambda kind: np.mean([each.recall(DEPTH) for each in of[kind]]))
        loss, interval = difference(context, of[best], of["both"])
        proof.must(f"{name}: R@{DEPTH} that both lose to the better specialist", loss, at_most=0.02, interval=interval)
        proof.details[f"{name}: gap of the specialists, each text model"] = {
            tower: round(
                difference(
                    context,
                    [each.directions[name] for each in arms[tower, own]],
                    [each.directions[name] for each in arms[tower, other]],
                )[0],
                4,
            )
            for tower in TOWERS
        }


def difference(context: Context, a: Sequence[Direction], b: Sequence[Direction]) -> tuple[float, Interval]:
    """Mean R@10 of `a` minus that of `b`, and its 95 % interval: test images are drawn, with all queries that belong to them."""
    gains: NDArray[np.float64] = np.mean([each.rank <= DEPTH for each in a], 0) - np.mean(
        [each.rank <= DEPTH for each in b], 0
    )
    units, place = np.unique(a[0].units, return_inverse=True)
    sums, counts = np.bincount(place, gains), np.bincount(place)
    return float(gains.mean()), bootstrap(
        lambda drawn: float(sums[drawn].sum() / counts[drawn].sum()), len(units), context.rng("bootstrap")
    )


def suffices(proof: Proof, arms: dict[tuple[str, Negatives], list[Trial]], shuffled: dict[str, list[Trial]]) -> None:
    """Condition 3: the worst of all models and directions against shuffled pairs and against chance."""

    def mean(trials: Sequence[Trial], name: str, k: int) -> float:
        return float(np.mean([each.directions[name].recall(k) for each in trials]))

    lifts, chances = {}, {}
    for (tower, negatives), trials in arms.items():
        for name, direction in trials[0].directions.items():
            arm = f"{tower}, {negatives}, {name}"
            lifts[arm] = mean(trials, name, DEPTH) / max(mean(shuffled[tower], name, DEPTH), 1e-9)
            chances[arm] = mean(trials, name, 1) / direction.by_chance(1)
    worst = min(lifts, key=lambda arm: lifts[arm])
    proof.must(f"R@{DEPTH} over that of shuffled pairs, worst ({worst})", lifts[worst], at_least=5.0)
    worst = min(chances, key=lambda arm: chances[arm])
    proof.must(f"R@1 over chance, worst ({worst})", chances[worst], at_least=10.0)
    proof.details["R@10 over that of shuffled pairs"] = {arm: round(value, 2) for arm, value in lifts.items()}
    proof.details["R@1 over chance"] = {arm: round(value, 2) for arm, value in chances.items()}


def notes(proof: Proof) -> None:
    """What the verdict rests on."""
    proof.note(
        f"Means over {SEEDS} seeds; the gaps are means over the {len(TOWERS)} text models too, each stands in the details."
    )
    proof.note(
        "Annotation: an image searches all sentences of all test concepts, and the first of its own counts. Image search: each "
        "sentence searches one image a concept."
    )
    proof.note(
        "Shuffled pairs are trained with both kinds of negatives and one seed, and stand against all three kinds of their text model."
    )
    proof.note(
        "A tenth of the training concepts, with all drawings, chooses the weights of a run; vocabulary and idf are of the "
        "training rows. Texts are English; the sample has no other language."
    )
    proof.note(
        "Calibrated once, on held-out training concepts with a seed that is not among these: of the learning rates 0.001 (the "
        "plan's) and 0.003 at 300 steps the latter, and 500 steps, for more of them still helped and there was no time for 2,000."
    )
    proof.note(
        "Not as in the plan: features at the encoder's own 224 pixels, not 128; dropout before the hidden layer of the image "
        "head, not after; the worst of nine models decides the last two conditions."
    )
