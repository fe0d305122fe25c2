import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import optuna
import pytest

from hemo.config.tuning import Tuning
from hemo.tuning import search
from hemo.tuning import storage as storages
from hemo.tuning.lock import turn
from tests.tuning.test_search import KILLS, SLOW, check_survived, kill_workers

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(shutil.which("pg_ctl") or "/no").parent]


class Server:
    """A PostgreSQL server of its own, that can be killed and started again."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.url = f"postgresql+psycopg://hemo@127.0.0.1:{port}/postgres"

    def control(self, program: str, *words: str) -> None:
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []  # it refuses to run as root
        subprocess.run([*user, str(BINARIES[-1] / program), *words], check=True, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"
        log = str(self.folder / "log")
        self.control("pg_ctl", "-D", str(self.folder / "data"), "-o", options, "-l", log, "-w", "start")

    def kill(self) -> None:
        self.control("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")


@pytest.fixture
def server(tmp_path_factory):
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    if not (BINARIES[-1] / "initdb").exists():
        pytest.skip("PostgreSQL is not installed")
    import socket
    import tempfile

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="hemo-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    server = Server(folder, port)
    server.control("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "hemo", "--no-sync")
    server.start()
    yield server
    server.kill()
    shutil.rmtree(folder)


def test_a_study_outlives_its_workers_and_its_databases_restart(world, server):
    world = world.model_copy(update={"workers": 2 if KILLS < 10 else 3, "families": SLOW})
    name = "bleeding/sgd/any"
    storage = storages.open_storage(server.url)

    def restart() -> None:
        while name not in optuna.get_all_study_names(storage):
            time.sleep(0.1)
        study = optuna.load_study(study_name=name, storage=storage)
        while len(study.get_trials(deepcopy=False)) < KILLS + 1:
            time.sleep(0.1)
        server.kill()
        time.sleep(1)
        server.start()

    restarting = threading.Thread(target=restart, daemon=True)
    restarting.start()
    ended = threading.Event()
    killed = kill_workers(name, server.url, KILLS, ended)
    search.tune(world, Tuning(budget={"trials": 5 * KILLS}, storage=server.url), ["sgd"], ["any"])
    ended.set()
    restarting.join()
    assert killed
    check_survived(optuna.load_study(study_name=name, storage=storage), 5 * KILLS)


def test_turns_are_taken_by_clients_of_one_database_and_end_with_their_connection(server):
    first, second = turn(server.url, "a study"), turn(server.url, "a study")
    taken: list[str] = []

    def take() -> None:
        with second:
            taken.append("second")

    with first, turn(server.url, "another"):  # other names do not exclude each other
        waiting = threading.Thread(target=take)
        waiting.start()
        time.sleep(0.5)
        assert not taken
    waiting.join(timeout=30)
    assert taken == ["second"]
    with first:
        server.kill()  # what holds it can let go no more
        server.start()
        with second:
            pass
    with first:
        pass
