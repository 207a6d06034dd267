"""Reports of a cohort, made again from nothing but the files that a run left."""

import json

import openpyxl
import pandas as pd
import pytest

from immunescape.cohort.reporting import PLAN, TABLES, plan_of, report_again, save_cohort_figures
from immunescape.cohort.work import BY_SLIDE
from immunescape.errors import OutputError
from immunescape.results import empty_table
from tests.report import cohort_tables as drawn

# names that a table read carelessly makes numbers of, or nothing
COURSE = {"007": drawn.COURSE["P02"], "NA": ("wild type", drawn.COURSE["P02"][1])}


@pytest.fixture
def folder(tmp_path):
    """What a run leaves: the plan, the tables, and a folder a slide."""
    results = drawn.results(COURSE, tmp_path)
    for result in results:
        place = result.folder if result.gates == "shared" else result.folder / BY_SLIDE
        place.mkdir(parents=True, exist_ok=True)
        for name, table in result.tables.items():
            table.to_csv(place / f"{name}.csv", index=False)
        known = {"warnings": ["told by the slide"]}
        (result.folder / "provenance.json").write_text(json.dumps(known), encoding="utf-8")
    samples = [r.sample for r in results if r.gates == "shared"]
    samples.append(drawn.sample("P04", "baseline", 0, ""))
    lesions = pd.DataFrame(
        {"patient": ["007"], "lesion": ["L1"], "day": [0.0], "area_mm2": [float("nan")]}
    )
    (tmp_path / PLAN).write_text(json.dumps(plan_of(samples, lesions, ["jak1"])), encoding="utf-8")
    specimens = drawn.specimens(COURSE)
    specimens = specimens[specimens["metric"] == drawn.NEGATIVE]  # every other takes its time
    tables = {**drawn.tables(), "specimens": specimens}
    told = [{"sample_id": r.sample.sample_id, "gates": r.gates} for r in results]
    pd.DataFrame(told).to_csv(tmp_path / "cohort.csv", index=False)
    for name in TABLES:
        table = tables.get(name, empty_table(("sample_id", "patient")))
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def test_the_files_of_a_run_are_enough(folder):
    written = report_again(folder, warnings=["told of the whole"])
    names = {p.relative_to(folder).as_posix() for p in written}
    assert {"patients/007.html", "patients/NA.html", "report.html", "report.xlsx"} <= names
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "told of the whole" in page
    assert 'href="patients/007.html"' in page
    assert "jak1: mutant" in page
    patient = (folder / "patients" / "007.html").read_text(encoding="utf-8")
    assert "97.5\u00a0%" in patient  # 78 of 80
    assert "told by the slide" in patient
    book = openpyxl.load_workbook(folder / "report.xlsx")
    assert {row[0].value for row in book["Headline"].iter_rows(min_row=2)} == {"007", "NA"}


def test_a_second_time_says_the_same(folder):
    report_again(folder, warnings=["told of the whole"])
    first = {p: p.read_bytes() for p in folder.rglob("*.*") if p.suffix in (".html", ".xlsx")}
    assert len(first) >= 4
    report_again(folder)
    assert {p: p.read_bytes() for p in first} == first


def test_no_path_is_kept(folder):
    assert str(folder) not in (folder / PLAN).read_text(encoding="utf-8")


def test_figures_are_written_twice_each(folder, tmp_path):
    figures = tmp_path / "figures"
    written = save_cohort_figures(folder, figures)
    names = sorted(p.name for p in figures.iterdir())
    assert sorted(p.name for p in written) == names
    assert "cohort-paired-pdl1-negative-touching-by-jak1.svg" in names
    assert "007-course-pdl1-negative-touching.png" in names
    assert not [n for n in names if "cd8-in-centre" in n]  # no specimen has it
    assert {n.removesuffix(".svg") for n in names if n.endswith(".svg")} == {
        n.removesuffix(".png") for n in names if n.endswith(".png")
    }


@pytest.mark.parametrize("name", [PLAN, "patients.csv", "cohort.csv"])
def test_a_run_that_did_not_end_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(OutputError, match=rf"holds no .*{name}"):
        report_again(folder)
    assert not (folder / "report.html").exists()


def test_a_damaged_slide_is_named(folder):
    (folder / "slides" / "007_baseline" / "summary.csv").unlink()
    with pytest.raises(OutputError, match="the result of 007_baseline is damaged"):
        report_again(folder)
