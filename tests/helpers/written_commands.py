"""Commands as people read them: in pages, comments, help texts and messages."""

import ast
import inspect
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import click

from hemo import commands
from hemo.cli import main
from hemo.commands import following, options
from hemo.registry.names import PANEL_URI

ROOT = Path(__file__).parent.parent.parent

PAGES = [
    *(ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
"""What people read. Not the changelog, which says what was."""

SCRIPTS = [
    *sorted((ROOT / "experiments").glob("*.yaml")),
    *sorted((ROOT / "docs").glob("*.py")),
    ROOT / "MLproject",
]
"""Files with commands in their comments."""

FIRST = r"(?:hemo|mlflow|make|python(?= -m| docs))"
"""How a command begins that is checked: curl asks a server that is not there, and others are not hemo's."""

SPAN = re.compile(rf"`({FIRST} [^`]+)`")
FIELD = re.compile("\0(\\d+)\0")
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)

EXPERIMENT = str(ROOT / "experiments" / "quickstart.yaml")

SAMPLES = {
    "experiment": EXPERIMENT,
    "file": EXPERIMENT,
    "name": "logreg",
    "family": "logreg",
    "label": "any",
    "kind": "main",
    "one": "any",
    "first": "any",
    "store": "it's my store",
    "folder": Path("it's my store"),
    "out": Path("it's mine"),
    "table": Path("it's mine/labels.csv"),
    "images": [Path("it's mine")],
    "scans": Path("it's mine"),
    "found": SimpleNamespace(experiment_id="1"),
    "facts": SimpleNamespace(run_id="0a1b2c3d4e5f60718293a4b5c6d7e8f9"),
    "outcome": SimpleNamespace(study="tune/logreg/any"),
    "PANEL_URI": PANEL_URI,
    "shlex": shlex,
    "following": following,
    "typed": following.typed,
    "options": options,
}
"""What stands in the source's f-strings for its own: a path has a space and a quote, as paths may."""


@dataclass(frozen=True)
class Written:
    """A command and the place in which it stands; `named`: in running text, where a name may stand alone."""

    text: str
    place: str
    named: bool = False


def everywhere() -> Iterator[Written]:
    """Yield all commands that people are shown, as often as they are."""
    yield from _of_pages()
    yield from _of_comments()
    yield from _of_help()
    yield from _of_source()


def collect() -> list[Written]:
    """Return all commands that people are shown, each once: with a line of its own, where it has one."""
    found: dict[str, Written] = {}
    for one in everywhere():
        known = found.setdefault(one.text, one)
        if known.named and not one.named:
            found[one.text] = one
    return list(found.values())


def _of_pages() -> Iterator[Written]:
    for path in PAGES:
        text = path.read_text()
        yield from _lines("\n".join(SHELL.findall(text)), _name(path))
        plain = FENCE.sub("", text)
        yield from _lines(plain, _name(path), indent=" {4,}")
        yield from _spans(plain, _name(path))


def _of_comments() -> Iterator[Written]:
    for path in SCRIPTS:
        comments = [line.removeprefix("#") for line in path.read_text().splitlines() if line.startswith("#")]
        yield from _text(inspect.cleandoc("\n" + "\n".join(comments)), _name(path))


def _of_help() -> Iterator[Written]:
    """Yield the commands in the help of every click command: of its text, its options and its examples."""
    for name in ("", *commands.names()):
        command = commands.load(name) if name else main
        assert command is not None
        below = command.commands if isinstance(command, click.Group) and name else {}
        for words, one in ((name, command), *((f"{name} {word}", one) for word, one in below.items())):
            helps = [option.help or "" for option in one.params if isinstance(option, click.Option)]
            for text in (inspect.cleandoc(one.help or ""), one.epilog or "", *helps):
                yield from _text(text, " ".join(["hemo", *words.split(), "--help"]))


def _of_source() -> Iterator[Written]:
    """Yield the commands that messages name, and those that are printed as what to type next.

    The fields of an f-string are what they are where `SAMPLES` are the names in them.
    """
    for path in sorted((ROOT / "hemo").rglob("*.py")):
        printed = path.parent.name == "commands" or path.name in ("cli.py", "card.py")
        for text, fields in _strings(ast.parse(path.read_text())):
            for one in (*_spans(text, _name(path)), *(_lines(text, _name(path)) if printed else ())):
                yield replace(one, text=_filled(one.text, fields))


def _strings(tree: ast.AST) -> Iterator[tuple[str, list[ast.expr]]]:
    """Yield the strings of a module, with a mark in the place of each field, and the fields."""
    parts = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
            yield inspect.cleandoc(node.value), []
        elif isinstance(node, ast.JoinedStr):
            text, fields = "", list[ast.expr]()
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    text += f"\0{len(fields)}\0"
                    fields.append(part.value)
                elif isinstance(part, ast.Constant):
                    text += str(part.value)
            yield text, fields


def _filled(text: str, fields: list[ast.expr]) -> str:
    """Return a text with the values of its fields."""

    def value(mark: re.Match[str]) -> str:
        field = fields[int(mark[1])]
        return str(eval(compile(ast.Expression(field), ast.unparse(field), "eval"), SAMPLES.copy()))

    return FIELD.sub(value, text)


def _text(text: str, place: str) -> Iterator[Written]:
    yield from _lines(text, place, indent=" {2,}")
    yield from _spans(text, place)


def _lines(text: str, place: str, indent: str = "") -> Iterator[Written]:
    """Yield the commands that have lines of their own; a backslash at an end goes on in the next line."""
    joined = re.sub(r" *\\\n\s*", " ", text)
    for line in re.findall(rf"^{indent}({FIRST} .*)$", joined, re.MULTILINE):
        yield Written(line.partition(" #")[0].strip(), place)


def _spans(text: str, place: str) -> Iterator[Written]:
    for words in SPAN.findall(text):
        yield Written(" ".join(words.split()), place, named=True)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
