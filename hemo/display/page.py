"""One self-contained HTML page: no outside resources, every text escaped."""

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1b1b1b;background:#fff}
body{max-width:1080px;margin:2em auto;padding:0 1em}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:1.8em}table{border-collapse:collapse;margin:.6em 0}
th,td{text-align:left;padding:.3em .8em .3em 0;border-bottom:1px solid #ddd;vertical-align:top}
.yes{color:#00695c}.no{color:#b3261e}.red{background:#b3261e;color:#fff;padding:.5em .8em;font-weight:600}
.quiet{color:#666}.slice{display:flex;flex-wrap:wrap;gap:0 1.5em;margin-bottom:1.5em}
.slice>div{max-width:520px}.slice table{align-self:flex-start;margin-top:0}
.slice img{width:256px;height:256px;image-rendering:auto;background:#000}
footer{margin-top:3em;color:#666;border-top:1px solid #ddd;padding-top:.5em}
"""

RESEARCH_ONLY = "Research use only: not a medical device, not for diagnosis."


def page(title: str, *parts: str) -> str:
    """Return a whole page of parts that are HTML already."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n"
        + "\n".join(parts)
        + f"\n<footer>{RESEARCH_ONLY}</footer></body></html>\n"
    )


def text(words: str, style: str = "") -> str:
    """Return a paragraph; `style` is one of the classes `yes`, `no`, `red` and `quiet`."""
    return f'<p class="{style}">{escape(words)}</p>' if style else f"<p>{escape(words)}</p>"


def heading(words: str) -> str:
    """Return a section's heading."""
    return f"<h2>{escape(words)}</h2>"


def table(
    header: Sequence[str], rows: Iterable[Sequence[object]], styles: Sequence[str] = (), column: int = -1
) -> str:
    """Return a table; `styles` has a class for each row, where given, or for its cell in one column."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    lines = []
    for place, row in enumerate(rows):
        style = f' class="{styles[place]}"' if styles and styles[place] else ""
        cells = [f"<td>{escape(str(cell))}</td>" for cell in row]
        if column >= 0:
            cells[column] = cells[column].replace("<td>", f"<td{style}>", 1)
            style = ""
        lines.append(f"<tr{style}>{''.join(cells)}</tr>")
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"
