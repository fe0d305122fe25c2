"""What of a command line was given: an empty text for a value means that the option was not.

MLproject's templates name every option of a command, so `mlflow run` passes an empty text for each that
nobody set, and a value to each switch. Here the first is left out and the second made a switch again, once
for all commands: defaults and checks stay those of click, and nothing that was not given stands above what
an experiment file says.
"""

from collections import deque
from collections.abc import Iterable, Iterator

import click


def given(command: click.Command, words: Iterable[str]) -> list[str]:
    """Return a command line without what was not given, and with its switches alone.

    Parameters
    ----------
    command : click.Command
        The command, or group of commands, that the words are for.
    words : iterable of str
        What follows its name.

    Examples
    --------
    >>> import click
    >>> options = [click.Option(["--store"]), click.Option(["--open"], is_flag=True)]
    >>> command = click.Command("compare", params=options)
    >>> given(command, ["--store", "", "--open", "true"])
    ['--open']
    """
    options = {word: option for option in _options(command) for word in _words(option)}
    kept: list[str] = []
    rest = deque(words)
    while rest:
        word = rest.popleft()
        if word == "--":
            return [*kept, word, *rest]
        name, equals, value = word.partition("=")
        option = options.get(name)
        if option is None:
            kept += [word] if word else []
        elif option.is_flag:
            if not equals and rest and click.BOOL.str_to_bool(rest[0]) is not None:
                equals, value = "=", rest.popleft()
            kept += _switch(option, name, value) if equals else [word]
        elif equals or rest:
            value = value if equals else rest.popleft()
            kept += [name, value] if value else []
        else:
            kept.append(word)  # click says that it needs a value
    return kept


def _options(command: click.Command) -> Iterator[click.Option]:
    """Yield the options of a command, and of those below it."""
    yield from (one for one in command.params if isinstance(one, click.Option))
    if isinstance(command, click.Group):
        for below in command.commands.values():
            yield from _options(below)


def _words(option: click.Option) -> list[str]:
    return [*option.opts, *option.secondary_opts]


def _switch(option: click.Option, word: str, value: str) -> list[str]:
    """Return a switch alone, its opposite, or nothing, by its value; click refuses what is no value."""
    said = click.BOOL.str_to_bool(value)
    if said is None:
        return [f"{word}={value}"]
    if said or not value:
        return [word] if said else []
    return [other for other in _words(option) if other != word][: len(option.secondary_opts)]
