"""Tables for the terminal: one look for all, and no word or interval broken where it is narrow."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

INDENT: Final = 4
BETWEEN: Final = " · "


@dataclass
class _Row:
    cells: tuple[Text, ...]
    style: str = ""
    ends_section: bool = False


@dataclass
class TerminalTable:
    """A table as wide as it likes, else with intervals below their numbers, else its rows as blocks.

    Attributes
    ----------
    title
        Above it.
    header
        Names of the columns.
    numbers
        Whether all columns but the first are of numbers, and aligned right.
    """

    title: str
    header: tuple[str, ...]
    numbers: bool
    rows: list[_Row] = field(default_factory=list)

    def add_row(self, *cells: object, style: str = "") -> None:
        """Add a row of texts, or of what `str` makes text of; cells that are not given are empty."""
        texts = [cell if isinstance(cell, Text) else Text(str(cell)) for cell in cells]
        texts += [Text() for _ in self.header[len(texts) :]]
        self.rows.append(_Row(tuple(texts), style))

    def add_section(self) -> None:
        """Draw a line below the rows so far."""
        if self.rows:
            self.rows[-1].ends_section = True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield what fits."""
        for rows in (self.rows, [_with_intervals_below(row) for row in self.rows]):
            widths = [self._least(place, rows) for place in range(len(self.header))]
            spare = options.max_width - sum(widths) - 3 * len(widths) - 1
            if spare >= 0:
                for place, least in enumerate(widths):
                    more = max(0, min(spare, self._most(place, rows) - least))
                    widths[place], spare = least + more, spare - more
                yield self._table(rows, widths)
                return
        yield from self._blocks(options.max_width)

    def _least(self, place: int, rows: Sequence[_Row]) -> int:
        """Return the width below which a word of a column would break, or the line of a number."""
        parts = self.header[place].split()
        for row in rows:
            text = row.cells[place].plain
            number = self.numbers and place and any(map(str.isdigit, text))
            parts += text.split("\n") if number else text.split()
        return max(map(cell_len, parts), default=0)

    def _most(self, place: int, rows: Sequence[_Row]) -> int:
        """Return the width in which every line of a column's cells is one."""
        lines = [line for row in rows for line in row.cells[place].plain.split("\n")]
        return max(map(cell_len, lines), default=0)

    def _table(self, rows: Sequence[_Row], widths: Sequence[int]) -> Table:
        table = Table(title=Text(self.title), title_justify="left", title_style="bold", header_style="bold")
        for place, (name, width) in enumerate(zip(self.header, widths, strict=True)):
            table.add_column(
                Text(name),
                justify="right" if self.numbers and place else "left",
                overflow="fold",
                width=width,
            )
        for row in rows:
            table.add_row(*row.cells, style=row.style, end_section=row.ends_section)
        return table

    def _blocks(self, width: int) -> Iterator[Text | Padding]:
        """Yield the first cell of each row, and below it the others with the names of their columns."""
        yield Text(self.title, "bold")
        for row in self.rows:
            yield Text.assemble(row.cells[0], style=row.style or "bold")
            line = Text()
            for name, cell in zip(self.header[1:], row.cells[1:], strict=True):
                if not cell.plain.strip():
                    continue
                piece = Text.assemble((f"{name} " if name else "", "dim"), cell)
                if line and INDENT + line.cell_len + len(BETWEEN) + piece.cell_len > width:
                    yield Padding(line, (0, 0, 0, INDENT), expand=False)
                    line = Text()
                line = line + (BETWEEN if line else "") + piece
            if line:
                yield Padding(line, (0, 0, 0, INDENT), expand=False)


def _with_intervals_below(row: _Row) -> _Row:
    """Return a row whose intervals are in a line of their own, below the number."""
    cells = []
    for cell in row.cells:
        gap = cell.plain.find(" (")
        cells.append(cell if gap < 0 else cell[:gap] + "\n" + cell[gap + 1 :])
    return replace(row, cells=tuple(cells))


def table(
    title: str, header: Sequence[str], rows: Iterable[Sequence[object]] = (), *, numbers: bool = True
) -> TerminalTable:
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
    result = TerminalTable(title, tuple(header), numbers)
    for row in rows:
        result.add_row(*row)
    return result
