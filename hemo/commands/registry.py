"""`promote`, `rollback`, `registry` and `history`: what is in production, and how it came there."""

from typing import TYPE_CHECKING, Any

import click

from hemo.commands import following, options
from hemo.errors import HemoError

if TYPE_CHECKING:
    from hemo.registry.chain import Record
    from hemo.registry.standing import Standing


@click.command(
    epilog=options.examples(
        "hemo promote --experiment experiments/quickstart.yaml --dry-run",
        "hemo promote --experiment experiments/quickstart.yaml --label any --override 'a demonstration'",
    )
)
@options.experiment
@options.label
@click.option("--dry-run", is_flag=True, help="Judge and show every condition; write and move nothing.")
@click.option("--override", metavar="REASON", default="", help="Promote one label against the gate.")
@options.of_runs
def promote(experiment: str, label: str, dry_run: bool, override: str) -> None:
    """Put the best family of each label through the gate, and into production where it passes.

    A refusal is an answer, not a fault: the exit status is 0. Every decision leaves its report with the
    run `promotion` and with the candidate, and a record in `hemo history LABEL`. An override is for one
    label at a time, and is shown in red wherever the version is shown.
    """
    from hemo import config, console
    from hemo.registry import gate_page, promotion

    if override and label == "all":
        raise HemoError("--override is a decision about one classifier: give --label")
    labels = config.label_names(label)
    settings, found = options.of_newest(experiment)
    if dry_run:
        table, cases = promotion.rehearse(settings, found, labels)
        for case in cases:
            console.out.print(gate_page.conditions(case.run.name, case.verdict))
        gate_page.print_decisions(table)
        one = "" if label == "all" else label
        console.next_commands(f"hemo promote{following.typed(experiment=experiment, label=one)}")
        return
    table = promotion.promote(settings, found, labels=labels, override=override)
    gate_page.print_decisions(table)
    if override and "overridden" not in set(table["decision"]):
        console.err.print("The reason given with --override was not needed, and is not recorded.")
    first = table["label"].iloc[0]
    console.next_commands(
        "hemo registry", f"hemo history {first}", *following.predictions(settings, "predictions.html")
    )


@click.command(epilog=options.examples("hemo rollback epidural --reason 'too many calls at night'"))
@click.argument("label")
@click.option("--reason", metavar="WORDS", default="", help="Why; recorded.")
@options.of_runs
def rollback(label: str, reason: str) -> None:
    """Put the version of LABEL that was in production before back into production.

    What was in production becomes `previous`, so that a second rollback undoes the first.
    """
    from hemo import config, console
    from hemo.registry import aliases
    from hemo.registry import promotion as actions

    if label == "all":
        raise HemoError("rollback is a decision about one classifier: name its label")
    (one,) = config.label_names(label)
    record = actions.rollback(one, reason)
    console.out.print(
        f"{one}: version {record.after['production']} is in production again"
        f" (version {record.before.get('production', 'none')} was)"
    )
    if reason_against := aliases.overridden(record.model).get(record.after["production"]):
        console.out.print(f"it is there against the gate: {reason_against}", style="bold red")
    console.next_commands("hemo registry", f"hemo history {one}")


@click.command(epilog=options.examples("hemo registry"))
@options.where_runs_are
def registry() -> None:
    """Show what is in production, since when, why, and what it replaced.

    What a killed process left open is completed first, and what was done by hand in MLflow is recorded.
    """
    from hemo import console
    from hemo.registry import in_production

    rows = in_production.rows()
    console.out.print(in_production.overview(rows))
    for line in in_production.reasons(rows):
        console.out.print(line, soft_wrap=True, markup=False)
    for warning in in_production.warnings(rows):
        console.out.print(warning, style="bold red")
    console.next_commands("hemo history LABEL", "hemo rollback LABEL", "hemo promote --experiment FILE")


@click.command(epilog=options.examples("hemo history epidural", "hemo history panel", "hemo history all"))
@click.argument("label")
@options.where_runs_are
def history(label: str) -> None:
    """Show every decision about LABEL (or `panel`, or `all`), oldest first, with what was done by hand."""
    from hemo import config, console
    from hemo.registry import standing
    from hemo.registry.names import model_name

    labels = ["panel"] if label == "panel" else [*config.label_names(label)]
    models = [model_name(one) for one in (*labels, *(["panel"] if label == "all" else []))]
    found = standing.now()
    if left := [model for model in models if not found.is_settled(model)]:
        from hemo.registry import aliases  # loads MLflow, for seconds: only where something is to be done

        for model in left:
            aliases.settle(model)
        found = standing.now()
    for model in models:
        _show_history(model, found)
    before = label not in ("panel", "all") and "previous" in found.aliases.get(model_name(label), {})
    console.next_commands("hemo registry", *([f"hemo rollback {label}"] if before else []))


def _show_history(model: str, found: "Standing") -> None:
    from rich.text import Text

    from hemo import console
    from hemo.display.terminal import table
    from hemo.registry import chain

    records = found.histories.get(model, [])
    if not records:
        console.out.print(f"{model}: nothing was decided yet")
        return
    against = found.overrides(model)
    header = ("when", "what", "version", "aliases after", "by", "why")
    shown = table(f"History of {model}", header, numbers=False)
    for record in records:
        red = record.action in ("override", "by hand") or record.after.get("production") in against
        style = "bold red" if red else "dim" if record.state == "undone" else ""
        shown.add_row(*(Text(cell, style=style) for cell in _cells(record)))
    console.out.print(shown)
    for fault in chain.faults(records):
        console.out.print(f"the history itself was changed: {fault}", style="bold red")


def _cells(record: "Record") -> tuple[str, ...]:
    from hemo.registry.chain import when

    def text(aliases: dict[str, Any]) -> str:
        return " ".join(f"{alias}={version}" for alias, version in aliases.items()) or "none"

    after = "unchanged" if record.after == record.before else text(record.after)
    state = "" if record.state == "done" else f" ({record.state})"
    family = f" {record.family}" if record.family else ""
    return (when(record.at), record.action + state, record.version + family, after, record.by, record.reason)
