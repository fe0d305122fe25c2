"""Make docs/experiment.md, the reference of experiment files, of the types in `hemo.config`.

    python docs/experiment.py

Written anew after a change of those; a test compares.
"""

import inspect
import json
import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hemo import families
from hemo.config import Experiment
from hemo.config.experiment import Gate, Phantom, Reduction
from hemo.config.tuning import Budget, Tuning
from hemo.evaluation.protocols import Protocol

PAGE = Path(__file__).with_suffix(".md")

SECTIONS: dict[str, type[BaseModel]] = {
    "": Experiment,
    "phantom": Phantom,
    "reduction": Reduction,
    "gate": Gate,
    "tuning": Tuning,
    "tuning.budget": Budget,
}
"""Words of the file that hold words themselves, and the types of these."""

HEAD = """# Experiment files

An experiment file is YAML: a word, a colon, a value. It lists only what differs from the defaults below; an
unknown word, or a value out of range, is refused with what is known. Those in `experiments/` are examples;
`--experiment FILE` gives one to a command, `-P experiment=FILE` to `mlflow run`. What is given on the command
line stands above the file: `--seed`, `--store`, ..., and any word by `--set 'folds=3 gate.level=slice'` (of
`main`, `tune` and the families; with `mlflow run`: `-P set='folds=3 gate.level=slice'`).

```yaml
name: mine
images: scans            # relative paths are below the folder in which hemo runs
labels: labels.csv
folds: 3
reduction: {windows: [brain, subdural, bone]}
families:
  boosted: {}
  logreg@saga: {solver: saga}
gate: {level: slice}
```

This page is made of the types, by `python docs/experiment.py`."""

FAMILIES = """## `families`

Below a family's name stand its parameters that differ from these defaults; `hemo FAMILY --help`
explains them."""


def page() -> str:
    """Return the page in Markdown."""
    parts = [HEAD]
    for word, model in SECTIONS.items():
        parts += [f"## `{word}`" if word else "## At the top", table(model)]
    listed = [
        f"- `{name}`: {', '.join(f'`{word}` {_default(value)}' for word, value in defaults(name).items())}"
        for name in families.names()
    ]
    return "\n\n".join([*parts, FAMILIES, "\n".join(listed)]) + "\n"


def defaults(family: str) -> dict[str, Any]:
    """Return a family's parameters with their defaults."""
    return dict(families.build(family, {}).params)


def table(model: type[BaseModel]) -> str:
    """Return the words of a type: what they take, what stands for none, and what they mean."""
    meant = meanings(model)
    rows = ["| word | takes | default | what it is |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        default = "" if _is_section(field) else _default(field.get_default(call_default_factory=True))
        rows.append(f"| `{name}` | {takes(field)} | {default} | {meant[name]} |")
    return "\n".join(rows)


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Return what each word of a type means, as its docstring says; several words may share a line."""
    text = (inspect.getdoc(model) or "").partition("----------\n")[2]
    found: dict[str, str] = {}
    for names, words in re.findall(r"^([\w, ]+)\n((?:    .*\n?)+)", text, re.MULTILINE):
        said = re.sub(r"\s*\(see `[^`]*`\)", "", " ".join(words.split()))
        found |= dict.fromkeys(names.split(", "), said.replace("|", "\\|"))
    return found


def takes(field: FieldInfo) -> str:
    """Return what a word takes, with its bounds."""
    kind: Any = field.annotation
    if kind is Protocol:
        return _either([str(one) for one in Protocol])
    if get_origin(kind) is Literal:
        return _either(list(get_args(kind)))
    if _is_section(field):
        return "a section"
    if get_origin(kind) is tuple:
        return "a list of words"
    if get_origin(kind) is dict:
        return "a section"
    names = {int: "whole number", float: "number", bool: "true or false", str: "text"}
    given = [one for one in (get_args(kind) or (kind,)) if one is not type(None)]
    word = names.get(given[0], "a rule")
    low, high, above = (
        next((getattr(one, bound) for one in field.metadata if hasattr(one, bound)), None)
        for bound in ("ge", "le", "gt")
    )
    if low is not None and high is not None:
        return f"{word}, {low} to {high}"
    if low is not None:
        return f"{word} from {low}"
    return f"{word} above {above}" if above is not None else word


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _either(words: list[str]) -> str:
    return f"{', '.join(f'`{word}`' for word in words[:-1])} or `{words[-1]}`"


def _default(value: Any) -> str:
    """Return a default as it would stand in a file."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool | int | float):
        return f"`{json.dumps(value)}`"
    if isinstance(value, tuple | list):
        return f"`[{', '.join(map(str, value))}]`"
    if isinstance(value, dict):
        return ", ".join(f"`{name}`" for name in value) or "none"
    return f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(page())
