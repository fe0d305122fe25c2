"""A Slurm of four shell scripts, for tests where there is none: jobs are processes, without a queue.

What hemo does on a real one is in `on_a_cluster.py`.
"""

from pathlib import Path

SCRIPTS = {
    "sbatch": """\
        script="${@: -1}"
        id=$(mktemp -p "$HERE/jobs" --suffix=.job "$(date +%s%N | tail -c 8)XXX" | tr -dc 0-9 | tail -c 7)
        rm -f "$HERE"/jobs/*.job
        touch "$HERE/jobs/$id"
        (
            export SLURM_JOB_ID=$id SLURM_PROCID=0 SLURM_NTASKS=1
            setsid bash "$script"
            rm -f "$HERE/jobs/$id"
        ) > "$HERE/$id.log" 2>&1 < /dev/null &
        case "$*" in *--parsable*) echo "$id" ;; *) echo "Submitted batch job $id" ;; esac
        """,
    "srun": """\
        while [ "${1#-}" != "$1" ]; do
            case $1 in
            --output) out=$2; shift 2 ;;
            --error) err=$2; shift 2 ;;
            *) shift ;;
            esac
        done
        named() { sed "s/%j/$SLURM_JOB_ID/; s/%t/0/" <<< "$1"; }
        exec "$@" > "$(named "$out")" 2> "$(named "$err")"
        """,
    "squeue": 'ls "$HERE/jobs"\n',
    "scancel": 'for id in "$@"; do pkill -TERM -f "submitit.core._submit.*" ; rm -f "$HERE/jobs/$id"; done\n',
}


def install(folder: Path) -> Path:
    """Write the scripts, and return the folder that goes before others on PATH."""
    (folder / "jobs").mkdir(parents=True)
    programs = folder / "bin"
    programs.mkdir()
    for name, text in SCRIPTS.items():
        lines = ["#!/bin/bash", f"HERE={folder}", *(line.removeprefix(" " * 8) for line in text.splitlines())]
        (programs / name).write_text("\n".join(lines) + "\n")
        (programs / name).chmod(0o755)
    return programs
