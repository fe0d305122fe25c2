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
    monkeypatch.setattr(console, "SILENCE", 0.04)
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


def test_a_command_that_is_silent_says_what_it_does(said):
    with console.watched("hemo compare"):
        console.step("any: intervals")
        time.sleep(0.25)
    lines = said.getvalue().splitlines()
    assert set(lines) == {"hemo compare, 0:00 min, any: intervals"}
    time.sleep(0.1)
    assert said.getvalue().splitlines() == lines, "it is over"


def test_a_command_that_speaks_is_not_spoken_for(said, monkeypatch):
    shown = console._console(stderr=True)
    monkeypatch.setattr(shown, "file", said)
    monkeypatch.setattr(console, "err", shown)
    monkeypatch.setattr(console, "SILENCE", 0.5)
    with console.watched("hemo compare"):
        for _ in range(10):
            console.err.print("a result")
            time.sleep(0.1)
    assert set(said.getvalue().splitlines()) == {"a result"}


def test_after_ten_minutes_a_log_has_a_line_every_half_minute(said, monkeypatch):
    monkeypatch.setattr(console, "EVERY", 0.3)
    start = time.monotonic
    with console.watched("hemo compare"):
        console._watch.since -= console.LONG
        monkeypatch.setattr(time, "monotonic", lambda: start() + console.LONG + 1)
        time.sleep(0.7)
    assert len(said.getvalue().splitlines()) in (2, 3)


def test_what_a_server_does_is_not_told(said):
    with console.watched("hemo ui"):
        console.unwatched()
        time.sleep(0.2)
    assert said.getvalue() == ""


def test_items_of_a_command_are_told_in_place_of_the_command(said):
    with console.watched("hemo main"):
        for _ in console.track("ab", "training", 2):
            time.sleep(0.15)
        console.step("comparing")
        time.sleep(0.15)
    words = [line.split(",")[0] for line in said.getvalue().splitlines()]
    assert list(dict.fromkeys(words)) == ["training: 0 of 2", "training: 1 of 2", "hemo main"]


def test_a_terminal_shows_what_a_silent_command_does_and_results_stay_in_their_pipe(said, monkeypatch):
    shown = Console(file=said, width=80, force_terminal=True)
    monkeypatch.setattr(console, "err", shown)
    monkeypatch.setattr("sys.stdout", piped := io.StringIO())
    with console.watched("hemo compare"):
        console.step("any: intervals")
        time.sleep(0.4)
        console.out.print("the result")
        assert "any: intervals" in said.getvalue()
        for _ in console.track("ab", "training", 2):
            assert console._watch.bar is None, "one thing at a time"
    assert piped.getvalue() == "the result\n"


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
