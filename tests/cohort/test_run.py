"""A whole cohort: shared gates and each slide's own, going on, failing, and who does the work."""

import dataclasses
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from immunescape.cohort import CohortRun, cohort_status, run_cohort
from immunescape.cohort.state import read_state, write_state
from immunescape.cohort.workers import Died
from immunescape.errors import OutputError, StudyError
from immunescape.phenotype import GateParams
from immunescape.pipeline import Inputs, run_pooled, run_slide
from immunescape.results import COHORT_COLUMNS, FAILURES_COLUMNS
from immunescape.spatial import SensitivityParams
from immunescape.study import Study
from tests.cohort.small import tables, write_small_cohort
from tests.slides import CHANNELS

PLAIN = Study(sensitivity=SensitivityParams(tables="none"), gating=GateParams(bootstrap_draws=0))
NAMES = ("P1_baseline", "P1_response", "P2_baseline")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Three slides with their calls, run once in this process without interruption."""
    folder = tmp_path_factory.mktemp("cohört with space")
    sheet = write_small_cohort(folder, NAMES)
    lines = []
    ended = run_cohort(sheet, folder / "out", PLAIN, tell=lines.append)
    return sheet, folder / "out", ended, lines


def copied(out, to):
    shutil.copytree(out, to)
    return to


def test_every_slide_and_every_table_is_there(cohort):
    _, out, ended, lines = cohort
    assert ended.done == NAMES
    assert not ended.failed
    for name in NAMES:
        assert (out / "slides" / name / "summary.csv").is_file()
        assert sum(line.startswith("[") and f"{name}: done" in line for line in lines) == 1
    table = pd.read_csv(out / "cohort.csv")
    assert list(table.columns) == [*COHORT_COLUMNS, "JAK1"]
    assert set(zip(table["sample_id"], table["gates"], strict=True)) == {
        (name, gates) for name in NAMES for gates in ("shared", "slide")
    }
    assert dict(zip(table["sample_id"], table["JAK1"], strict=True)) == {
        "P1_baseline": "lost", "P1_response": "lost", "P2_baseline": "intact"
    }  # fmt: skip
    counts = table[
        (table["metric"] == "cell_count") & (table["region"] == "tissue")
        & (table["phenotype"] == "cd8_t") & (table["gates"] == "shared")
    ]  # fmt: skip
    # every 4th and every 5th of 216 cells
    assert counts["value"].tolist() == [54, 44, 54]
    assert pd.read_csv(out / "failures.csv").columns.tolist() == list(FAILURES_COLUMNS)
    for name in ("specimens", "patients", "comparisons", "patterns"):
        assert len(pd.read_csv(out / f"{name}.csv"))


def test_nothing_is_done_twice(cohort, tmp_path):
    sheet, out, _, _ = cohort
    again = copied(out, tmp_path / "out")
    before = tables(again)
    times = {name: read_state(again, name).ended for name in NAMES}
    lines = []
    assert run_cohort(sheet, again, PLAIN, tell=lines.append).done == NAMES
    assert lines == []
    assert tables(again) == before
    assert {name: read_state(again, name).ended for name in NAMES} == times


def test_tiles_of_slides_under_way_lie_where_they_are_told_to(cohort, tmp_path, monkeypatch):
    sheet, out, _, _ = cohort
    monkeypatch.chdir(tmp_path)
    run = CohortRun(scratch=Path("quick"), overwrite=True)
    again = copied(out, tmp_path / "out")
    assert run_cohort(sheet, again, PLAIN, run).done == NAMES
    assert list((tmp_path / "quick").iterdir()) == []
    assert sorted(p.name for p in (again / "slides").iterdir()) == sorted(NAMES)
    assert tables(again) == tables(out)


def test_a_changed_parameter_redoes_what_it_touches_and_says_so(cohort, tmp_path):
    sheet, out, _, _ = cohort
    again = copied(out, tmp_path / "out")
    margin = dataclasses.replace(PLAIN.margin, width_um=40.0)
    lines = []
    ended = run_cohort(sheet, again, dataclasses.replace(PLAIN, margin=margin), tell=lines.append)
    assert ended.done == NAMES
    for name in NAMES:
        assert f"{name}: its files or parameters changed" in lines
        assert any(f"{name}: measured before, taken over" in line for line in lines)
    widths = pd.read_csv(again / "cohort.csv")["margin_width_um"].dropna().unique()
    assert widths.tolist() == [40.0]


def test_a_slide_that_fails_is_a_row_and_is_tried_again_when_asked(cohort, tmp_path):
    sheet, out, _, _ = cohort
    folder = tmp_path / "in"
    shutil.copytree(sheet.parent, folder, ignore=shutil.ignore_patterns("out"))
    sheet, out = folder / "samples.csv", copied(out, tmp_path / "out")
    calls = folder / "P1_response.calls.csv"
    text = calls.read_text()
    calls.write_text("label,cd8_positive\n999,True\n")
    lines = []
    ended = run_cohort(sheet, out, PLAIN, tell=lines.append)
    assert ended.failed == ("P1_response",)
    assert ended.done == ("P1_baseline", "P2_baseline")
    (row,) = pd.read_csv(out / "failures.csv").to_dict("records")
    assert row["sample_id"] == "P1_response"
    assert row["attempts"] == 1
    assert "P1_response.calls.csv" in row["error"]
    assert row["remedy"]
    assert "Traceback" in (out / row["log"]).read_text()
    assert "P1_response" not in set(pd.read_csv(out / "cohort.csv")["sample_id"])
    lines.clear()
    assert run_cohort(sheet, out, PLAIN, tell=lines.append).failed == ("P1_response",)
    assert len(lines) == 1
    assert "pass --retry-failed" in lines[0]
    lines.clear()
    ended = run_cohort(sheet, out, PLAIN, CohortRun(retry_failed=True), tell=lines.append)
    assert ended.failed == ("P1_response",)
    assert any("P1_response: failed" in line and "retry" not in line for line in lines)
    calls.write_text(text)  # a changed input is tried without being asked
    assert run_cohort(sheet, out, PLAIN).done == NAMES
    assert tables(out) == tables(cohort[1])


def test_a_damaged_result_is_a_row_and_is_mended_when_asked(cohort, tmp_path):
    sheet, out, _, _ = cohort
    again = copied(out, tmp_path / "out")
    (again / "slides" / "P2_baseline" / "by_slide_gates" / "summary.csv").unlink()
    ended = run_cohort(sheet, again, PLAIN)
    assert ended.failed == ("P2_baseline",)
    (row,) = pd.read_csv(again / "failures.csv").to_dict("records")
    assert (row["sample_id"], row["step"]) == ("P2_baseline", "collect")
    assert row["remedy"].startswith("pass --retry-failed")
    assert run_cohort(sheet, again, PLAIN, CohortRun(retry_failed=True)).done == NAMES
    assert tables(again) == tables(out)


def test_how_gates_are_found_is_not_varied_where_they_are_shared(cohort, tmp_path):
    sheet = cohort[0]
    with pytest.raises(StudyError, match=r"gating\.method"):
        run_cohort(sheet, tmp_path / "out", PLAIN, CohortRun(sweeps=("gating.method=gmm,otsu",)))
    assert not (tmp_path / "out").exists()


def test_shards_collected_equal_one_run(cohort, tmp_path):
    sheet, out, _, _ = cohort
    apart = tmp_path / "out"
    for shard in (1, 2):
        ended = run_cohort(sheet, apart, PLAIN, CohortRun(shard=(shard, 3)))
        assert len(ended.done) + len(ended.waiting) == 1
    assert not (apart / "cohort.csv").exists()
    # its patient's slides are in two shards: gates come when all are collected
    measured = [n for n in NAMES if read_state(apart, n).standing == "measured"]
    assert measured
    early = run_cohort(sheet, apart, PLAIN, CohortRun(collect=True))
    assert len(early.waiting) == 1
    assert set(pd.read_csv(apart / "failures.csv")["step"]) == {"waiting"}
    run_cohort(sheet, apart, PLAIN, CohortRun(shard=(3, 3)))
    assert run_cohort(sheet, apart, PLAIN, CohortRun(collect=True)).done == NAMES
    assert tables(apart) == tables(out)


def test_two_workers_one_of_them_killed_give_the_tables_of_one(cohort, tmp_path):
    sheet, out, _, _ = cohort
    spread = tmp_path / "out"
    killed = []

    def kill_once():
        until = time.monotonic() + 120
        while not killed and time.monotonic() < until:
            state = read_state(spread, "P2_baseline")
            if state.standing == "running" and state.step not in ("", "open"):
                assert state.pid != os.getpid()
                os.kill(state.pid, signal.SIGKILL)
                killed.append(state.pid)
            time.sleep(0.005)

    watcher = threading.Thread(target=kill_once, daemon=True)
    watcher.start()
    ended = run_cohort(sheet, spread, PLAIN, CohortRun(workers=2))
    watcher.join()
    assert killed
    assert ended.done == NAMES
    assert tables(spread) == tables(out)


class _Deadly:
    """Workers of which those die that touch one slide; another loses its worker once with it."""

    capacity = 2

    def __init__(self, out, deadly):
        self.out, self.deadly, self.queue, self.begun = out, deadly, [], []

    def submit(self, task, function, *arguments):
        self.queue.append((task, function, arguments))

    def next(self):
        task, function, arguments = self.queue.pop(0)
        name = getattr(arguments[0], "name", "")
        self.begun.append(name)
        if name == self.deadly:
            state = read_state(self.out, name)
            write_state(self.out, dataclasses.replace(state, attempts=state.attempts + 1))
            return task, Died()
        if name == "P2_baseline" and self.begun.count(name) == 1:
            return task, Died()  # it never began: attempts stay 0
        return task, function(*arguments)


def test_a_slide_that_kills_its_worker_again_and_again_fails_alone(cohort, tmp_path, monkeypatch):
    from contextlib import contextmanager

    sheet, out, _, _ = cohort
    out = copied(out, tmp_path / "out")
    for name in ("P1_response", "P2_baseline"):
        shutil.rmtree(out / "slides" / name)
    workers = _Deadly(out, "P1_response")

    @contextmanager
    def given(count, scheduler):
        yield workers

    monkeypatch.setattr("immunescape.cohort.run.worker_processes", given)
    ended = run_cohort(sheet, out, PLAIN)
    assert ended.done == ("P1_baseline", "P2_baseline")
    assert ended.failed == ("P1_response",)
    assert workers.begun.count("P1_response") == 3
    (row,) = pd.read_csv(out / "failures.csv").to_dict("records")
    assert row["attempts"] == 3
    assert "killed 3 times" in row["error"]


def test_an_interruption_leaves_what_was_begun_waiting(cohort, tmp_path, monkeypatch):
    sheet, out, _, _ = cohort
    again = copied(out, tmp_path / "out")
    shutil.rmtree(again / "slides" / "P2_baseline")

    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("immunescape.cohort.work.run_job", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_cohort(sheet, again, PLAIN)
    assert [s.standing for s in cohort_status(again).states] == ["done", "done", "waiting"]
    assert run_cohort(sheet, again, PLAIN).done == NAMES
    assert tables(again) == tables(out)


def test_two_runs_over_one_folder_do_not_mix(cohort, tmp_path, monkeypatch):
    sheet, out, _, _ = cohort
    again = copied(out, tmp_path / "out")
    monkeypatch.setattr("immunescape.cohort.run.HEARTBEAT_S", 0.4)
    busy = dataclasses.replace(
        read_state(again, "P1_baseline"), standing="running", host="elsewhere", pid=17
    )
    write_state(again, busy)
    done = threading.Event()

    def beat():
        while not done.wait(0.2):
            write_state(again, dataclasses.replace(busy, heartbeat=time.time()))

    other = threading.Thread(target=beat)
    other.start()
    try:
        with pytest.raises(OutputError, match=r"P1_baseline is being worked on .* on elsewhere"):
            run_cohort(sheet, again, PLAIN)
    finally:
        done.set()
        other.join()
    assert run_cohort(sheet, again, PLAIN).done == NAMES  # no sign of life any more
    assert tables(again) == tables(out)


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    """Two slides of a patient without calls: gates are fitted, and one parameter is varied."""
    folder = tmp_path_factory.mktemp("gated")
    sheet = write_small_cohort(folder, NAMES[:2], calls=False)
    sweep = ("pdl1@tumour=10,5000", "margin.width_um=40")
    ended = run_cohort(sheet, folder / "out", PLAIN, CohortRun(sweeps=sweep))
    assert ended.done == NAMES[:2]
    return folder


def test_shared_gates_are_those_of_slides_run_together(gated):
    inputs = [
        Inputs(
            slide=gated / f"{name}.ome.tif", labels=(gated / "cells.tif",),
            annotations=gated / "regions.geojson",
        )
        for name in NAMES[:2]
    ]  # fmt: skip
    run_pooled(inputs, gated / "pooled", PLAIN)
    slides = gated / "out" / "slides"
    for name in NAMES[:2]:
        for table in ("gates", "summary", "regions", "contacts", "bands"):
            ours = slides / name / f"{table}.csv"
            assert ours.read_bytes() == (gated / "pooled" / name / f"{table}.csv").read_bytes()
        own = pd.read_csv(slides / name / "by_slide_gates" / "gates.csv")
        assert set(own["source"].str.partition(":")[0]) == {"slide"}
    alone = run_slide(inputs[0], gated / "alone", PLAIN)
    for table in ("gates", "summary"):
        ours = slides / NAMES[0] / "by_slide_gates" / f"{table}.csv"
        assert ours.read_bytes() == (gated / "alone" / alone.name / f"{table}.csv").read_bytes()


def test_a_sweep_moves_one_gate_and_leaves_the_shared_ones(gated):
    swept = pd.read_csv(gated / "out" / "sweep.csv")
    assert set(swept["sample_id"]) == set(NAMES[:2])
    rows = swept[
        (swept["metric"] == "tumour_proportion_score") & (swept["parameter"] == "pdl1@tumour")
    ]
    # a gate below every cell calls all positive, one above every cell none
    low, high = rows["parameter_value"] == 10, rows["parameter_value"] == 5000
    assert len(rows[low]) == len(rows[high]) == 2
    positive = rows.set_index(["sample_id", "parameter_value"])["numerator"]
    tumour = rows.set_index(["sample_id", "parameter_value"])["denominator"]
    for name in NAMES[:2]:
        values = sorted(positive[name].index)
        assert positive[name, values[0]] == tumour[name, values[0]]
        assert positive[name, values[1]] == 0
    main = pd.read_csv(gated / "out" / "cohort.csv")
    main = main[(main["metric"] == "cd8_density") & (main["gates"] == "shared")]
    narrow = swept[(swept["metric"] == "cd8_density") & (swept["parameter"] == "margin.width_um")]
    tissue = [t[t["region"] == "tissue"]["value"].tolist() for t in (main, narrow)]
    np.testing.assert_allclose(*tissue)


def test_gates_by_slide_stand_alone(gated, tmp_path):
    gating = dataclasses.replace(PLAIN.gating, share="slide")
    out = copied(gated / "out", tmp_path / "out")
    run_cohort(gated / "samples.csv", out, dataclasses.replace(PLAIN, gating=gating))
    assert set(pd.read_csv(out / "cohort.csv")["gates"]) == {"slide"}
    assert not list(out.glob("slides/*/by_slide_gates"))
    assert not (out / "sweep.csv").exists()


def test_staining_that_cannot_be_compared_is_told(gated, tmp_path):
    folder = tmp_path / "in"
    shutil.copytree(gated, folder, ignore=shutil.ignore_patterns("alone", "pooled"))
    image = tifffile.imread(folder / "P1_response.ome.tif")
    image[1] += 400  # another offset of the camera on CD8 alone
    exposed_ms = {"P1_response": 20.0, "P1_baseline": 50.0}
    for name, ms in exposed_ms.items():
        file = folder / f"{name}.ome.tif"
        count = len(CHANNELS)
        plane = {"ExposureTime": [ms] * count, "ExposureTimeUnit": ["ms"] * count}
        tifffile.imwrite(
            file, image if name == "P1_response" else tifffile.imread(file), ome=True,
            metadata={"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "Plane": plane,
                      "Channel": {"Name": list(CHANNELS)}},
        )  # fmt: skip
    ended = run_cohort(folder / "samples.csv", folder / "out", PLAIN, CohortRun(overwrite=True))
    told = [w for w in ended.warnings if w.startswith("P1_response: cd8")]
    assert told == [
        "P1_response: cd8 cannot be compared with P1_baseline: background or exposure differ",
        "P1_response: cd8 was not exposed as on P1_baseline: the same cell is not as bright there",
    ]
    table = pd.read_csv(folder / "out" / "staining.csv").set_index(["sample_id", "marker"])
    assert table.loc[("P1_response", "cd8"), "not_comparable_with"] == "P1_baseline"
    assert table.loc[("P1_response", "cd8"), "note"].startswith(
        "dim cells are not as bright as there: stain or exposure differ, and those slides have no "
        "share in this gate; exposed for 20 ms"
    )
    assert pd.isna(table.loc[("P1_response", "s100"), "not_comparable_with"])
    assert table.loc[("P1_response", "s100"), "exposed_otherwise"] == "P1_baseline"
    assert "exposed for 20 ms, other slides for 50" in table.loc[("P1_response", "s100"), "note"]
    assert table["exposure_ms"].dropna().groupby("sample_id").first().to_dict() == exposed_ms
    levels = table["dim_level"].unstack()["cd8"]
    assert 350 < levels["P1_response"] - levels["P1_baseline"] < 450


def test_gates_kept_before_exposures_were_compared_are_fitted_anew(gated, tmp_path):
    folder = tmp_path / "in"
    shutil.copytree(gated, folder, ignore=shutil.ignore_patterns("alone", "pooled"))
    kept = list((folder / "out").rglob("gates/*.json"))
    assert kept
    for file in kept:
        told = json.loads(file.read_text(encoding="utf-8"))
        for row in told["staining"]:
            del row["exposure_ms"]
        file.write_text(json.dumps(told), encoding="utf-8")
    run_cohort(folder / "samples.csv", folder / "out", PLAIN)
    for file in kept:
        told = json.loads(file.read_text(encoding="utf-8"))
        assert all("exposure_ms" in row for row in told["staining"])
    for table in ("staining", "cohort"):
        again = (folder / "out" / f"{table}.csv").read_bytes()
        assert again == (gated / "out" / f"{table}.csv").read_bytes()


def test_staining_of_few_cells_is_not_judged(gated, tmp_path):
    out = copied(gated / "out", tmp_path / "out")
    gating = dataclasses.replace(PLAIN.gating, min_cells=100_000)
    ended = run_cohort(gated / "samples.csv", out, dataclasses.replace(PLAIN, gating=gating))
    table = pd.read_csv(out / "staining.csv")
    assert set(table["sample_id"]) == set(NAMES[:2])
    assert set(table["note"]) == {"too few cells to judge its staining"}
    assert table["dim_level"].isna().all()
    assert not any("compared" in warning for warning in ended.warnings)
