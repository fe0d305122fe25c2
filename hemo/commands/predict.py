"""`predict`: the production classifiers on files of scans."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hemo.commands import following, options

if TYPE_CHECKING:
    from hemo.display.terminal import TerminalTable
    from hemo.serving.predict_files import Prediction


@click.command(
    epilog=options.examples("hemo predict scans/study-1 --out predictions.html", "hemo predict a.dcm b.dcm")
)
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", metavar="URI", default="", help="Panel; default: models:/hemo-panel@production.")
@click.option(
    "--out", metavar="FILE", default="", help="Also write .csv, .json or .html (with where the model looked)."
)
@options.of_scans
@options.of_runs
def predict(images: tuple[Path, ...], model: str, out: str) -> None:
    """Print the production classifiers' probabilities and decisions for IMAGES (scans, or folders of scans).

    Studies come first, the most suspicious at the top, with the stack that was read and the slices that
    speak for each label; so do the CSV, JSON and HTML of --out, to which the terminal leaves the other slices
    then. A file that cannot be used is listed with its reason and skipped. A slice alone is judged by what
    needs no neighbours, and marked. Research use only.
    """
    from hemo import console
    from hemo.registry import panel
    from hemo.registry.names import PANEL_URI
    from hemo.serving import predict_files

    if out:
        predict_files.check_out(Path(out))
    served = panel.load(model or PANEL_URI)
    result = predict_files.predict(served, images)
    _show(result, out)
    for sentence in served.warnings:
        console.err.print(sentence, soft_wrap=True, style="bold red")
    if out:
        predict_files.write(result, served, Path(out))
        console.err.print(f"written: {out}", soft_wrap=True)
    if served.synthetic and not result.synthetic_scans:
        console.next_commands(following.OWN_PANEL, "hemo registry")
        return
    page = f"hemo predict {shlex.quote(str(images[0]))} --out predictions.html"
    console.next_commands(*([] if out.endswith(".html") else [page]), "hemo registry")


def _show(result: "Prediction", out: str) -> None:
    """Print the answers; slices of studies only where no file has them (`out`): a folder has thousands."""
    from hemo import console
    from hemo.labels import LABELS
    from hemo.serving import ALONE_RULE

    labels = [label for label in LABELS if f"{label}_decision" in result.table]
    read = len(result.slices)
    slices = result.table[:read].assign(name=result.names[:read])
    shown = slices[slices["study"] == ""] if out and "study" in slices else slices
    for title, first, rows in (("Studies", "study", result.studies), ("Slices", "name", shown)):
        if len(rows):
            console.out.print(_table(title, first, labels, rows.to_dict("records")))
        if title == "Studies":
            for row in rows.to_dict("records"):
                console.out.print(_about_study(row, labels), soft_wrap=True, markup=False)
    console.out.print(
        "+ positive: at or above the operating point (studies have their own); any is never below its "
        "subtypes. Research use only."
    )
    if result.table["slice_only"].any():
        console.out.print(f"* {ALONE_RULE.replace('`', '')}", soft_wrap=True)
    for sentence in dict.fromkeys(slices["unanswered"][slices["unanswered"] != ""]):
        console.err.print(f"no answer: {sentence}", soft_wrap=True, style="yellow")
    for row in result.skipped.to_dict("records"):
        console.err.print(f"skipped {row['file']}: {row['reason']}", soft_wrap=True, style="yellow")
    if result.missing:
        console.err.print(f"no production version: {', '.join(result.missing)}", style="yellow")


def _table(title: str, first: str, labels: list[str], rows: list[Any]) -> "TerminalTable":
    from rich.text import Text

    from hemo.display.numbers import number
    from hemo.display.terminal import table

    of_studies = first == "study"
    header = ("study" if of_studies else "slice", *labels, *(["seen"] if of_studies else []))
    shown = table(title, header)
    for row in rows:
        cells = [Text(row[first] + (" *" if row["slice_only"] else ""))]
        for label in labels:
            positive = row[f"{label}_decision"]
            text = f"{number(row[f'{label}_probability'], 'z.3f')}{' +' if positive else '  '}"
            cells.append(Text(text, style="bold red" if positive else ""))
        shown.add_row(*cells, *([f"{row['seen']} of {row['of']}"] if of_studies else []))
    return shown


def _about_study(row: Mapping[Any, Any], labels: list[str]) -> str:
    """Return in a line what of a study was read, and which slices speak for what."""
    lost = f"; {row['excluded']} could not be read" if row["excluded"] else ""
    speaking = [f"{label} by {row[f'{label}_slices']}" for label in labels if row[f"{label}_slices"]]
    told = f". Speak for it: {', '.join(speaking)}" if speaking else ""
    return f"{row['study']}: {row['stack']}{lost}{told}"
