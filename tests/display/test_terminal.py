"""A table shows every word and every interval whole, however narrow the terminal."""

import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from hemo.display import terminal
from hemo.display.terminal import TerminalTable, table

LABELS = ("any", "intraparenchymal", "intraventricular")
INTERVAL = "0.89 (0.72 to 0.96)"
WORDS = st.lists(st.sampled_from(["any", "intraparenchymal", "a", "0.85", "promoted:"]), max_size=9)


def shown(what: TerminalTable, width: int) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(what)
    return stream.getvalue()


@pytest.fixture
def board() -> TerminalTable:
    made = table("Leaderboard", ("family", "recall at spec. 0.80", "recall", "auc", ""))
    for label in LABELS:
        made.add_row(label, style="bold")
        made.add_row("  logreg", INTERVAL, INTERVAL, INTERVAL, "best, not told from chance")
        made.add_section()
    return made


def test_a_wide_terminal_has_a_row_a_line(board):
    (first, *_) = [line for line in shown(board, 130).splitlines() if "logreg" in line]
    assert first.count(INTERVAL) == 3
    assert first.endswith("│ best, not told from chance │")
    assert shown(board, 130).count("├") == 2
    assert all(line.endswith(("┓", "┃", "┩", "│", "┤", "┘")) for line in shown(board, 120).splitlines()[1:])


def test_a_narrower_one_has_intervals_below_their_numbers(board):
    lines = shown(board, 80).splitlines()
    (place, *_) = [number for number, line in enumerate(lines) if "logreg" in line]
    assert lines[place].count("0.89") == lines[place + 1].count("(0.72 to 0.96)") == 3


def test_the_narrowest_has_a_block_for_each_row(board):
    assert shown(board, 44).splitlines()[:6] == [
        "Leaderboard",
        "any",
        "  logreg",
        f"    recall at spec. 0.80 {INTERVAL}",
        f"    recall {INTERVAL}",
        f"    auc {INTERVAL}",
    ]


def test_a_long_text_in_a_block_goes_on_below_itself():
    made = table("Promotion", ("label", "decision", "why"), [("any", "refused", "w " * 40)], numbers=False)
    wide = table("Promotion", ("label", *["intraparenchymal"] * 4), [("any", "", "x", Text("y"), "w " * 40)])
    assert "refused" in shown(made, 60)
    assert all(line.startswith("    ") for line in shown(wide, 60).splitlines()[2:])


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), max_size=4), st.booleans(), st.integers(30, 120))
def test_no_word_is_broken_and_no_line_is_too_long(rows, numbers, width):
    cells = [[" ".join(words) for words in (*row, row[0], row[1])] for row in rows]
    header = ("label", "decision", "found here", "", "again")
    text = shown(table("Title", header, cells, numbers=numbers), width)
    assert all(len(line) <= width for line in text.splitlines())
    printed = text.replace("│", " ").split()
    for row in rows:
        for words in row:
            assert set(words) <= set(printed)


def test_every_table_of_every_command_is_one_of_these() -> None:
    """So that what is found above of narrow terminals is true of all of them."""
    root = Path(terminal.__file__).parent.parent
    drawn = [path for path in root.rglob("*.py") if re.search(r"rich\.(table|columns)\b", path.read_text())]
    assert drawn == [Path(terminal.__file__)]
