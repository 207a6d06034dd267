"""A cohort that is interrupted, then killed, then gone on with ends as if nothing had happened."""

import os
import shutil
import signal
import subprocess
import sys
import time

from immunescape.cli import main
from immunescape.cohort.state import read_state
from tests.cohort.small import tables, write_small_cohort

NAMES = ("P1_baseline", "P1_response")
CODE = "import sys; from immunescape.cli import main; sys.exit(main(sys.argv[1:]))"


def stopped_when(words, wanted, number):
    """Run a command until a condition holds, then send it a signal; return what it printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    until = time.monotonic() + 300
    while not wanted() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_interrupted_and_killed_and_gone_on_with(tmp_path, capsys):
    sheet = write_small_cohort(tmp_path / "in", NAMES)
    out = tmp_path / "out"
    words = ["cohort", str(sheet), "-o", str(out), "--sensitivity.tables", "none", "--quiet"]

    def running(name, *steps):
        state = read_state(out, name)
        return state.standing == "running" and state.step in steps

    code, printed, err = stopped_when(
        words, lambda: running("P1_response", "segment", "measure", "contacts", "analyse"),
        signal.SIGINT,
    )  # fmt: skip
    assert code == 130
    assert printed == ""
    assert err.count("\n") == 1
    assert "interrupted" in err
    assert read_state(out, "P1_baseline").standing == "measured"
    assert read_state(out, "P1_response").standing == "waiting"

    code, _, _ = stopped_when(words, lambda: running("P1_baseline", "analyse"), signal.SIGKILL)
    assert code == -signal.SIGKILL
    state = read_state(out, "P1_baseline")
    assert state.standing == "running"
    assert state.stopped
    capsys.readouterr()
    assert main(["status", str(out)]) == 0
    told = capsys.readouterr().out
    assert "P1_baseline  P1       baseline   stopped" in told
    assert "run the same command again" in told

    # what a death in the worst moment leaves: a folder moved away, half a folder, half a file
    os.rename(out / "slides" / "P1_response", out / "slides" / ".P1_response.replaced-17")
    (out / "slides" / ".P1_baseline.partial-17").mkdir(exist_ok=True)
    (out / "state" / ".P1_baseline.17.json").write_text("{")
    assert main(words) == 0
    quiet = tmp_path / "quiet"
    assert main([*words[:3], str(quiet), *words[4:]]) == 0
    assert tables(out) == tables(quiet)
    hidden = [p.name for p in out.rglob(".*") if p.suffix not in (".zattrs", ".zgroup", ".zarray")]
    assert hidden == []
    shutil.rmtree(out)
