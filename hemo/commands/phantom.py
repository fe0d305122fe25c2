"""`hemo phantom`: synthetic head CT to try everything on."""

import shlex
from pathlib import Path

import click

OUT = Path("data/phantom")
"""Where a phantom is written unless it is told."""


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help=f"Folder to write into; default: {OUT}, or none where only --sheet is given.",
)
@click.option("--patients", type=click.IntRange(1), default=60, show_default=True, help="How many patients.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Everything follows from it."
)
@click.option("--size", type=click.IntRange(64, 1024), default=256, show_default=True, help="Pixels a side.")
@click.option(
    "--slices",
    type=click.IntRange(4, 200),
    default=16,
    show_default=True,
    help="Slices a study, base to vertex.",
)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Parallel processes.")
@click.option("--sheet", type=click.Path(path_type=Path), help="Write a picture of each type here (PNG).")
def phantom(
    out: Path | None, patients: int, seed: int, size: int, slices: int, workers: int, sheet: Path | None
) -> None:
    """Make synthetic head CT studies with hemorrhages, as DICOM, and their label table.

    Each patient is a head drawn in three dimensions (skull, brain, ventricles, CSF spaces, dura) with
    none, one or several hemorrhages of the five types, seen by one of several scanners, in Hounsfield
    units. A fifth of the patients has a second study. Labels come from the drawn masks: a slice is positive
    where at least 40 mm2 of it are blood of that type.

    \b
    Written into OUT:
      synthetic_<study>/ID_synthetic_<slice>.dcm   one file a slice, marked as synthetic in its header
      labels.csv                                   ID_synthetic_<slice>_<label>,0|1 (RSNA's long form)

    The same seed and options give the same bytes, whatever the number of workers, and patient k is the
    same in a phantom of 10 patients and of 1,000. It is for trying the software and for
    pretraining: figures on it say nothing about people. 60 patients are about 1,200 slices, 160 MB.

    \b
    Example:
      hemo phantom --out data/phantom --patients 60
      mlflow run . --env-manager local -e preprocess -P images=data/phantom \\
          -P labels=data/phantom/labels.csv -P store=data/store
    """  # noqa: D301 - click wants the character \b
    from hemo import console
    from hemo.display import terminal
    from hemo.errors import HemoError
    from hemo.labels import LABELS
    from hemo.phantom import files

    if sheet is None:
        out = out or OUT
    else:
        from hemo.phantom.sheet import write_sheet

        write_sheet(sheet, seed)
    if out is None:
        return
    table = out / "labels.csv"
    if table.exists():
        raise HemoError(f"{table}: holds a phantom already: give another --out or delete that folder")
    groups = files.write(
        out,
        patients=patients,
        slices=slices,
        size=size,
        seed=seed,
        workers=workers,
        progress=console.bar("phantom: patients"),
    )
    rows = [row for group in groups for row in group]
    counts = []
    for label in LABELS:
        positive = sum(truth for _, name, truth in rows if name == label)
        people = sum(any(truth for _, name, truth in group if name == label) for group in groups)
        counts.append((label, positive, people))
    total = len(rows) // len(LABELS)
    console.out.print(terminal.table(f"{out}: {total} slices of {patients} patients", HEADER, counts))
    console.next_commands(
        f"mlflow run . --env-manager local -e preprocess -P images={shlex.quote(str(out))} "
        f"-P labels={shlex.quote(str(table))} -P store={shlex.quote(str(out.parent / 'store'))}"
    )


HEADER = ("label", "positive slices", "positive patients")
