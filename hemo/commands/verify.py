"""`verify`: whether a store, a run, a version or the panel is what was written."""

import functools
from collections.abc import Callable

import click

from hemo.commands import options


def _of_target(command: Callable[..., None]) -> Callable[..., None]:
    """Let `verify` begin only where its target may be: a store needs no runs, anything else does."""

    @functools.wraps(command)
    def begun(target: str) -> None:
        from hemo.registry import names

        (command if names.store_of(target) else options.of_runs(command))(target=target)

    return begun


@click.command(
    epilog=options.examples(
        "hemo verify",
        "hemo verify data/store",
        "hemo verify panel",
        "hemo verify models:/hemo-any@production",
    )
)
@click.argument("target", default="all")
@_of_target
def verify(target: str) -> None:
    """Compare files with the digests that were recorded when they were written.

    TARGET is the folder of a slice store, a run (runs:/ID), a version (models:/NAME/VERSION), `panel`, or
    `all`: every registered version, every training run, and their stores. Aliases and versions are compared
    with the audit too. Nothing is fetched, run or changed. What differs is named; the exit status is 1 then.
    """
    from rich.text import Text

    from hemo import console
    from hemo.display.terminal import table
    from hemo.registry import verify as checks

    found = checks.verify(target)
    differ = checks.differing(found)
    if differ:
        shown = table("Not as it was recorded", ("what", "file", "found"), numbers=False)
        for one in differ:
            for difference in one.differences:
                shown.add_row(*(Text(cell) for cell in (one.what, difference.file, difference.found)))
        console.out.print(shown)
    unrecorded = [one.what for one in found if one.unrecorded]
    if unrecorded:
        console.err.print(
            f"nothing recorded, as by earlier versions of hemo: {', '.join(unrecorded)}",
            markup=False,
            soft_wrap=True,
        )
    console.out.print(f"{len(found)} compared: {len(differ) or 'none'} not as recorded")
    if differ:
        raise click.exceptions.Exit(1)
