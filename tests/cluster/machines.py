"""Services of Debian's packages in a folder: a Slurm of three nodes, and what services/debian.sh starts."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]

NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "nginx", "openssl")
PACKAGES = "munge slurmctld slurmd slurm-client postgresql nginx-light openssl"

# cred_expire: also for how long a requeued job waits, two minutes by default.
SLURM = """\
ClusterName=hemo
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=15
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
MailProg=/bin/true
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
KillWait=5
NodeName=n[1-3] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs=2 RealMemory=16000
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """Return the programs that are not installed."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return [name for name in NEEDED if shutil.which(name, path=path) is None]


def free_ports(count: int) -> list[int]:
    """Return ports in a row that nobody listens on."""
    for first in range(21000, 32000, 16):
        try:
            for port in range(first, first + count):
                with socket.socket() as one:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    one.bind(("127.0.0.1", port))
        except OSError:
            continue
        return list(range(first, first + count))
    raise RuntimeError("no free ports")


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Run a Slurm of three nodes of two cores, and give the environment in which it is found."""
    ports = free_ports(4)
    for name in ("state", *(f"spool/n{number}" for number in (1, 2, 3))):
        (folder / name).mkdir(parents=True)
    munge = folder / "munge"
    munge.mkdir(mode=0o700)
    key = munge / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    conf = folder / "slurm.conf"
    host = socket.gethostname().split(".")[0]
    conf.write_text(SLURM.format(folder=folder, host=host, port=ports[0], first=ports[1], last=ports[3]))
    environ = {"SLURM_CONF": str(conf), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    everywhere = {**os.environ, **environ}

    def begin(*command: str) -> None:
        subprocess.run(command, env=everywhere, check=True, stdout=subprocess.DEVNULL)

    begin(
        "munged", "--force", f"--key-file={key}", f"--socket={folder}/munge.sock", f"--pid-file={munge}/pid",
        f"--log-file={munge}/log", f"--seed-file={munge}/seed",
    )  # fmt: skip
    try:
        begin("slurmctld")
        for number in (1, 2, 3):
            begin("slurmd", "-N", f"n{number}")
        yield environ
    finally:
        subprocess.run(["scancel", "--user", "root"], env=everywhere, check=False)
        time.sleep(2)
        for pid in [*folder.glob("slurmd-*.pid"), folder / "slurmctld.pid", munge / "pid"]:
            if pid.exists():
                os.kill(int(pid.read_text()), signal.SIGTERM)


def kill_node(folder: Path, name: str) -> None:
    """Let a node of the Slurm in a folder fail with all that it does, and come back."""
    jobs = _said("squeue", "--noheader", "--format=%A", f"--nodelist={name}").split()
    steps = tuple(f"slurmstepd: [{job}." for job in jobs)
    found = {process: " ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])}
    daemon = psutil.Process(int((folder / f"slurmd-{name}.pid").read_text()))
    above = [process for process, words in found.items() if words.startswith(steps)]
    # First those that would tell of the others' end, as no failing node does.
    for process in [daemon, *above, *(one for one in found if _node(one) == name)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    _said("scontrol", "update", f"nodename={name}", "state=down", "reason=killed")
    _said("slurmd", "-N", name)  # begins anew, and its node is back


def _node(process: psutil.Process) -> str | None:
    with suppress(psutil.Error):
        return process.environ().get("SLURMD_NODENAME")
    return None


def _said(*command: str) -> str:
    path = f"{os.environ['PATH']}:/usr/sbin"
    return subprocess.run(
        command, env={**os.environ, "PATH": path}, check=True, capture_output=True, text=True
    ).stdout


class Services:
    """PostgreSQL and an MLflow server behind a password, of `services/debian.sh`, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        web, database, self.mlflow = free_ports(3)
        self._ports = {"PORT": str(web), "PGPORT": str(database), "MLFLOW_PORT": str(self.mlflow)}

    def start(self) -> None:
        """Begin what does not run."""
        self._do("start")

    def stop(self) -> None:
        """End all."""
        self._do("stop")

    def _do(self, word: str) -> None:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin"
        environ = {**os.environ, **self._ports, "PATH": path, "WORKERS": "1"}
        subprocess.run([ROOT / "services/debian.sh", word, self.folder], env=environ, check=True)

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a client."""
        lines = (self.folder / "client.env").read_text().splitlines()
        return dict(line.removeprefix("export ").split("=", 1) for line in lines)


@contextmanager
def services(folder: Path) -> Iterator[Services]:
    """Run them while the body runs."""
    found = Services(folder)
    found.start()
    try:
        yield found
    finally:
        found.stop()
