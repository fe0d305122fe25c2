"""`hemo preprocess` and `hemo store`: from scans to a slice store, and what is in one."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hemo.commands import following, options
from hemo.console import bar, err, next_commands, out
from hemo.display.terminal import table
from hemo.imaging.formats import format_names
from hemo.labels import LABELS
from hemo.slices.label_tables import forms, headers

if TYPE_CHECKING:
    from hemo.slices.preprocess import Summary
    from hemo.slices.store import SliceStore


HELP = f"""Turn scans and a label table into a slice store.

Every slice is read in HU (or as the gray picture it is), windowed, cropped to the head and reduced. A
file that cannot be used is listed with its reason in STORE/exclusions.csv and stops nothing. Killed or
interrupted, the same command goes on where it was; given new files, it adds them.

\b
Label tables, told from their header:
{forms()}

A table with one label is enough, such as filename,patient,hemorrhage: labels that it lacks are skipped.

\b
Columns may be called, in any case and with spaces, hyphens or underscores:
{headers()}

Patients and studies become keyed pseudonyms. The key lies beside the store, in STORE.key: keep it, and
do not share it.
"""


@click.command(
    help=HELP,
    epilog=options.examples(
        "hemo preprocess --images scans --labels labels.csv --store data/store",
        "hemo preprocess --images scans --labels labels.csv --windows brain,subdural,40/380 --size 256",
    ),
)
@click.option(
    "--images", metavar="DIR", required=True, help=f"Folder of scans: {format_names()}, in any nesting."
)
@click.option(
    "--labels",
    metavar="FILE",
    default="",
    help="Label table (CSV). Without one, slices are stored unlabelled.",
)
@click.option(
    "--store",
    metavar="DIR",
    default=options.STORE,
    show_default=True,
    help="Folder of the slice store to make, finish or add to.",
)
@click.option("--size", default=128, show_default=True, help="Height and width of a stored slice in pixels.")
@click.option(
    "--windows",
    default="brain",
    show_default=True,
    help="Channels, by commas: brain, subdural, bone, LEVEL/WIDTH in HU, or gray (the picture as it is).",
)
@click.option("--crop/--no-crop", default=True, show_default=True, help="Cut the head out first.")
@click.option(
    "--resampling",
    type=click.Choice(["area", "paper"]),
    default="area",
    show_default=True,
    help="How pixels are averaged; paper is Pillow's default, as in the seed paper.",
)
@click.option("--neighbours", default=0, show_default=True, help="Slices on each side that join as channels.")
@click.option(
    "--hu-offset",
    type=int,
    default=None,
    metavar="HU",
    help="What 16-bit pictures that are HU in disguise lack to be HU, such as -1024 or -32768; without it "
    "they are excluded.",
)
@click.option(
    "--standard/--as-shown",
    default=False,
    show_default=True,
    help="Bring slices to one look first: inverted gray, page, frame, text, holder undone (windows gray).",
)
@options.labels_format
@options.decoders
@options.cluster
@click.option(
    "--slurm",
    metavar="WORDS",
    default="",
    help="What each job of --cluster slurm asks for, like 'partition=cpu minutes=60 cores=4'.",
)
@click.option(
    "--series",
    type=click.Choice(["all", "best"]),
    default="all",
    show_default=True,
    help="Keep all stacks of a study, or the one that answers for it: axial, original, of the head, in a "
    "soft kernel, 5 mm thick, complete.",
)
@click.option(
    "--key", default="", help="File with the key of the pseudonyms; STORE.key by default, made at first."
)
def preprocess(
    images: str,
    labels: str,
    store: str,
    size: int,
    windows: str,
    crop: bool,
    resampling: str,
    neighbours: int,
    hu_offset: int | None,
    standard: bool,
    labels_format: str,
    workers: int,
    cluster: str,
    slurm: str,
    series: str,
    key: str,
) -> None:
    """Turn scans and a label table into a slice store."""
    from hemo import config
    from hemo.imaging import Reduction
    from hemo.slices.assemble import Answering
    from hemo.slices.preprocess import preprocess as build

    asked = {"name": "preprocess", "slurm": options.parse_words("--slurm", slurm)}
    summary = build(
        images,
        labels or None,
        store,
        Reduction(
            size=size,
            windows=tuple(name.strip() for name in windows.split(",") if name.strip()),
            crop=crop,
            resampling=resampling,
            neighbours=neighbours,
            hu_offset=hu_offset,
            standard=standard,
        ),
        labels_format=None if labels_format == "auto" else labels_format,
        answering=Answering(best=series == "best"),
        workers=workers,
        place=config.load(None, asked, cluster=cluster, store=store).place,
        key=key or None,
        progress=bar("Reading scans"),
    )
    _report(summary, labelled=bool(labels))
    look = f"hemo store show {shlex.quote(store)}"
    if labels:
        of_studies = not any(counts["positive"] for counts in summary.store.label_facts.values())
        family = "mil" if of_studies and "study_labels" in summary.store.facts else "logreg"
        next_commands(look, f"hemo {family}{following.typed(store=store, label='any')}")
    else:
        next_commands(look)


def _report(summary: "Summary", labelled: bool) -> None:
    store = summary.store
    _print_store(store)
    if summary.unmatched or (labelled and summary.unlabelled):
        err.print(
            f"{summary.unlabelled:,} slices without label; {summary.unmatched:,} label rows without "
            f"an image{f' ({store.folder}/unmatched.csv)' if summary.unmatched else ''}.",
            style="yellow",
        )
    unknown = [label for label in LABELS if (store.index[label] < 0).all()]
    if labelled and unknown:
        err.print(f"No slice has a label for {', '.join(unknown)}.", style="yellow")
    if summary.duplicates:
        err.print(f"{summary.duplicates:,} rows of the label table repeated another and were dropped.")
    for sentence, count in summary.notes.items():
        err.print(f"{count:,} {sentence}.", soft_wrap=True, style="yellow")
    err.print(f"{summary.decoded:,} files read now.")


def _print_store(store: "SliceStore") -> None:
    facts = store.facts
    out.print(
        f"{len(store):,} slices of {facts['patients']:,} patients, {facts['studies']:,} studies", style="bold"
    )
    made = store.reduction
    out.print(
        f"{made.size}x{made.size}, windows {', '.join(made.windows)}, "
        f"{'head-cropped' if made.crop else 'whole images'}, {made.resampling} resampling"
        + (f", {made.neighbours} neighbours on each side" if made.neighbours else ""),
        markup=False,
    )
    out.print(f"digest {store.digest}")
    rows = [
        (label, f"{n['positive']:,}", f"{n['negative']:,}", f"{n['unlabelled']:,}", f"{n['patients']:,}")
        for label, n in store.label_facts.items()
    ]
    out.print(table("Labels", ["label", "positive", "negative", "unlabelled", "positive patients"], rows))
    if "study_labels" in facts:
        known = [
            (label, f"{n['positive']:,}", f"{n['negative']:,}", f"{n['unknown']:,}")
            for label, n in facts["study_labels"].items()
        ]
        out.print(table("Labels of studies", ["label", "positive", "negative", "unknown"], known))
    if "readers" in facts:
        _print_readers(store)
    if facts["excluded"]:
        excluded = [(reason, f"{count:,}") for reason, count in facts["excluded"].items()]
        out.print(table(f"Excluded ({store.folder}/exclusions.csv)", ["reason", "files"], excluded[:12]))
    if not store.patients_known:
        err.print(
            "Some slices name no patient: each of them counts as a patient of its own, so a split by "
            "patient cannot vouch for itself. A patient column in the label table would.",
            style="yellow",
        )


def _print_readers(store: "SliceStore") -> None:
    """Print the rule by which readers come to one truth, and how far they agree."""
    from hemo.display.numbers import ranged

    readers = store.facts["readers"]
    out.print(f"Several readers of {readers['studies']:,} studies: {readers['rule']}.", markup=False)
    agreed = store.agreement
    if agreed is not None:
        kappas = agreed[agreed["measure"] == "fleiss_kappa"]
        rows = [
            (row["label"], row["readers"], ranged(row["value"], row["low"], row["high"]))
            for row in kappas.to_dict("records")
        ]
        title = f"Agreement ({store.folder}/agreement.csv)"
        out.print(table(title, ["label", "readers", "Fleiss' kappa"], rows))


@click.group("store", epilog=options.examples("hemo store info data/store", "hemo store show data/store"))
def store() -> None:
    """Look into a slice store."""


@store.command("info", epilog=options.examples("hemo store info data/store"))
@click.argument("store", default=options.STORE)
def store_info(store: str) -> None:
    """Print counts per label and patient, windows, digest and exclusions of STORE."""
    from hemo.slices.store import SliceStore

    _print_store(SliceStore.open(store))


@store.command("show", epilog=options.examples("hemo store show data/store --out sheet.png"))
@click.argument("store", default=options.STORE)
@click.option("--out", "target", default="", help="PNG to write; STORE.png by default.")
@click.option("--columns", default=10, show_default=True, help="Slices per label.")
@click.option("--seed", default=0, show_default=True, help="Which slices are drawn.")
def store_show(store: str, target: str, columns: int, seed: int) -> None:
    """Write a contact sheet of STORE, to look at: some slices of each label, as a PNG."""
    from hemo.slices.sheet import write_sheet
    from hemo.slices.store import SliceStore

    path = Path(target) if target else Path(store).with_name(Path(store).name + ".png")
    write_sheet(SliceStore.open(store), path, columns=columns, seed=seed)
    out.print(str(path), markup=False, soft_wrap=True)
