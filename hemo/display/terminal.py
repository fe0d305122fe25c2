"""Tables for the terminal: one look for all."""

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text


def table(
    title: str, header: Sequence[str], rows: Iterable[Sequence[object]] = (), *, numbers: bool = True
) -> Table:
    """Return a table for the terminal; no cell is cut short, and none is read as markup.

    Parameters
    ----------
    title
        Above it.
    header
        Names of the columns.
    rows
        Cells as text, as `rich.text.Text` where they have a style, or what `str` makes text of. More can be
        added with `add_row`.
    numbers
        Whether all columns but the first are of numbers, and aligned right.
    """
    result = Table(title=Text(title), title_justify="left", title_style="bold", header_style="bold")
    for place, name in enumerate(header):
        result.add_column(name, justify="right" if numbers and place else "left", overflow="fold")
    for row in rows:
        result.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    return result
