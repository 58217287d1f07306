"""The report of a trained text classifier, as a page."""

from __future__ import annotations

from collections.abc import Sequence

from refrain.report.figures import SERIES, figure_svg, legend, new_figure, style
from refrain.report.page import (
    Code,
    Facts,
    Grid,
    Page,
    Picture,
    Prose,
    Section,
    Table,
)
from refrain.study.training import Training
from refrain.study.versions import versions
from refrain.tasks.job.options import values
from refrain.tasks.text.job import Mistake, Outcome
from refrain.tasks.text.measures import Judgement
from refrain.tasks.text.reading import Texts

FIGURES = {"accuracy": "accuracy", "f1": "F1", "auc": "AUC", "log_loss": "log loss"}
_LOWER_IS_BETTER = {"log_loss"}
_SHOWN = 240  # letters of a text


def report_page(outcome: Outcome, found: Texts, source: str, command: str) -> Page:
    """What a training found.

    Args:
        outcome: of `job.train_classifier`.
        found: the texts that it was made from.
        source: name of their file.
        command: what makes the same model again.
    """
    model = outcome.classifier
    accuracy = outcome.judgement.figures["accuracy"]
    lead = (
        f"{len(model.classes_)} labels, {outcome.rows[2]:,} texts held out: "
        f"{100 * accuracy:.1f} % get their own label."
    )
    return Page(
        f"Text classifier from {source}",
        lead,
        (
            Section("Result", _result(outcome)),
            Section("Errors", _errors(outcome)),
            Section("Training", (_curves(model.training_),)),
            Section("Data", _data(outcome, found, source)),
            Section(
                "How to make it again",
                (
                    Code(command),
                    Facts({name: str(v) for name, v in values(model).items()}),
                    Facts(versions("scikit-learn", "tokenizers")),
                ),
            ),
        ),
    )


def _result(outcome: Outcome) -> tuple[Table | Prose, ...]:
    rows = (("network", outcome.judgement), ("TF-IDF, linear", outcome.baseline))
    told = (Prose(outcome.advice, "warning"),) if outcome.advice else ()
    return figures_table(rows), *told


def figures_table(rows: Sequence[tuple[str, Judgement]]) -> Table:
    """The figures of several models on the same texts, the best of each in bold."""
    best = set()
    for column, name in enumerate(FIGURES):
        found = [judgement.figures[name] for _, judgement in rows]
        wanted = min(found) if name in _LOWER_IS_BETTER else max(found)
        best |= {(k, column + 1) for k, value in enumerate(found) if value == wanted}
    cells = [
        [name, *(f"{judgement.figures[figure]:.3f}" for figure in FIGURES)]
        for name, judgement in rows
    ]
    caption = (
        "On the texts held out. F1: mean over labels. AUC: one label against the "
        "others. TF-IDF, linear: logistic regression on the words' TF-IDF."
    )
    return Table(["model", *FIGURES.values()], cells, caption, best=frozenset(best))


def _errors(outcome: Outcome) -> tuple[Table, ...]:
    names = [str(name) for name in outcome.classifier.classes_]
    confusion = Table(
        ["truth", *names],
        [
            [name, *map(str, row)]
            for name, row in zip(names, outcome.judgement.confusion, strict=True)
        ],
        "Rows: the texts of a label. Columns: the label that they got.",
    )
    surest = Table(
        ["text", "truth", "predicted", "probability"],
        [_row(mistake) for mistake in outcome.mistakes],
        "The mistakes that the network was surest of.",
        words=3,
    )
    return (confusion, surest) if outcome.mistakes else (confusion,)


def _row(mistake: Mistake) -> list[str]:
    text = mistake.text if len(mistake.text) <= _SHOWN else mistake.text[:_SHOWN] + "…"
    return [text, mistake.truth, mistake.predicted, f"{mistake.probability:.2f}"]


def _curves(training: Training) -> Grid:
    figure = new_figure(6.0, 3.0)
    axes = figure.subplots()
    epochs = range(1, training.epochs + 1)
    axes.plot(epochs, training.loss, color=SERIES[0], label="training", marker="o")
    axes.plot(
        epochs,
        training.validation_loss,
        color=SERIES[1],
        label="validation",
        marker="o",
    )
    axes.axvline(training.best_epoch, color=SERIES[2], linewidth=1, label="kept")
    style(axes, "Loss by epoch", "epoch", "cross entropy")
    legend(axes)
    label = f"Loss by epoch; epoch {training.best_epoch} was kept."
    caption = f"{training.epochs} epochs, {training.train_s:.0f} s."
    return Grid((Picture(figure_svg(figure, "curves"), label, caption),))


def _data(outcome: Outcome, found: Texts, source: str) -> tuple[Facts | Table, ...]:
    learnt, watched, held = outcome.rows
    model = outcome.classifier
    facts = {
        "file": source,
        "texts": f"{found.column} ({len(found.texts):,} rows)",
        "labels": str(found.label_column),
        "split": f"{learnt:,} to learn from, {watched:,} to stop by, {held:,} held out",
        "vocabulary": f"{len(model.vocabulary_):,} of the {learnt:,} texts alone",
    }
    if found.notes:
        facts["left out"] = "; ".join(found.notes)
    rows = [[name, f"{count:,}"] for name, count in outcome.counts.items()]
    return Facts(facts), Table(["label", "texts"], rows)
