"""The script for a cluster, run by bash with a stand-in for its scheduler."""

import os
import shlex
import shutil
import subprocess

import pytest

from immunescape.cohort.scripts import (
    ClusterParams,
    cohort_words,
    command_line,
    slurm_script,
    write_script,
)
from immunescape.errors import ParameterError

SBATCH = """#!/bin/bash
echo "$@" >> "$TOLD/sbatch"
script=$(cat)
for word in "$@"; do
  case "$word" in
    --array=1-*) for task in $(seq 1 "${word#--array=1-}"); do
        SLURM_ARRAY_TASK_ID=$task bash -c "$script"; done; echo "71;cluster"; exit ;;
  esac
done
bash -c "$script"
echo 72
"""
PROGRAM = """#!/bin/bash
printf '%s\\n' "$#" "$@" >> "$TOLD/called"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_script_submits_every_shard_once_and_then_collects(tmp_path):
    stand_ins = tmp_path / "bin"
    stand_ins.mkdir()
    write_script(stand_ins / "sbatch", SBATCH)
    write_script(stand_ins / "immunescape", PROGRAM)
    folder = tmp_path / "a patient's $HOME"  # nothing of a path may be taken for shell
    folder.mkdir()
    sheet, out = folder / "SHARD s.csv", folder / "OUT"
    asked = ClusterParams(shards=3, processors=4, memory=9, hours=2)
    script = folder / "run.sh"
    write_script(script, slurm_script(sheet, out, asked))
    around = {"PATH": f"{stand_ins}{os.pathsep}{os.environ['PATH']}", "TOLD": str(tmp_path)}
    done = subprocess.run(
        ["bash", str(script)], env={**os.environ, **around}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "71" in done.stdout and "72" in done.stdout and ";" not in done.stdout
    words = (tmp_path / "called").read_text().splitlines()
    calls = []
    while words:
        count = int(words.pop(0))
        calls.append(words[:count])
        words = words[count:]
    start = ["cohort", str(sheet), "-o", str(out)]
    assert calls == [
        *([*start, "--shard", f"{k}/3"] for k in (1, 2, 3)),
        [*start, "--collect"],
    ]
    array, after = (tmp_path / "sbatch").read_text().splitlines()
    for asks in ("--cpus-per-task=4", "--mem=9G", "--time=2:00:00"):
        assert asks in array.split() and asks in after.split()
    assert "--dependency=afterany:71" in after.split()
    assert (out / "logs").is_dir() and os.access(script, os.X_OK)


def test_a_command_can_be_typed_as_it_is_shown(tmp_path):
    words = cohort_words(tmp_path / "my samples.csv", tmp_path / "o", workers=2, retry_failed=True)
    assert shlex.split(command_line(words)) == ["immunescape", *words]
    assert words[-3:] == ["--workers", "2", "--retry-failed"]


def test_no_cluster_has_no_tasks():
    with pytest.raises(ParameterError, match="shards is 0"):
        ClusterParams(shards=0)
