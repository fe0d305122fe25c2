"""What MkDocs is told beyond mkdocs.yml: pages of the project's own files, and one for each package of hemo.

The files of the project's folder (README.md, CONTRIBUTING.md, ...) become pages, so that a link such as
`../CONTRIBUTING.md` leads to the same text in the repository and in the site.
"""

import re
from pathlib import Path
from typing import Any

import click
import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from hemo import cli

ROOT = Path(__file__).parent.parent

OWN = {
    "README.md": "overview.md",  # MkDocs takes a README for the home page
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "SECURITY.md": "SECURITY.md",
    "LICENSE": "LICENSE.md",
    "NOTICE": "NOTICE.md",
    "CITATION.cff": "CITATION.md",
    "docs/notebook.py": "notebook.md",
    "docs/tutorial.py": "tutorial.md",
}
"""Files that are no Markdown below docs/, and the pages made of them."""

LANGUAGES = {".py": "python", ".cff": "yaml"}
"""How a file is colored by its suffix; others are text."""

PRIVATE = re.compile(r"(^|\.)_|^hemo\.commands")
"""Modules that are nobody's to import; commands have a page of their own."""

WIDTH = 92
"""Of the commands' help, in characters."""

LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
"""Markdown's `[words](target#anchor)`, or a picture's."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the commands and the packages into the navigation, `hemo` itself before the others."""
    pages = [{"Command line": "reference/commands.md"}, *(f"reference/{name}.md" for name in packages())]
    config.nav = [*(config.nav or []), {"Reference": pages}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each of the project's own files, one for all commands, and one for each package."""
    for name, page in OWN.items():
        text = (ROOT / name).read_text()
        if not name.endswith(".md"):
            text = f"# {name}\n\n```{LANGUAGES.get(Path(name).suffix, 'text')}\n{text}\n```\n"
        files.append(File.generated(config, page, content=relinked(text, "")))
    files.append(File.generated(config, "reference/commands.md", content=commands()))
    for package, modules in packages().items():
        content = f"# {package}\n\n" + "".join(f"::: {module}\n\n" for module in modules)
        files.append(File.generated(config, f"reference/{package}.md", content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Turn links that lead out of docs/ into links to the pages that were made of those files."""
    return relinked(markdown, "docs")


def relinked(markdown: str, folder: str) -> str:
    """Return the text of a file in a folder of the project with links as the site has them.

    A module's link leads to its reference; what is no page (an experiment file) keeps its words alone.
    """

    def replaced(match: re.Match[str]) -> str:
        picture, words, target, anchor = match.groups(default="")
        path = (ROOT / folder / target).resolve()
        if "://" in target or not path.is_relative_to(ROOT):
            return match[0]
        inside = path.relative_to(ROOT).as_posix()
        if inside in OWN:
            return f"[{words}]({OWN[inside]}{anchor})"
        if inside.startswith("docs/"):
            return f"{picture}[{words}]({inside.removeprefix('docs/')}{anchor})"
        module = inside.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
        if inside.endswith(".py") and module.startswith("hemo"):
            return f"[{words}](reference/{'.'.join(module.split('.')[:2])}.md#{module})"
        return words

    return LINK.sub(replaced, markdown)


def commands() -> str:
    """Return a page with the help of every command, as `hemo COMMAND --help` prints it."""
    context = click.Context(cli.main, info_name="hemo", terminal_width=WIDTH, **cli.main.context_settings)
    text = f"# Command line\n\n```text\n{cli.main.get_help(context)}\n```\n"
    for name in cli.main.list_commands(context):
        command = cli.main.get_command(context, name)
        if command:
            inner = click.Context(command, context, name)
            text += f"\n## hemo {name}\n\n```text\n{command.get_help(inner)}\n```\n"
    return text


def packages() -> dict[str, list[str]]:
    """Return the public modules of hemo by the package that holds them, in the order of their names."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "hemo").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if not PRIVATE.search(module):
            found.setdefault(".".join(module.split(".")[:2]), []).append(module)
    return dict(sorted(found.items()))


class OwnDefaults(griffe.Extension):
    """Where a docstring describes several parameters in one line (`draws, seed`), give each its own default.

    griffe gives all of them the first one's default and annotation.
    """

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Correct what was read of a function's docstring."""
        for section in func.docstring.parsed if func.docstring else []:
            if isinstance(section, griffe.DocstringSectionParameters):
                for parameter in section.value:
                    if parameter.name in func.parameters:
                        known = func.parameters[parameter.name]
                        parameter.value = known.default
                        parameter.annotation = known.annotation or parameter.annotation
