"""What may be typed next: never what would send scans of patients to what is made of phantoms."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hemo.config import Experiment

OWN_PANEL = "hemo main --experiment experiments/best.yaml --images DIR --labels FILE   # learns from scans"
"""What helps whoever has scans, and a panel that is made of synthetic data."""


def typed(**options: str | Path) -> str:
    """Return options as they are typed behind a command; one that is empty was not given.

    Examples
    --------
    >>> typed(experiment="my file.yaml", store="")
    " --experiment 'my file.yaml'"
    """
    return "".join(f" --{name} {shlex.quote(str(value))}" for name, value in options.items() if value)


def predictions(config: "Experiment", out: str) -> list[str]:
    """Return the command that predicts an experiment's scans; none where no panel is there that is for them.

    Parameters
    ----------
    config
        The experiment: its scans are the phantom's where it names none, and one was made.
    out
        File to write.
    """
    from hemo.registry import panel
    from hemo.synthetic import PHANTOM
    from hemo.tracking import trained_on

    production = panel.production()
    store = trained_on.at_hand(config.store_folder)
    made = config.folder / "phantom"
    phantom = config.dataset == PHANTOM and made.is_dir()
    drawn = phantom or bool(config.images and store and store.synthetic)
    if not production or (panel.synthetic_members(production) and not drawn):
        return []
    scans = made if phantom else config.images or "FILES..."
    return [f"hemo predict {shlex.quote(str(scans))}{typed(out=out)}"]
