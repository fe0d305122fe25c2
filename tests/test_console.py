"""What is said while one waits, and that what people wrote is printed as they wrote it."""

import io
import re
import time

import pytest
from rich.console import Console

from hemo import console


@pytest.fixture
def said(monkeypatch):
    """What is printed where no terminal is, with lines every few hundredths of a second."""
    stream = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=stream, width=132, highlight=False))
    monkeypatch.setattr(console, "EVERY", 0.04)
    return stream


def test_without_a_terminal_a_line_says_how_far_it_is_and_what_is_done(said):
    for number in console.track(iter(range(3)), "training", 3):
        console.step(f"any: fold {number + 1} of 5")
        time.sleep(0.25)
    lines = said.getvalue().splitlines()
    assert re.fullmatch(r"training: 0 of 3, 0:00 min, any: fold 1 of 5", lines[0])
    assert any(
        re.fullmatch(r"training: 2 of 3, .* min, about .* min left, any: fold 3 of 5", one) for one in lines
    )


def test_what_is_over_before_a_line_is_due_says_nothing(said):
    assert list(console.track(iter("ab"), "reading", 2)) == ["a", "b"]
    assert said.getvalue() == ""


def test_nobody_goes_on_talking_after_what_failed(said):
    def items():
        yield 1
        raise ValueError

    with pytest.raises(ValueError):
        list(console.track(items(), "reading", 2))
    before = said.getvalue()
    time.sleep(0.1)
    assert said.getvalue() == before


@pytest.mark.parametrize(
    "text", ["[/red] wanted [/]", "[bold]scan[/bold] [1].dcm", "a[link=x]b", ":warning: 7", "\\["]
)
def test_brackets_are_no_markup_and_end_nothing(text, capsys, monkeypatch):
    shown = console._console(stderr=False)
    monkeypatch.setattr(shown, "file", stream := io.StringIO())
    shown.print(f"override: {text}", style="bold red")
    assert text in stream.getvalue()


def test_a_name_that_the_terminal_cannot_show_ends_nothing(monkeypatch):
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", plain)
    shown = console._console(stderr=False)
    shown.print("caf\udce9 \u00e9")
    plain.flush()
    assert plain.buffer.getvalue() == b"caf\\udce9 \\xe9\n"
