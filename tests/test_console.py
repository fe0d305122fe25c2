"""What people wrote is printed as they wrote it."""

import io

import pytest

from hemo import console


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
