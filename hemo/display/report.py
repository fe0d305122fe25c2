"""One self-contained HTML page from plain data: titles, text, tables and figures."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hemo.display import style


@dataclass(frozen=True)
class Section:
    """A part of a report.

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
        Caption to figure, or to one that is PNG already.
    warning
        What a reader must not miss: in red, before the text.
    """

    title: str
    text: str = ""
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    figures: Mapping[str, Figure | bytes] = field(default_factory=dict)
    warning: str = ""


def fact_table(facts: Mapping[str, object]) -> pd.DataFrame:
    """Return facts as a table for people: truth as yes and no, several things after one another."""
    return pd.DataFrame({"fact": list(facts), "value": [_fact(value) for value in facts.values()]})


def _fact(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def render(title: str, sections: Sequence[Section]) -> str:
    """Return a report as one HTML page that asks for nothing outside itself.

    Parameters
    ----------
    title
        Of the page.
    sections
        In the order of reading.

    Returns
    -------
    str
        HTML; all text is escaped, figures are inline PNG, and its own policy forbids scripts and outside
        resources.
    """
    from jinja2 import Environment

    parts = [
        {
            "anchor": f"section-{number}",
            "title": section.title,
            "warning": section.warning,
            "paragraphs": [part.strip() for part in section.text.split("\n\n") if part.strip()],
            "tables": [(caption, _cells(table)) for caption, table in section.tables.items()],
            "figures": [
                (caption, base64.b64encode(_png(figure)).decode(), _is_wide(figure))
                for caption, figure in section.figures.items()
            ],
        }
        for number, section in enumerate(sections, start=1)
    ]
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(_TEMPLATE)
    return template.render(title=title, sections=parts, style=_STYLE)


def _png(figure: Figure | bytes) -> bytes:
    return figure if isinstance(figure, bytes) else style.png(figure)


def _is_wide(figure: Figure | bytes) -> bool:
    """Return whether a figure, over 8 inches or of unknown size, needs the page's width."""
    return isinstance(figure, bytes) or bool(figure.get_size_inches()[0] > 8)


def _cells(table: pd.DataFrame) -> dict[str, list]:
    """Return a table's header and rows as text, each cell with whether it is a number."""
    numeric = [pd.api.types.is_numeric_dtype(dtype) for dtype in table.dtypes]
    header = list(zip(map(str, table.columns), numeric, strict=True))
    rows = [
        [(_text(value), number) for value, number in zip(row, numeric, strict=True)]
        for row in table.itertuples(index=False)
    ]
    return {"header": header, "rows": rows}


def _text(value: object) -> str:
    """Return a cell for people."""
    if value is None or value is pd.NA or (isinstance(value, float) and not np.isfinite(value)):
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".replace("-", "−")
    if isinstance(value, int | np.integer):
        return f"{value:,}".replace("-", "−")
    return str(value)


_STYLE: Final = """
:root { --ink: #222; --soft: #6a6a6a; --line: #e2e2e2; --accent: #0072B2; }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
body { margin: 0; color: var(--ink); background: #fff;
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.page { display: grid; grid-template-columns: 15rem minmax(0, 1fr); gap: 3rem; max-width: 110rem;
  margin: 0 auto; padding: 2rem 2.5rem 4rem; }
nav { position: sticky; top: 2rem; align-self: start; max-height: calc(100vh - 4rem); overflow-y: auto;
  font-size: .92rem; }
nav b { display: block; margin-bottom: .5rem; color: var(--soft); font-weight: 600; }
nav ol { list-style: none; margin: 0; padding: 0; border-left: 2px solid var(--line); }
nav a { display: block; padding: .22rem 0 .22rem .9rem; color: var(--ink); text-decoration: none; }
nav a:hover { color: var(--accent); }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 1.5rem; }
h2 { font-size: 1.35rem; margin: 3rem 0 .8rem; padding-top: .8rem; border-top: 1px solid var(--line); }
section:first-of-type h2 { margin-top: 0; }
p { max-width: 50rem; margin: 0 0 .9rem; white-space: pre-line; }
.warning { background: #b3261e; color: #fff; padding: .5rem .8rem; font-weight: 600; }
.scroll { overflow-x: auto; margin: 1rem 0 1.8rem; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { caption-side: top; text-align: left; padding-bottom: .5rem; font-weight: 600; }
th, td { padding: .26rem .9rem .26rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
th { font-weight: 600; color: var(--soft); border-bottom: 2px solid var(--line); vertical-align: bottom; }
th.number, td.number { text-align: right; }
td.number, td.short { white-space: nowrap; }
tbody tr:hover { background: #f6f9fb; }
.figures { display: flex; margin: 1rem 0; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }
figure { margin: 0 0 1rem; flex: 0 1 calc(50% - .75rem); min-width: min(26rem, 100%); max-width: 44rem; }
figure.wide { flex-basis: 100%; max-width: 72rem; }
figure img { display: block; width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .3rem; }
footer { margin-top: 4rem; color: var(--soft); font-size: .88rem; }
@media (max-width: 85rem) {
  .page { grid-template-columns: 11.5rem minmax(0, 1fr); gap: 1.5rem; padding: 2rem 1.25rem 4rem; }
}
@media (max-width: 60rem) {
  .page { grid-template-columns: minmax(0, 1fr); gap: 1rem; padding: 1rem; }
  nav { position: static; max-height: none; }
  nav b { display: none; }
  nav ol { display: flex; flex-wrap: wrap; border: 0; }
  nav a { padding: 0 1.2rem 0 0; color: var(--soft); }
}
@media print {
  .page { display: block; padding: 0; }
  nav { display: none; }
  body { font-size: 10pt; }
  .scroll { overflow: visible; }
  h2, caption { break-after: avoid; }
  figure, tr { break-inside: avoid; }
}
"""

_TEMPLATE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{{ title }}</title>
<style>{{ style | safe }}</style>
</head>
<body>
<div class="page">
<nav aria-label="Contents"><b>Contents</b><ol>
{% for section in sections %}
<li><a href="#{{ section.anchor }}">{{ section.title }}</a></li>
{% endfor %}
</ol></nav>
<main>
<h1>{{ title }}</h1>
{% for section in sections %}
<section id="{{ section.anchor }}">
<h2>{{ section.title }}</h2>
{% if section.warning %}
<p class="warning">{{ section.warning }}</p>
{% endif %}
{% for paragraph in section.paragraphs %}
<p>{{ paragraph }}</p>
{% endfor %}
{% if section.figures %}
<div class="figures">
{% for caption, image, wide in section.figures %}
<figure{% if wide %} class="wide"{% endif %}><img src="data:image/png;base64,{{ image }}" alt="{{ caption }}">
<figcaption>{{ caption }}</figcaption></figure>
{% endfor %}
</div>
{% endif %}
{% for caption, table in section.tables %}
<div class="scroll"><table>
<caption>{{ caption }}</caption>
<thead><tr>
{% for name, number in table.header %}<th{% if number %} class="number"{% endif %}>{{ name }}</th>{% endfor %}

</tr></thead>
<tbody>
{% for row in table.rows %}
<tr>
{%- for text, number in row %}
<td class="{{ 'number' if number else 'short' if text | length < 25 }}">{{ text }}</td>{% endfor -%}
</tr>
{% endfor %}
</tbody>
</table></div>
{% endfor %}
</section>
{% endfor %}
<footer>Made by hemo. For research use only: not a medical device.</footer>
</main>
</div>
</body>
</html>
"""
