"""What the commands cohort and status do with their words, and how they end."""

import pandas as pd
import pytest
from tests.slides import write_slide

from immunescape.cli import main
from immunescape.cohort import CohortOutcome


@pytest.fixture
def asked(monkeypatch):
    """What the command would have run, and how that is to end."""
    told = {"ended": CohortOutcome(("a",), (), ())}

    def pretended(sheet, out, study, run, **more):
        told.update(sheet=sheet, out=out, study=study, run=run, **more)
        return told["ended"]

    monkeypatch.setattr("immunescape.cli.cohort.run_cohort", pretended)
    monkeypatch.setattr("immunescape.cli.cohort.report_again", lambda out, warnings: ())
    return told


def test_flags_and_study_file_come_together(asked, tmp_path):
    study = tmp_path / "study.toml"
    study.write_text("seed = 5\n[margin]\nwidth_um = 40.0\n[contact]\ngap_um = 2.0\n")
    words = [
        "cohort", "samples.csv", "-o", "out", "--study", str(study), "--contact.gap-um", "3",
        "--gating.share", "batch", "--gate", "cd8=otsu", "--workers", "3", "--shard", "2/8",
        "--retry-failed", "--sweep", "margin.width_um=40,100", "--group-by", "JAK1",
        "--compare.draws", "999", "--patterns.few-per-mm2", "50",
    ]  # fmt: skip
    assert main(words) == 0
    chosen, run = asked["study"], asked["run"]
    assert (chosen.seed, chosen.margin.width_um, chosen.contact.gap_um) == (5, 40.0, 3.0)
    assert chosen.gating.share == "batch"
    assert [g.marker for g in chosen.gate] == ["cd8"]
    assert (run.workers, run.shard, run.retry_failed, run.collect) == (3, (2, 8), True, False)
    assert run.sweeps == ("margin.width_um=40,100",)
    assert run.group_by == ("JAK1",)
    assert (run.compare.draws, run.patterns.few_per_mm2) == (999, 50.0)
    assert asked["study_file"] == study


@pytest.mark.parametrize(
    ("ended", "more", "code"),
    [
        (CohortOutcome(("a",), (), ()), [], 0),
        (CohortOutcome(("a",), ("b",), ()), [], 1),
        (CohortOutcome(("a",), (), ("b",)), ["--collect"], 1),
        (CohortOutcome(("a",), (), ("b",)), ["--shard", "1/2"], 0),
    ],
    ids=["done", "failed", "not_run", "waits_for_others"],
)
def test_the_exit_code_tells_of_failures(asked, ended, more, code):
    asked["ended"] = ended
    assert main(["cohort", "samples.csv", "-o", "out", "--quiet", *more]) == code


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--shard", "3/2"], "--shard is '3/2'"),
        (["--shard", "two"], "--shard is 'two'"),
        (["--workers", "0"], "--workers is 0"),
        (["--shard", "1/2", "--collect"], "give one of them"),
        (["--sweep", "margin.width=4"], "margin.width"),
    ],
)
def test_words_that_mean_nothing(asked, capsys, more, expected):
    assert main(["cohort", "samples.csv", "-o", "out", *more]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert expected in err


def test_all_problems_of_a_sheet_are_printed_and_nothing_is_written(tmp_path, capsys):
    write_slide(tmp_path)
    (tmp_path / "own.toml").write_text("[margin]\nwidth = 3\n")
    (tmp_path / "tumour.geojson").write_text("{")
    (tmp_path / "text.ome.tif").write_text("no image")
    sheet = tmp_path / "samples.csv"
    sheet.write_text(
        "slide,patient,timepoint,study,annotations\n"
        "slide.ome.tif,P1,baseline,own.toml,tumour.geojson\n"
        "absent.ome.tif,P1,response,,\n"
        "text.ome.tif,P1,relapse,,\n"
    )
    assert main(["cohort", str(sheet), "-o", str(tmp_path / "out")]) == 2
    first, *lines = capsys.readouterr().err.rstrip("\n").split("\n")
    assert first == "immunescape: samples.csv has 4 problems; nothing was run"
    for line, words in zip(
        lines,
        ("line 2: own.toml: ", "line 2: tumour.geojson", "line 3: slide absent.ome.tif does not",
         "line 4: text.ome.tif is no image"),
        strict=True,
    ):  # fmt: skip
        assert line.strip().startswith(words)
    assert not (tmp_path / "out").exists()


def test_status_of_no_cohort_says_what_to_give(tmp_path, capsys):
    assert main(["status", str(tmp_path)]) == 2
    assert "holds no cohort" in capsys.readouterr().err


def test_a_scheduler_that_does_not_answer_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("immunescape.cluster._PATIENCE_S", 0.5)
    write_slide(tmp_path)
    sheet = tmp_path / "samples.csv"
    pd.DataFrame({"slide": ["slide.ome.tif"], "patient": ["P1"], "timepoint": ["baseline"]}).to_csv(
        sheet, index=False
    )
    words = ["cohort", str(sheet), "-o", str(tmp_path / "out"), "--scheduler", "tcp://127.0.0.1:9"]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert "no Dask scheduler with a worker answers at tcp://127.0.0.1:9" in err
    assert err.count("\n") == 1
