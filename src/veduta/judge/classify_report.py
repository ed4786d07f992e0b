"""The report of `judge classify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veduta.judge import drawn, words
from veduta.judge.calibration import calibration, probabilities
from veduta.judge.classify import confusion, per_class
from veduta.judge.report import Card, Group, Picture, Report

if TYPE_CHECKING:
    from veduta.judge.calibration import Bin
    from veduta.judge.classify import Classify, Judged
    from veduta.pool import View

SHOWN = 24
PAIRS, OF_A_PAIR = 8, 4
MATRIX = 30
"""Classes that fit into the picture of the confusion matrix."""


def report(asked: Classify, judged: Judged, pool: View) -> Report:
    """Accuracy, what was left out, confidence, classes, confusion, and the rows that are most surely wrong."""
    found = asked.figures(judged)
    matrix = confusion(judged.truth, judged.predicted, len(judged.names))
    chances = probabilities(judged.logits)
    page = Report(f"Classification by '{asked.scores or asked.prediction}'", subtitle=str(getattr(pool, "path", "")))
    one = found["top1"]
    page.verdict = (
        f"{one['value']:.1%} of {words.count(found['rows'], 'image')} are told right (95 %: {one['from']:.1%} to "
        f"{one['to']:.1%}), over {words.count(found['classes'], 'class', 'classes')}."
    )
    page.cards = _cards(found)
    _notes(page, judged, found)
    _confidence(page, judged, found)
    _classes(page, judged, matrix)
    pictures = [*_confusion(page, judged, matrix, chances), *_mistakes(page, judged, chances)]
    if pictures:
        from veduta.judge.thumbnails import fill

        fill(pool, pictures)
    page.facts = {
        "parameters": asked.parameters(),
        "scope": judged.scope,
        "notes": judged.notes,
        "unknown": judged.unknown,
        **found,
    }
    return page


def _cards(found: dict[str, Any]) -> list[Card]:
    cards = [
        Card(f"{found[key]['value']:.3f}", words_, f"95 %: {found[key]['from']:.3f} to {found[key]['to']:.3f}")
        for key, words_ in (("top1", "top-1 accuracy"), ("top5", "top-5 accuracy"))
        if key in found
    ]
    return [
        *cards,
        Card(f"{found['mean_recall']:.3f}", "mean recall", f"every class counts alike; macro F1 {found['macro_f1']:.3f}"),
        Card(f"{found['ece']:.3f}", "calibration error", f"equally full bins: {found['ece_adaptive']:.3f}"),
        Card(f"{found['nll']:.3f}", "negative log-likelihood", f"nats; Brier score {found['brier']:.3f}"),
    ]  # fmt: skip


def _notes(page: Report, judged: Judged, found: dict[str, Any]) -> None:
    section = page.section("What was judged")
    section.text(f"Judged were {judged.scope}.")
    for note in judged.notes:
        section.note(note, "warn")
    if judged.unknown:
        named = ", ".join(f"'{label}' ({count:,})" for label, count in list(judged.unknown.items())[:8])
        more = f" and {len(judged.unknown) - 8} more" if len(judged.unknown) > 8 else ""
        section.note(
            f"{words.count(found['unknown_rows'], 'row')} have a label that is not a class of the model, which could not be told "
            f"right, and are left out of all figures: {named}{more}. Counted as errors, they make the accuracy "
            f"{found['top1_unknown_as_errors']['value']:.3f}. Were these classes in the training rows?",
            "warn",
        )
    if judged.unpredicted:
        section.note(
            f"{words.count(judged.unpredicted, 'row')} have a label and no prediction: their images cannot be decoded, or came "
            "after the predictions.",
            "warn",
        )
    if found["classes_seen"] == 1:
        section.note(
            f"All judged rows are of one class, '{judged.names[judged.truth[0]]}', so the accuracy is the recall of that "
            "class and says nothing of the others.",
            "warn",
        )


def _confidence(page: Report, judged: Judged, found: dict[str, Any]) -> None:
    section = page.section("Confidence")
    if "temperature" in found:
        before, after = found["other_half"]["before"], found["other_half"]["after"]
        section.text(
            f"Dividing the logits by **{found['temperature']:.2f}**, fitted on a random half of the rows, takes the calibration "
            f"error of the other half from {before['ece']:.3f} to {after['ece']:.3f} and its negative log-likelihood from "
            f"{before['nll']:.3f} to {after['nll']:.3f}."
        )
    bins = calibration(judged.logits, judged.truth).bins
    section.figure(
        reliability(bins, found["ece"]),
        alt=f"Reliability: accuracy against confidence in 15 bins; expected calibration error {found['ece']:.3f}",
        caption="A point on the dotted line is as often right as it is sure; below it, too sure. The larger, the more images, which the bars beneath count.",
    )
    section.table(
        [{"confidence": b.confidence, "accuracy": b.accuracy, "images": b.rows} for b in bins], title="The same in figures"
    )  # fmt: skip


def reliability(bins: tuple[Bin, ...], error: float) -> Any:
    """The reliability picture: accuracy against confidence, with the gaps, above the counts of the bins."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(4.6, 4.6), layout="constrained")
    upper, lower = made.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    confidence, accuracy = [b.confidence for b in bins], [b.accuracy for b in bins]
    upper.plot([0, 1], [0, 1], color=drawn.QUIET, linewidth=0.9, linestyle=":")
    upper.vlines(confidence, accuracy, confidence, color=drawn.BAD, alpha=0.45, linewidth=5)
    upper.plot(confidence, accuracy, color=drawn.ACCENT, linewidth=0.8, alpha=0.5)
    most = max(b.rows for b in bins)
    upper.scatter(confidence, accuracy, [12 + 60 * b.rows / most for b in bins], color=drawn.ACCENT, zorder=3)
    upper.set(xlim=(0, 1.01), ylim=(0, 1.02), ylabel="accuracy")
    upper.text(0.99, 0.03, f"calibration error {error:.3f}", color=drawn.INK, fontsize=9, ha="right")
    lower.bar(confidence, [b.rows for b in bins], width=0.04, color=drawn.ACCENT, alpha=0.7)
    lower.set(xlabel="confidence", ylabel="images")
    for axes in (upper, lower):
        drawn.styled(axes)
    return made


def _classes(page: Report, judged: Judged, matrix: NDArray[np.int64]) -> None:
    parts = per_class(matrix)
    order = np.argsort(np.nan_to_num(parts["f1"], nan=2.0), kind="stable")
    page.section("Classes").table(
        [
            {
                "class": judged.names[i], "F1": parts["f1"][i], "precision": parts["precision"][i],
                "recall": parts["recall"][i], "images": int(parts["rows"][i]), "told": int(parts["predictions"][i]),
            }
            for i in order
        ],
        limit=1000,
        note="The classes that are told worst come first; told is how often the model says this class.",
    )  # fmt: skip


def _confusion(page: Report, judged: Judged, matrix: NDArray[np.int64], chances: NDArray[np.float32]) -> list[Picture]:
    section = page.section("Confusion")
    off = matrix.copy()
    np.fill_diagonal(off, 0)
    shown = np.arange(len(judged.names))
    if len(shown) > MATRIX:
        shown = np.sort(np.argsort(-(off.sum(0) + off.sum(1)), kind="stable")[:MATRIX])
    which = "all classes" if len(shown) == len(judged.names) else f"the {MATRIX} classes with the most errors"
    section.figure(
        confusion_picture(matrix[np.ix_(shown, shown)], matrix[shown].sum(1), [judged.names[i] for i in shown]),
        alt=f"Confusion matrix of {which}, true classes along the rows",
        caption=f"Rows are true classes, columns what the model says, {which}; the darker, the larger the share of the row.",
    )
    true, told = np.nonzero(off)
    order = np.lexsort((told, true, -off[true, told]))[:20]
    pairs = [(int(true[i]), int(told[i])) for i in order]
    if not pairs:
        section.text("Nothing is confused.")
        return []
    section.table(
        [
            {
                "true": judged.names[a], "taken for": judged.names[b], "images": int(off[a, b]), "of": int(matrix[a].sum()),
                "and the reverse": int(off[b, a]),
            }
            for a, b in pairs
        ],
        title="The commonest errors",
    )  # fmt: skip
    groups = []
    for a, b in pairs[:PAIRS]:
        rows = np.flatnonzero((judged.truth == a) & (judged.predicted == b))
        surest = rows[np.argsort(-chances[rows, b], kind="stable")[:OF_A_PAIR]]
        pictures = [Picture(f"{chances[i, b]:.0%} sure", row=int(judged.rows[i])) for i in surest]
        count = words.count(len(rows), "image")
        groups.append(Group(f"{judged.names[a]} taken for {judged.names[b]}", pictures, note=count))
    section.groups(groups)
    return [picture for group in groups for picture in group.pictures]


def confusion_picture(matrix: NDArray[np.int64], rows: NDArray[np.int64], names: list[str]) -> Any:
    """The confusion matrix (k, k) as shares of `rows` (k,), with counts where they can be read."""
    k = len(names)
    made, axes = drawn.figure(2.4 + 0.3 * k, 2.0 + 0.3 * k)
    shares = matrix / np.maximum(rows[:, None], 1)
    axes.imshow(shares, cmap="GnBu", vmin=0, vmax=1)
    short = [name if len(name) <= 24 else name[:23] + "…" for name in names]
    axes.set_xticks(range(k), short, rotation=90)
    axes.set_yticks(range(k), short)
    axes.set(xlabel="told", ylabel="true")
    for i, j in zip(*np.nonzero(matrix), strict=True):
        text = f"{matrix[i, j]}" if matrix[i, j] < 1000 else f"{matrix[i, j] / 1000:.3g}k"
        axes.text(j, i, text, ha="center", va="center", fontsize=6, color="white" if shares[i, j] > 0.6 else drawn.INK)
    return made


def _mistakes(page: Report, judged: Judged, chances: NDArray[np.float32]) -> list[Picture]:
    predicted = judged.predicted
    wrong = np.flatnonzero(predicted != judged.truth)
    surest = wrong[np.argsort(-chances[wrong, predicted[wrong]], kind="stable")[:SHOWN]]
    pictures = [
        Picture(
            judged.names[judged.truth[i]],
            lines=[
                (f"told {judged.names[predicted[i]]}, {chances[i, predicted[i]]:.0%} sure", "bad"),
                f"the true class {chances[i, judged.truth[i]]:.1%}",
            ],
            row=int(judged.rows[i]),
        )
        for i in surest
    ]
    if pictures:
        page.section("Most surely wrong").images(
            pictures, note="Errors of the model, or of the labels: look before you trust either."
        )
    return pictures
