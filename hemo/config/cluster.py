"""What an experiment file says about a cluster's jobs."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


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
        Lines of shell before the work, such as `module load cuda`.
    options
        Others of sbatch by their names, such as `{account: radiology, qos: long}`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    partition: str = ""
    minutes: int = Field(24 * 60, ge=1)
    cores: int = Field(2, ge=1)
    memory: int = Field(0, ge=0)
    gpus: int = Field(0, ge=0)
    setup: tuple[str, ...] = ()
    options: dict[str, str | int] = Field(default_factory=dict)

    def gigabytes(self, promised: int) -> int:
        """Return the GB a job asks for, given the bytes that a process promises to keep to."""
        return self.memory or -(-promised // 10**9) + 2

    def asked_for(self, name: str, promised: int) -> dict[str, Any]:
        """Return the same in submitit's words.

        Parameters
        ----------
        name
            Of the jobs, in Slurm's queue.
        promised
            Bytes that a process promises to keep to.
        """
        from hemo.executors import THREAD_WORDS

        threads = [f"export {word}={self.cores}" for word in THREAD_WORDS]
        asked: dict[str, Any] = {
            "job_name": name,
            "time": self.minutes,
            "cpus_per_task": self.cores,
            "mem": self.gigabytes(promised),
            "setup": [*threads, *self.setup],
            "additional_parameters": {"requeue": True, **self.options},
        }
        if self.partition:
            asked["partition"] = self.partition
        if self.gpus:
            asked["gpus_per_node"] = self.gpus
        return asked
