"""One self-contained HTML page from plain data: titles, text, tables and pictures."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd

from hemo.display import _template
from hemo.display.numbers import UNDEFINED, number
from hemo.whole import csv_text, write_text

if TYPE_CHECKING:  # a page without pictures needs no library for them, which takes half a second
    from matplotlib.figure import Figure

RESEARCH_ONLY: Final = "Research use only: not a medical device, not for diagnosis."

Mark = Literal["", "good", "bad"]
"""What stands out for its verdict."""


@dataclass(frozen=True)
class Table:
    """A table some of whose rows stand out.

    Attributes
    ----------
    rows
        The table.
    marks
        One a row.
    column
        Name of the column whose cells are marked; the whole rows where it is empty.
    """

    rows: pd.DataFrame
    marks: Sequence[Mark]
    column: str = ""


@dataclass(frozen=True)
class Row:
    """A row that opens.

    Attributes
    ----------
    cells
        What is always seen, one a column.
    inside
        What is seen once it is opened; its title is not shown.
    marks
        One a cell.
    """

    cells: Sequence[str]
    inside: "Section"
    marks: Sequence[Mark]


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes
    ----------
    title
        Its heading, and its entry in the contents.
    text
        Plain text; an empty line starts a new paragraph.
    tables
        Caption to table. Numbers are rounded to three decimals, undefined ones are dashes; the index is not
        shown.
    figures
        Caption to picture, or to one that is PNG already.
    warning
        What a reader must not miss: in red, before the text.
    mark
        Of the text.
    parts
        Smaller sections below it, pictures and tables side by side; they are not in the contents.
    header, rows
        Rows that open, and what their cells are; one alone is open from the beginning.
    key
        Before the rows: the colors of their pictures, as PNG.
    files
        Files that `write` leaves beside the page, by name: tables as CSV, pictures as PNG.
    """

    title: str
    text: str = ""
    tables: Mapping[str, pd.DataFrame | Table] = field(default_factory=dict)
    figures: Mapping[str, "Figure | bytes"] = field(default_factory=dict)
    warning: str = ""
    mark: Mark = ""
    parts: Sequence["Section"] = ()
    header: Sequence[str] = ()
    rows: Sequence[Row] = ()
    key: bytes = b""
    files: Mapping[str, "pd.DataFrame | Figure | bytes"] = field(default_factory=dict)


def fact_table(facts: Mapping[str, object]) -> pd.DataFrame:
    """Return facts as a table for people: truth as yes and no, several things after one another."""
    return pd.DataFrame({"fact": list(facts), "value": [_fact(value) for value in facts.values()]})


def _fact(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def readable_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose columns are called in words: `study_recall` is `study recall`."""
    return table.rename(columns=lambda name: str(name).replace("_", " "))


def render(title: str, sections: Sequence[Section], warning: str = "") -> str:
    """Return sections as one HTML page that asks for nothing outside itself.

    Parameters
    ----------
    title
        Of the page.
    sections
        In the order of reading.
    warning
        What a reader must not miss, before all of them.

    Returns
    -------
    str
        HTML; all text is escaped, pictures are inline PNG, and its own policy forbids scripts and outside
        resources.
    """
    from jinja2 import Environment

    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        _template.TEMPLATE
    )
    parts = [
        {**_content(section), "anchor": f"section-{position}"} for position, section in enumerate(sections, 1)
    ]
    return template.render(
        title=title, warning=warning, sections=parts, style=_template.STYLE, research_only=RESEARCH_ONLY
    ).lstrip()


def write(folder: Path, report: str, title: str, sections: Sequence[Section]) -> Path:
    """Write a page, and the files of its sections beside it.

    Parameters
    ----------
    folder
        Where to: tables go into `tables` of it, pictures into `plots`.
    report
        Path of the page below the folder.
    title, sections
        As for `render`.

    Returns
    -------
    Path
        The page.
    """
    for section in sections:
        for name, content in section.files.items():
            below, suffix = ("tables", "csv") if isinstance(content, pd.DataFrame) else ("plots", "png")
            file = folder / below / f"{name}.{suffix}"
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, pd.DataFrame):
                write_text(file, csv_text(content))
            else:
                file.write_bytes(_drawn(content))
    page = folder / report
    page.parent.mkdir(parents=True, exist_ok=True)
    write_text(page, render(title, sections))
    return page


def _content(section: Section) -> dict[str, object]:
    """Return what the template shows of a section."""
    return {
        "title": section.title,
        "warning": section.warning,
        "mark": section.mark,
        "paragraphs": [part.strip() for part in section.text.split("\n\n") if part.strip()],
        "tables": [(caption, _cells(table)) for caption, table in section.tables.items()],
        "figures": [(caption, *_picture(figure)) for caption, figure in section.figures.items()],
        "parts": [_content(part) for part in section.parts],
        "header": section.header,
        "key": base64.b64encode(section.key).decode(),
        "rows": [
            {"cells": list(zip(row.cells, row.marks, strict=True)), "inside": _content(row.inside)}
            for row in section.rows
        ],
    }


def _drawn(figure: "Figure | bytes") -> bytes:
    from hemo.display import style

    return figure if isinstance(figure, bytes) else style.png(figure)


def _picture(figure: "Figure | bytes") -> tuple[str, bool]:
    """Return a picture as an address that holds it, and whether it is over 8 inches wide: a page's width."""
    from PIL import Image

    from hemo.display import style

    content = _drawn(figure)
    with Image.open(io.BytesIO(content)) as opened:
        kind, wide = str(opened.format).lower(), opened.width > 8 * style.DPI
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}", wide


def _cells(table: pd.DataFrame | Table) -> dict[str, list]:
    """Return a table's header and rows as text, each cell and row with its classes."""
    given = table if isinstance(table, Table) else Table(table, [""] * len(table))
    numeric = [pd.api.types.is_numeric_dtype(dtype) for dtype in given.rows.dtypes]
    names = [str(name) for name in given.rows.columns]
    marked = names.index(given.column) if given.column else None
    rows = []
    for row, mark in zip(given.rows.itertuples(index=False), given.marks, strict=True):
        cells = []
        for position, (value, is_number) in enumerate(zip(row, numeric, strict=True)):
            text = _text(value)
            look = "number" if is_number else "short" if len(text) < _SHORT else ""
            cells.append((text, f"{look} {mark}".strip() if position == marked else look))
        rows.append((cells, "" if given.column else mark))
    return {"header": list(zip(names, numeric, strict=True)), "rows": rows}


_SHORT: Final = 25
"""Characters of a cell that is kept in one line."""


def _text(value: object) -> str:
    """Return a cell for people."""
    if value is None or value is pd.NA:
        return UNDEFINED
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value, "z.3f")
    if isinstance(value, int | np.integer):
        return number(int(value), ",")
    return str(value)
