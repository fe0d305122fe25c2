"""The click commands, each loaded when it is named, and each an entry point of MLproject under its name."""

import importlib

import click

COMMANDS = {
    "main": "hemo.commands.train:main",
    "phantom": "hemo.commands.phantom:phantom",
    "preprocess": "hemo.commands.data:preprocess",
    "store": "hemo.commands.data:store",
    "tune": "hemo.commands.tune:tune",
    "study": "hemo.commands.tune:study",
    "compare": "hemo.commands.compare:compare",
    "audit": "hemo.commands.audit:audit",
    "promote": "hemo.commands.registry:promote",
    "rollback": "hemo.commands.registry:rollback",
    "registry": "hemo.commands.registry:registry",
    "history": "hemo.commands.registry:history",
    "verify": "hemo.commands.verify:verify",
    "predict": "hemo.commands.predict:predict",
    "evaluate": "hemo.commands.evaluate:evaluate",
    "stress": "hemo.commands.stress:stress",
    "reproduce": "hemo.commands.reproduce:reproduce",
    "ui": "hemo.commands.ui:ui",
    "slurm": "hemo.commands.slurm:slurm",
    "doctor": "hemo.commands.doctor:doctor",
    "backbones": "hemo.commands.backbones:backbones",
}
"""Where each command is defined; every registered family is a command too."""


def names() -> list[str]:
    """Return the names in the order in which commands are used: families in the middle."""
    found = list(COMMANDS)
    middle = found.index("tune")
    return found[:middle] + family_names() + found[middle:]


def family_names() -> list[str]:
    """Return the names of the families without importing them."""
    import hemo.families

    return hemo.families.names()


def load(name: str) -> click.Command | None:
    """Load a command; None for a word that is no command."""
    if name not in COMMANDS and name in family_names():
        from hemo.commands.train import family_command

        return family_command(name)
    if name not in COMMANDS:
        return None
    module, attribute = COMMANDS[name].split(":")
    command: click.Command = getattr(importlib.import_module(module), attribute)
    return command
