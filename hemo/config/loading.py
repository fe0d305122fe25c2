"""An experiment file read from disk, with the words of the command line above its own."""

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from hemo import families
from hemo.config.experiment import Experiment
from hemo.errors import HemoError
from hemo.labels import LABELS


def load(path: str | Path | None, changes: Mapping[str, Any] = {}, **overrides: Any) -> Experiment:
    """Read an experiment file and override its words by those given (empty ones are not given).

    Parameters
    ----------
    path
        The file; None: the defaults.
    changes
        Words of the file, nested as there; what a section does not name stays.
    overrides
        Words at the top; those that are None or an empty text count as not given.

    Raises
    ------
    HemoError
        If the file is missing, no YAML, or has an unknown word or a value of a wrong type or range.

    Examples
    --------
    >>> experiment = load(None, protocol="holdout", seed=7)
    >>> str(experiment.protocol), experiment.seed, experiment.folds
    ('holdout', 7, 5)
    >>> load(None, {"gate": {"level": "slice"}}).gate.level
    'slice'
    """
    words: dict[str, Any] = {}
    if path:
        file = Path(path)
        if not file.is_file():
            raise HemoError(f"{file}: no such experiment file: give one of experiments/*.yaml")
        try:
            words = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        except UnicodeDecodeError as fault:
            raise HemoError(f"{file}: no UTF-8 at byte {fault.start}: save it anew as UTF-8") from None
        except RecursionError:
            raise HemoError(
                f"{file}: nests too deeply: an experiment file is a list of `word: value`"
            ) from None
        except (yaml.YAMLError, ValueError) as fault:  # a date of month 13 is a ValueError
            raise HemoError(f"{file}: not valid YAML: {' '.join(str(fault).split())}") from None
        if not isinstance(words, dict):
            raise HemoError(f"{file}: an experiment file is a list of `word: value` lines")
    words = _merged(words, changes)
    words |= {word: value for word, value in overrides.items() if value not in (None, "")}
    try:
        experiment = Experiment.model_validate(words)
    except ValidationError as fault:
        raise HemoError(f"{path or 'options'}: {_first_fault(fault)}") from None
    for name, params in experiment.families.items():
        families.check_params(name, params)
    return experiment


def _merged(words: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return words with changes in their place, section by section."""
    merged = dict(words)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merged(merged[name], value) if both else value
    return merged


def label_names(word: str) -> tuple[str, ...]:
    """Return the labels that a word on the command line stands for: one of the six, or `all`.

    Examples
    --------
    >>> label_names("epidural")
    ('epidural',)
    """
    if word == "all":
        return LABELS
    if word not in LABELS:
        raise HemoError(f"unknown label '{word}': choose one of {', '.join(LABELS)}, or all")
    return (word,)


def _first_fault(fault: ValidationError) -> str:
    error = fault.errors()[0]
    where = ".".join(str(step) for step in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"unknown word '{where}': known are {', '.join(Experiment.model_fields)}"
    if error["type"] == "value_error":
        return f"{where}: {error['ctx']['error']}" if where else str(error["ctx"]["error"])
    return f"{where}: {error['msg'].lower()} (got {reprlib.repr(error['input'])[:100]})"
