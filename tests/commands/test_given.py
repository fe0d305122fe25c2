"""An empty text is what was not given, for every option of every command, and a switch may have a value."""

import click
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from hemo.commands.given import given

COMMAND = click.Command(
    "one",
    params=[
        click.Argument(["names"], nargs=-1),
        click.Option(["--store"]),
        click.Option(["--size"], type=int, default=128),
        click.Option(["--open"], is_flag=True),
        click.Option(["--crop/--no-crop"], default=True),
    ],
)


def values(*words):
    return COMMAND.make_context("one", given(COMMAND, words)).params


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--store", ""], []),
        (["--store="], []),
        (["--store", "s", "--size", ""], ["--store", "s"]),
        (["--store=s"], ["--store", "s"]),
        (["", "a.dcm", ""], ["a.dcm"]),
        (["--open", "", "a.dcm"], ["a.dcm"]),
        (["--open", "a.dcm"], ["--open", "a.dcm"]),
        (["--open", "--store", ""], ["--open"]),
        (["--open", "true"], ["--open"]),
        (["--open=yes"], ["--open"]),
        (["--open", "false"], []),
        (["--crop", "false"], ["--no-crop"]),
        (["--crop", ""], []),
        (["--no-crop"], ["--no-crop"]),
        (["--no-crop", "false"], ["--crop"]),
        (["--", "--store", ""], ["--", "--store", ""]),
        (["--store"], ["--store"]),
    ],
)
def test_only_what_was_given_is_kept(words, kept):
    assert given(COMMAND, words) == kept


def test_what_is_no_value_of_a_switch_is_refused():
    with pytest.raises(click.UsageError, match="--open"):
        values("--open=maybe")


def test_an_unknown_word_is_refused_with_an_empty_value_too():
    with pytest.raises(click.UsageError, match="--stor"):
        values("--stor", "")


@drawn(
    st.lists(st.from_regex(r"[a-z./]{1,8}", fullmatch=True), max_size=3),
    st.sampled_from(["", "s", "a b", "it's"]),
    st.sampled_from(["", "3"]),
    st.sampled_from(["", "true", "false"]),
)
def test_a_templates_words_mean_what_a_person_would_have_typed(names, store, size, crop):
    template = values(*names, "--store", store, "--size", size, "--crop", crop, "--open", "")
    typed = [*names, *(["--store", store] if store else []), *(["--size", size] if size else [])]
    typed += [] if crop == "" else ["--crop"] if crop == "true" else ["--no-crop"]
    assert template == COMMAND.make_context("one", typed).params
