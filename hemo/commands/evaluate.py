"""`evaluate`: a registered version, or the panel, on another data set."""

from pathlib import Path

import click

from hemo.commands import options


@click.command(
    epilog=options.examples(
        "hemo evaluate --images scans --labels labels.csv",
        "hemo evaluate models:/hemo-epidural/3 --images scans --labels labels.csv --dataset elsewhere",
    )
)
@click.argument("model", default="models:/hemo-panel@production")
@click.option("--images", required=True, type=click.Path(path_type=Path), help="Folder of scans.")
@click.option("--labels", required=True, type=click.Path(path_type=Path), help="Label table (CSV).")
@options.dataset
@options.labels_format
@options.decoders
@options.draws
@options.of_runs
def evaluate(
    model: str, images: Path, labels: Path, dataset: str, labels_format: str, workers: int, draws: int
) -> None:
    """Evaluate MODEL on data that it was not made of; without MODEL, the panel in production.

    A label table that has only some of the six labels is enough. Where it has a row a study, studies are
    judged; of several readers, the majority. Everything is logged as a run
    (`stage=external`) with one below it for each label, beside the metrics of the training run.
    """
    from hemo import console
    from hemo.display import terminal
    from hemo.external import page, validate

    form = None if labels_format == "auto" else labels_format
    found = validate.evaluate(
        model, images, labels, dataset=dataset, labels_format=form, workers=workers, draws=draws
    )
    shown = page.readable(found.metrics)
    console.out.print(
        terminal.table("Outside and inside", tuple(shown.columns), shown.itertuples(index=False, name=None))
    )
    for reason, count in found.excluded.items():
        console.err.print(f"left out: {count:,} ({reason})", soft_wrap=True, style="yellow")
    for sentence in found.warnings:
        console.err.print(sentence, soft_wrap=True, style="bold red")
    if found.unlabelled:
        noun = "studies" if (found.metrics["level"] == "study").any() else "slices"
        console.err.print(f"no negative {noun} known of: {', '.join(found.unlabelled)}", style="yellow")
    console.next_commands("hemo ui", "hemo registry")
