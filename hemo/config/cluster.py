"""What an experiment file says about a cluster's jobs."""

import re
import shutil
import subprocess
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from hemo.executors import THREAD_WORDS

OWN: Final = {
    "partition": "partition", "time": "minutes", "cpus-per-task": "cores", "mem": "memory",
    "gpus-per-node": "gpus", "job-name": "", "array": "", "output": "", "error": "", "open-mode": "",
    "signal": "", "chdir": "", "dependency": "", "wait": "", "wrap": "", "parsable": "", "test-only": "",
}  # fmt: skip
"""Options of sbatch that hemo gives itself, and the word that says them here."""


class Slurm(BaseModel):
    """What each of an experiment's jobs asks Slurm for, under `cluster: slurm`.

    Attributes
    ----------
    partition
        Where jobs are queued; empty: the cluster's default.
    minutes
        Time limit of a job. What has not ended by then goes on in a new job, behind its finished folds and
        epochs.
    cores
        Of each job.
    memory
        GB of each job; 0: 2 GB more than the `memory` promised to a process.
    gpus
        Of each job.
    setup
        Lines of shell before the work, such as `module load cuda`: a list, or a block of them.
    options
        Others of sbatch by their names, such as `{account: radiology, exclusive: true}`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    partition: str = ""
    minutes: int = Field(24 * 60, ge=1)
    cores: int = Field(2, ge=1)
    memory: int = Field(0, ge=0)
    gpus: int = Field(0, ge=0)
    setup: tuple[str, ...] = ()
    options: dict[str, bool | int | str] = Field(default_factory=dict)

    @field_validator("setup", mode="before")
    @classmethod
    def _split_lines(cls, setup: Any) -> Any:
        return setup.splitlines() if isinstance(setup, str) else setup

    @field_validator("setup")
    @classmethod
    def _check_lines(cls, setup: tuple[str, ...]) -> tuple[str, ...]:
        if setup and shutil.which("bash"):
            read = subprocess.run(
                ["bash", "-n"], input="\n".join(setup), capture_output=True, text=True, check=False
            )
            if read.returncode:
                raise ValueError(f"bash cannot read it: {' '.join(read.stderr.split())}")
        return setup

    @field_validator("options")
    @classmethod
    def _check_names(cls, options: dict[str, bool | int | str]) -> dict[str, bool | int | str]:
        for name, value in options.items():
            if not re.fullmatch(r"[a-z][a-z0-9-]+", name):
                raise ValueError(f"'{name}' is no long option of sbatch: write account, qos, exclusive, ...")
            if name in OWN:
                raise ValueError(f"{name}: hemo's own{OWN[name] and f', say slurm.{OWN[name]}'}")
            if value is False or "\n" in str(value):
                raise ValueError(f"{name}: give a value, or true for a switch")
        return options

    @property
    def prologue(self) -> list[str]:
        """Lines of shell before the work: as many threads as cores, and `setup`."""
        return [*(f"export {word}={self.cores}" for word in THREAD_WORDS), *self.setup]

    def directives(self, name: str, promised: int) -> dict[str, str | int | bool]:
        """Return the options of sbatch for a job, by their names; True for a switch.

        Parameters
        ----------
        name
            Of the job, in Slurm's queue.
        promised
            Bytes that a process promises to keep to.
        """
        found: dict[str, str | int | bool] = {
            "job-name": name,
            "time": self.minutes,
            "cpus-per-task": self.cores,
            "mem": f"{self.memory or -(-promised // 10**9) + 2}G",
            "requeue": True,
        }
        if self.partition:
            found["partition"] = self.partition
        if self.gpus:
            found["gpus-per-node"] = self.gpus
        return found | self.options
