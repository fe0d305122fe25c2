"""Many tuning workers on one PostgreSQL: whether the budget is kept, and what the database costs a trial.

    python -m benchmarks.bench_workers postgresql+psycopg://USER:PASSWORD@HOST/DATABASE --workers 64

Workers are processes that take turns, ask and tell as `hemo tune`'s do, with trials that sleep. With --proxy
they talk to Optuna's gRPC proxy, which alone talks to the database; the lock stays the database's.
"""

import json
import multiprocessing
import random
import socket
import threading
import time
import uuid
from multiprocessing.synchronize import Barrier
from typing import Any

import click
import optuna
from optuna.trial import TrialState

from hemo.config.tuning import Budget
from hemo.tuning import storage as storages
from hemo.tuning.lock import DatabaseLock
from hemo.tuning.trial import RESULT
from hemo.tuning.worker import take_trials

FACTS = {"objective": "auc"}

ENDED = json.dumps({"params": {}, "figures": {}, "folds": {}, "epochs": [], "same_as": None, "reason": ""})


def work(
    url: str, port: int, name: str, trials: int, workers: int, number: int, ready: Barrier, spent: Any
) -> None:
    """Take trials as a worker, and add what the database took to `spent`: seconds, and statements."""
    from sqlalchemy import event

    lock = DatabaseLock(url, name)
    if port:
        storage: Any = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=port)
    else:
        storage = storages.open_storage(url)

        def before(connection: Any, *_: Any) -> None:
            connection.info["since"] = time.perf_counter()

        def after(connection: Any, *_: Any) -> None:
            with spent.get_lock():
                spent[0] += time.perf_counter() - connection.info["since"]
                spent[1] += 1

        event.listen(storage.engine, "before_cursor_execute", before)
        event.listen(storage.engine, "after_cursor_execute", after)
    study = optuna.load_study(
        study_name=name, storage=storage, sampler=optuna.samplers.TPESampler(seed=number)
    )
    draw = random.Random(number)

    def run(trial: optuna.Trial, _: float) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.suggest_categorical("solver", ["a", "b", "c"])
        time.sleep(draw.uniform(2, 6))
        trial.set_user_attr(RESULT, ENDED)
        return x

    ready.wait()
    take_trials(study, lock, Budget(trials=trials), run, workers)


@click.command()
@click.argument("url")
@click.option("--workers", default=64, show_default=True)
@click.option("--trials", default=300, show_default=True)
@click.option("--proxy", is_flag=True, help="Through Optuna's gRPC proxy.")
def main(url: str, workers: int, trials: int, proxy: bool) -> None:
    """Print how many trials ended with a value, and what the database took of each."""
    name = f"workers {uuid.uuid4().hex[:8]}"
    storage = storages.open_storage(url)
    study = storages.open_study(storage, name, ["maximize"], FACTS)
    port = _proxy(storage) if proxy else 0
    context = multiprocessing.get_context("spawn")
    spent, ready = context.Array("d", 2), context.Barrier(workers + 1)
    words = (url, port, name, trials, workers)
    crew = [context.Process(target=work, args=(*words, number, ready, spent)) for number in range(workers)]
    for one in crew:
        one.start()
    ready.wait()
    start = time.perf_counter()
    for one in crew:
        one.join()
    took = time.perf_counter() - start
    ended = study.get_trials(deepcopy=False)
    complete = sum(trial.state == TrialState.COMPLETE for trial in ended)
    ideal = trials * 4 / workers
    print(f"{workers} workers, {trials} trials asked: {complete} with a value, overshoot {complete - trials}")
    print(f"{len(ended) - complete} others; {took:.0f} s, of which trials alone would take {ideal:.0f}")
    if not proxy:
        print(
            f"database: {1000 * spent[0] / complete:.0f} ms and {spent[1] / complete:.0f} statements a trial"
        )
    optuna.delete_study(study_name=name, storage=storage)


def _proxy(storage: optuna.storages.RDBStorage) -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    serve = optuna.storages.run_grpc_proxy_server
    threading.Thread(
        target=serve, args=(storage,), kwargs={"host": "127.0.0.1", "port": port}, daemon=True
    ).start()
    time.sleep(3)
    return port


if __name__ == "__main__":
    main()
