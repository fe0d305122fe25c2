"""`stress`: a classifier where its data are shown, saved or scanned otherwise."""

from pathlib import Path

import click

from hemo.commands import options


@click.command(
    epilog=options.examples(
        "hemo stress models:/hemo-any@production --images scans --labels labels.csv",
        "hemo stress 0a1b2c3d4e5f60718293a4b5c6d7e8f9 --images scans --labels labels.csv --shown 40/120",
        "hemo stress models:/hemo-any/3 --images scans --labels labels.csv --only window,jpeg=75",
    )
)
@click.argument("model")
@click.option("--images", required=True, type=click.Path(path_type=Path), help="Folder of scans.")
@click.option("--labels", required=True, type=click.Path(path_type=Path), help="Label table (CSV).")
@click.option(
    "--only",
    metavar="WORDS",
    default="",
    help="Changes by kind or name, after commas: window,jpeg=75; several at once: size=224+jpeg=75.",
)
@click.option("--patients", type=click.IntRange(0), default=0, help="Judge so many patients, drawn; 0: all.")
@click.option(
    "--shown",
    metavar="WINDOW",
    default="brain",
    show_default=True,
    help="What pictures show: a window's name, or LEVEL/WIDTH in HU. Scans in HU need none.",
)
@click.option(
    "--store", metavar="DIR", default="", help="The run's slice store, where it lies elsewhere now."
)
@options.dataset
@options.labels_format
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Parallel processes.")
@options.draws
@options.of_runs
def stress(
    model: str,
    images: Path,
    labels: Path,
    only: str,
    patients: int,
    shown: str,
    store: str,
    dataset: str,
    labels_format: str,
    workers: int,
    draws: int,
) -> None:
    """Judge MODEL under stated changes of its data: window, gamma, size, turns, noise, JPEG and so on.

    MODEL is a training run's id, or the URI of a registered version or the panel. Nothing is judged on what
    it learned from: of a run under cv each fold's classifier is fitted again, and judges the other patients.
    AUC, recall and specificity at the kept operating point are given with their difference from the
    unchanged, paired by patient. The gate asks for the largest drop where an experiment file sets
    gate.max_stress_drop.
    """
    from hemo import console
    from hemo.display import terminal
    from hemo.stress import page, run

    form = None if labels_format == "auto" else labels_format
    found = run.stress(
        model, images, labels, only=only, patients=patients, window=shown,
        store=Path(store) if store else None, dataset=dataset, labels_format=form, workers=workers,
        draws=draws,
    )  # fmt: skip
    for label, part in found.found.groupby("label", sort=False):
        table = page.readable(part).drop(columns="what is done")
        rows = table.itertuples(index=False, name=None)
        console.out.print(terminal.table(f"Under changes: {label}", tuple(table.columns), rows))
        console.out.print(page.verdict(part), soft_wrap=True)
    for sentence in found.warnings:
        console.err.print(sentence, soft_wrap=True, style="bold red")
    console.next_commands("hemo ui", "hemo promote")
