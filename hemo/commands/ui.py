"""`ui`: the MLflow UI, with links that land on the views that matter."""

import click

from hemo.commands import options


@click.command(
    epilog=options.examples("hemo ui", "hemo ui --experiment experiments/quickstart.yaml --port 8080")
)
@options.experiment
@click.option(
    "--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port on this machine."
)
@click.option("--print-only", is_flag=True, help="Print the links and start nothing.")
@options.tracked
def ui(experiment: str, port: int, print_only: bool) -> None:
    """Start the MLflow UI on this machine and print links into it.

    They open the table of training runs, the chart of recall by family, the comparison and the registry,
    of the experiment in the experiment file or else of the newest run. The server listens on 127.0.0.1
    only. Where MLFLOW_TRACKING_URI names a server, the links lead there and nothing is started.
    """
    from hemo import config, console, tracking
    from hemo.tracking import server, views

    name = config.load(experiment).name if experiment else ""
    experiment_id = tracking.newest_experiment(name)
    remote = server.remote()
    if not (remote or print_only):
        server.check_port(port)
    views.prepare(experiment_id)
    links = views.links(remote or f"http://127.0.0.1:{port}", experiment_id)
    for title, link in links.items():
        console.out.print(f"{title}\n  {link}", soft_wrap=True, style="bold")
    first = next(iter(links.values()))
    if remote and not print_only:
        server.open_browser(first)
    elif not print_only:
        server.serve(port, first)
