"""`hemo slurm`: the same commands as batch jobs of Slurm, an array where there are many of a kind."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hemo import commands
from hemo.commands import options
from hemo.errors import HemoError

if TYPE_CHECKING:
    from hemo.config import Experiment

KINDS = ("main", "preprocess", "train", "tune")

SCRIPT = """\
#!/bin/bash
# Made by `hemo slurm`; it may be changed, and is submitted by `sbatch {file}`.
{directives}
# At the end of its time, and where it is preempted, a job is queued again, and goes on where it was.
again() {{
    kill -TERM "$work"
    wait "$work"
    scontrol requeue "${{SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}}${{SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}}"
}}
trap again USR1
{setup}
cd {folder} || exit
{work} &
work=$!
wait "$work"
"""

HERE = ("--cluster", "none")
"""What lets a job do its work itself, where the experiment file names a cluster."""

NOTICE = 120
"""Seconds before a job's time limit at which it is told."""


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog=options.examples(
        "hemo slurm main --experiment experiments/ct-ich.yaml --images scans --labels labels.csv",
        "hemo slurm tune --experiment experiments/tune.yaml --submit",
        "hemo slurm preprocess --images scans --labels labels.csv --slurm 'minutes=60 cores=8' --submit",
    ),
)
@click.option("--submit", is_flag=True, help="Submit what was written.")
@click.option(
    "--out", metavar="DIR", default="jobs", show_default=True, help="Folder for the scripts and their logs."
)
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[WORDS OF THE COMMAND]...")
def slurm(submit: bool, out: str, kind: str, words: tuple[str, ...]) -> None:
    """Write batch scripts of Slurm that run hemo's own commands, and submit them.

    Each job asks for what the section `slurm` of the experiment file says. Jobs are queued again by Slurm
    after a node's failure or a preemption, and by themselves at their time limit; they go on where they were.

    \b
    main        a job makes the store, an array trains (a job for each family and label), a last one
                compares and promotes
    train       the array alone
    tune        an array, a job for each family and label
    preprocess  one job
    """  # noqa: D301 - click wants the character \b
    from hemo.console import next_commands
    from hemo.console import out as terminal

    if len(words) == 1 and " " in words[0]:  # of MLproject, whose parameters are one word each
        words = tuple(shlex.split(words[0]))
    if set(out) & {"\n", "%"}:
        raise HemoError(f"--out '{out}': Slurm would read % and line breaks in it: give another folder")
    folder = Path(out)
    try:
        (folder / "logs").mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise HemoError(f"--out {folder}: no folder can be made there: {fault.strerror}") from None
    scripts = [_written(folder, *one) for one in _jobs(kind, words)]
    for script in scripts:
        terminal.print(f"wrote {script}", markup=False)
    if not submit:
        next_commands(*_by_hand(scripts))
        return
    for job in _submitted(scripts):
        terminal.print(f"submitted job {job}")
    next_commands("squeue --me", "hemo ui")


Job = tuple[str, "Experiment", list[list[str]]]
"""A name, whose settings are asked for, and commands: several are an array."""


def _jobs(kind: str, words: Sequence[str]) -> list[Job]:
    """Return the jobs of a command, whose words are checked as if it were to run now."""
    from hemo import config, families
    from hemo.labels import LABELS

    given = _given(kind, words)
    hemo = [sys.executable, "-m", "hemo"]
    if kind == "preprocess":
        asked = {"slurm": options.parse_words("--slurm", given["slurm"])}
        return [("preprocess", config.load(None, asked), [[*hemo, kind, *words]])]
    settings = config.load(given["experiment"], options.nested(given["changes"]))
    if given.get("only"):
        raise HemoError("--only: jobs are given their own")
    from hemo import tracking  # loads MLflow, for seconds: not before what was given is right

    tracking.check_shared()
    if kind == "tune":
        _check_storage(given["storage"] or settings.tuning.storage)
        label, family = given["label"], given["family"]
        labels = config.label_names(label) if label else settings.tuning.labels
        chosen = [word.strip() for word in family.split(",")] if family else list(settings.families)
        each = [
            [*hemo, "tune", *words, "--family", one, "--label", name, *HERE]
            for one in chosen
            for name in labels
        ]
        return [("tune", settings, each)]
    if not settings.families:
        raise HemoError("families: the experiment names none: there is nothing to train")
    fits = sum(1 if families.get(word).together else len(LABELS) for word in settings.families)
    main = [*hemo, "main", *words, *HERE]
    array: Job = ("train", settings, [[*main, "--only", f"{k}/{fits}"] for k in range(fits)])
    if kind == "train":
        return [array]
    return [("store", settings, [[*main, "--only", "store"]]), array, ("main", settings, [main])]


def _check_storage(url: str) -> None:
    import mlflow

    from hemo.tuning import storage

    storage.check_shared(url or storage.default_url(mlflow.get_tracking_uri()))


def _given(kind: str, words: Sequence[str]) -> dict[str, Any]:
    """Return what a command would be given; click raises what it says of wrong words."""
    command = commands.load("main" if kind == "train" else kind)
    assert command is not None
    return command.make_context(f"hemo {kind}", list(words)).params


def _written(folder: Path, name: str, settings: "Experiment", work: list[list[str]]) -> Path:
    """Write a script, and return where."""
    from hemo import memory

    file = folder / f"{name}.sh"
    many = len(work) > 1
    directives = {
        **settings.slurm.directives(f"hemo-{name}", memory.parse(settings.memory)),
        "output": f"{folder.absolute()}/logs/{name}-%A{'_%a' if many else ''}.log",
        "open-mode": "append",
        "signal": f"B:USR1@{NOTICE}",
        **({"array": f"0-{len(work) - 1}"} if many else {}),
    }
    lines = [
        f"#SBATCH --{word}" if value is True else f"#SBATCH --{word}={shlex.quote(str(value))}"
        for word, value in directives.items()
    ]
    done = [shlex.join(one) for one in work]
    if many:
        cases = "\n".join(f"    {k}) exec {command} ;;" for k, command in enumerate(done))
        done = [f'do_one() {{\ncase "$SLURM_ARRAY_TASK_ID" in\n{cases}\nesac\n}}\ndo_one']
    file.write_text(
        SCRIPT.format(
            file=shlex.quote(str(file)),
            directives="\n".join(lines),
            setup="\n".join(settings.slurm.prologue),
            folder=shlex.quote(os.getcwd()),
            work=done[0],
        )
    )
    file.chmod(0o755)
    return file


def _by_hand(scripts: Sequence[Path]) -> list[str]:
    """Return the commands that submit scripts one behind the other."""
    first, *others = (shlex.quote(str(script)) for script in scripts)
    lines = [f"sbatch {first}"]
    return lines + [f"sbatch --dependency=afterany:JOB {script}   # JOB: the one before" for script in others]


def _submitted(scripts: Sequence[Path]) -> list[str]:
    """Submit scripts, each to begin when the one before has ended; return their jobs' numbers."""
    if shutil.which("sbatch") is None:
        raise HemoError("no sbatch on PATH: submit the scripts on a machine that knows Slurm (a login node)")
    jobs: list[str] = []
    for script in scripts:
        behind = [f"--dependency=afterany:{jobs[-1]}"] if jobs else []
        done = subprocess.run(
            ["sbatch", "--parsable", *behind, script], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise HemoError(f"{script}: Slurm refuses it: {' '.join(done.stderr.split())}")
        jobs.append(done.stdout.strip().split(";")[0])
    return jobs
