"""`hemo doctor`: what a team's machines need, tried before it is relied on."""

from typing import Any

import click

from hemo.commands import options
from hemo.commands.tune import storage
from hemo.errors import HemoError


@click.command(
    epilog=options.examples(
        "hemo doctor",
        "hemo doctor --experiment experiments/ct-ich.yaml --cluster slurm --workers 3",
    )
)
@options.together(options.experiment, options.store, options.workers, options.cluster, storage)
def doctor(experiment: str, storage: str, **words: Any) -> None:
    """Try what hemo needs: tracking store, database, shared folder, weights, and workers of a cluster.

    Each is used as the other commands use it: a lock is taken, a file renamed, a task done by each worker,
    whose versions are compared with those here. What is wrong is said with what mends it.
    """
    from rich.text import Text

    from hemo import doctor as checks
    from hemo.console import err, out
    from hemo.display.terminal import table

    settings = options.settings(experiment, changes="", **words)
    rows, wrong = [], 0
    for found in checks.examine(settings, storage or checks.default_storage(settings)):
        state = Text("well", style="green") if found.well else Text("wrong", style="red")
        rows.append((found.what, state, found.said))
        wrong += not found.well
        err.print(f"{found.what}: {state}{'' if found.well else f': {found.said}'}", markup=False)
    out.print(table("What was tried", ("what", "", "found"), rows, numbers=False))
    if wrong:
        raise HemoError(f"{wrong} of {len(rows)} checks found something wrong: see above for what mends it")
