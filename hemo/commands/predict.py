"""`predict`: the production classifiers on files of scans."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hemo.commands import options

if TYPE_CHECKING:
    from hemo.serving.predict_files import Prediction


@click.command(
    epilog=options.examples("hemo predict scans/study-1 --out predictions.html", "hemo predict a.dcm b.dcm")
)
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", metavar="URI", default="", help="Panel; default: models:/hemo-panel@production.")
@click.option(
    "--out", metavar="FILE", default="", help="Also write .csv, .json or .html (with where the model looked)."
)
@options.tracked
def predict(images: tuple[Path, ...], model: str, out: str) -> None:
    """Print the production classifiers' probabilities and decisions for IMAGES (scans, or folders of scans).

    A file that cannot be used is listed with its reason and skipped. Research use only.
    """
    from hemo import console
    from hemo.registry import panel
    from hemo.registry.names import PANEL_URI
    from hemo.serving import predict_files

    if out:
        predict_files.check_out(Path(out))
    served = panel.load(model or PANEL_URI)
    result = predict_files.predict(served, images)
    _show(result)
    for sentence in served.overridden:
        console.err.print(f"[bold red]{sentence}[/bold red]", soft_wrap=True)
    if out:
        predict_files.write(result, served, Path(out))
        console.err.print(f"written: {out}", soft_wrap=True)
    page = "" if out.endswith(".html") else f"hemo predict {images[0]} --out predictions.html"
    console.next_commands(*([page] if page else []), "hemo registry")


def _show(result: "Prediction") -> None:
    from rich.text import Text

    from hemo import console
    from hemo.display.terminal import table
    from hemo.labels import LABELS
    from hemo.serving import prediction

    labels = [label for label in LABELS if f"{label}_decision" in result.table]
    whole = prediction.studies(result.table)
    slices = result.table.assign(name=prediction.names(result.table))
    for title, first, rows in (("Studies", "study", whole), ("Slices", "name", slices)):
        if rows.empty:
            continue
        shown = table(title, ("slice" if first == "name" else first, *labels))
        for row in rows.to_dict("records"):
            cells = [Text(row[first])]
            for label in labels:
                positive = row[f"{label}_decision"]
                text = f"{row[f'{label}_probability']:.3f}{' +' if positive else '  '}"
                cells.append(Text(text, style="bold red" if positive else ""))
            shown.add_row(*cells)
        console.out.print(shown)
    console.out.print(
        "+ positive: at or above the operating point (studies have their own); any is never below its "
        "subtypes. Research use only."
    )
    for row in result.skipped.to_dict("records"):
        console.err.print(f"[yellow]skipped[/yellow] {row['file']}: {row['reason']}", soft_wrap=True)
    if result.missing:
        console.err.print(f"[yellow]no production version:[/yellow] {', '.join(result.missing)}")
