"""The command of a cohort, and the script that does the same on a SLURM cluster."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from immunescape.io.output import atomic_path
from immunescape.params import Between, Params

__all__ = ["ClusterParams", "cohort_words", "command_line", "slurm_script", "write_script"]

_PROGRAM = "immunescape"
_LOGS = "logs"


@dataclass(frozen=True, kw_only=True)
class ClusterParams(Params):
    """What an array job asks of a SLURM cluster.

    Parameters
    ----------
    shards
        Parts that the cohort is done in, each a task of its own.
    processors
        Processors of a task.
    memory
        Memory of a task.
    hours
        How long a task may take.
    """

    shards: Annotated[int, Between(1, 1000)] = 8
    processors: Annotated[int, Between(1, 256)] = 8
    memory: Annotated[int, Between(1, 4000, unit="GB")] = 32
    hours: Annotated[int, Between(1, 240)] = 12


def cohort_words(
    sheet: Path, out: Path, *, workers: int = 1, shard: str = "", collect: bool = False,
    retry_failed: bool = False,
) -> list[str]:  # fmt: skip
    """Return the words after ``immunescape`` that run a cohort.

    Parameters
    ----------
    sheet, out
        The sample sheet, and the folder of the cohort.
    workers
        Processes on one machine.
    shard
        ``K/N``: the part that is done; all where empty.
    collect
        Whether only what follows all parts is done.
    retry_failed
        Whether slides that failed are tried again.
    """
    words = ["cohort", str(sheet), "-o", str(out)]
    words += ["--workers", str(workers)] if workers > 1 else []
    words += ["--shard", shard] if shard else []
    words += ["--collect"] if collect else []
    return [*words, "--retry-failed"] if retry_failed else words


def command_line(words: list[str]) -> str:
    """Return words after ``immunescape`` as one types them into a shell."""
    return shlex.join([_PROGRAM, *words])


def slurm_script(sheet: Path, out: Path, asked: ClusterParams) -> str:
    """Return a script for the login node of a cluster: an array job, and what follows it.

    Parameters
    ----------
    sheet, out
        The sample sheet, and the folder of the cohort, where the cluster finds them.
    asked
        What is asked of the cluster.

    Returns
    -------
    str
        A script for bash. It submits both jobs; the second waits until the first has ended,
        however that went: a shard that failed is told in ``failures.csv``.
    """
    part = f"${{SLURM_ARRAY_TASK_ID}}/{asked.shards}"
    # the shell on the node fills in the number, so that this word is quoted otherwise
    array = command_line(cohort_words(sheet, out)) + f' --shard "{part}"'
    after = command_line(cohort_words(sheet, out, collect=True))
    logs = out / _LOGS
    needs = f"--cpus-per-task={asked.processors} --mem={asked.memory}G --time={asked.hours}:00:00"
    return "\n".join(
        (
            "#!/bin/bash",
            "# Runs a cohort on a SLURM cluster: bash this file on the login node, in the",
            "# environment that immunescape is installed in. For research use, not for diagnosis.",
            "set -euo pipefail",
            f"mkdir -p {shlex.quote(str(logs))}",
            f"job=$(sbatch --parsable --job-name=immunescape --array=1-{asked.shards} \\",
            f"  {needs} \\",
            f"  --output={shlex.quote(str(logs / 'slurm-%A_%a.txt'))} <<'SHARDS'",
            "#!/bin/bash",
            array,
            "SHARDS",
            ")",
            'job="${job%%;*}"',
            "after=$(sbatch --parsable --job-name=immunescape-collect \\",
            f'  --dependency=afterany:"$job" {needs} \\',
            f"  --output={shlex.quote(str(logs / 'slurm-%j.txt'))} <<'COLLECT'",
            "#!/bin/bash",
            after,
            "COLLECT",
            ")",
            f'echo "submitted $job with {asked.shards} tasks, and ${{after%%;*}} for the tables"',
            f"echo {shlex.quote('how far it is: ' + command_line(['status', str(out)]))}",
            "",
        )
    )


def write_script(path: Path, text: str) -> None:
    """Write a script that can be run.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with atomic_path(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.chmod(0o755)
