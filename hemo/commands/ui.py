"""`ui`: the MLflow UI, with links that land on the views that matter."""

import click


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
@click.option("--experiment", metavar="NAME", default="", help="Experiment to land on; default: the newest.")
@click.option("--print-only", is_flag=True, help="Print the links and start nothing.")
def ui(port: int, experiment: str, print_only: bool) -> None:
    """Start the MLflow UI on this machine and print links into it.

    The links open the runs table with recall, AUC, label and family as columns, the chart of recall by
    family, and the registry. The server listens on 127.0.0.1 only.
    """
    from hemo import console, tracking, views

    links = views.links(f"http://127.0.0.1:{port}", tracking.newest_experiment(experiment))
    for title, link in links.items():
        console.out.print(f"[bold]{title}[/bold]\n  {link}", soft_wrap=True)
    if print_only:
        return
    views.serve(port, next(iter(links.values())))
