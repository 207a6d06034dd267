"""Pages of patients and cohorts in a real browser: what they say, ask for, and print."""

import json
import re

import numpy as np
import pytest
import shapely

from immunescape.io.geojson import write_regions
from immunescape.io.output import check_folder_name
from immunescape.io.pictures import PICTURES, write_picture
from immunescape.panel import Stain
from immunescape.regions import Regions
from immunescape.report.html.cohort_write import page_names, write_cohort_reports
from immunescape.report.html.patient_files import glimpse
from immunescape.report.html.patient_pictures import side_by_side_sketches
from immunescape.results import Picture
from immunescape.study import Study, write_study
from tests.report import cohort_tables as drawn
from tests.report.browser import Browser, pages_of

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def browser():
    with Browser() as one:
        yield one


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """The drawn cohort, one patient of a name that nobody should have."""
    out = tmp_path_factory.mktemp("cohort")
    course = {**drawn.COURSE, EVIL: drawn.COURSE["P02"]}
    results = drawn.results(course, out)
    for result in results[:3]:
        write_slide(result.folder, width_um=300 if "response" in result.folder.name else 150)
    tables = {**drawn.tables(), "specimens": drawn.specimens(course)}
    samples = [r.sample for r in results if r.gates == "shared"]
    samples.append(drawn.sample("P04", "baseline", 0, "mutant"))
    written = write_cohort_reports(
        out, results, tables, drawn.lesions(), samples=samples, warnings=[f"beware of {EVIL}"]
    )
    return out, written


def write_slide(folder, width_um):
    """Write what a page reads of a result's folder: a picture, outlines, the study."""
    folder.mkdir(parents=True)
    pixels = np.zeros((2, 50, width_um // 2), np.uint16)
    pixels[:, 10:20, 10:20] = 1000
    picture = Picture(pixels, ("DAPI", "CD8"), 2.0)
    (folder / PICTURES).mkdir()
    write_picture(folder / PICTURES, "overview", picture)
    stains = (
        Stain(channel="DAPI", marker="dapi", compartment="nucleus", role="nuclear"),
        Stain(channel="CD8", marker="cd8", compartment="membrane"),
    )
    write_study(folder / "study.toml", Study(panel=stains))
    shapes = {
        "tumour": shapely.box(0, 0, 50, 100),
        "interface": shapely.LineString([(50, 0), (50, 100)]),
    }
    write_regions(folder / "regions.geojson", Regions(shapes), 2.0)
    told = {
        "pixel_size_um": 2.0, "shape_px": [50, width_um // 2],
        "pictures": {"overview": {"x_um": 0.0, "y_um": 0.0}},
        "correction": {"quality": {"CD8": {"background": 100.0}}},
    }  # fmt: skip
    (folder / "provenance.json").write_text(json.dumps(told), encoding="utf-8")


def test_every_file_is_there_and_no_other(cohort):
    out, written = cohort
    names = sorted(p.relative_to(out).as_posix() for p in written)
    assert names == [
        "patients/P01.html", "patients/P02.html", "patients/P03.html", "patients/P04.html",
        "patients/_script_alert(1)__script_.html", "report.html", "report.xlsx",
    ]  # fmt: skip
    assert all(p.is_file() for p in written)
    assert not list(out.rglob(".*"))


@pytest.mark.parametrize("name", ["report.html", "patients/P01.html", "patients/P04.html"])
@pytest.mark.parametrize("dark", [False, True])
def test_a_page_complains_of_nothing_and_asks_for_nothing(browser, cohort, name, dark):
    page = cohort[0] / name
    browser.open(page, dark=dark)
    assert browser.complaints == []
    assert browser.requests == [page.as_uri()]
    assert "For research use, not for diagnosis." in browser.ask("document.body.innerText")
    ground = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 200) is dark
    assert browser.ask("document.documentElement.scrollWidth") <= 1280


def test_a_name_made_of_markup_is_a_name(browser, cohort):
    out, _ = cohort
    for name in ("report.html", "patients/_script_alert(1)__script_.html"):
        browser.open(out / name)
        assert browser.complaints == []
        assert EVIL in browser.ask("document.body.innerText")
        assert browser.ask("document.scripts.length") == 1
        assert "<script>alert" not in (out / name).read_text(encoding="utf-8")
    browser.open(out / "report.html")
    link = f"Array.from(document.links).find(a => a.textContent === {json.dumps(EVIL)}).href"
    assert browser.ask(link).endswith("/patients/_script_alert%281%29__script_.html")


def test_every_patient_is_a_line_that_tells_its_numbers(browser, cohort):
    browser.open(cohort[0] / "report.html")
    first = "document.querySelector('.choice-1 .chart')"
    told = browser.ask(f"Array.from({first}.querySelectorAll('.line')).map(l => l.dataset.tip)")
    assert len(told) == 4  # P04 has no slide that could be analysed
    assert (
        "P01: baseline 30.0 % (20.0 to 40.0 %), response 10.0 % (0.0 to 20.0 %), "
        "relapse 95.0 % (85.0 to 100.0 %); jak1: wild type"
    ) in told
    names = browser.ask(f"Array.from({first}.querySelectorAll('text')).map(t => t.textContent)")
    assert {"P01", "P02", "P03"} <= set(names)
    browser.ask(f"{first}.focus()")
    browser.press("ArrowRight")
    assert browser.ask(f"{first}.querySelectorAll('.line.on').length") == 1
    assert browser.ask(f"{first}.querySelector('[aria-live]').textContent") == told[0]


def test_tables_sort_by_value_and_filter(browser, cohort):
    browser.open(cohort[0] / "report.html")
    column = (
        "Array.from(document.querySelectorAll('#specimens tbody tr:not([hidden])'))"
        ".map(r => r.cells[7].textContent)"
    )
    head = "document.querySelectorAll('#specimens thead th')[7].querySelector('button')"
    browser.ask(f"{head}.click()")
    values = [float(v.split(" ")[0]) for v in browser.ask(column) if v != "not evaluable"]
    assert values == sorted(values)
    assert browser.ask(column)[-1] == "not evaluable"  # missing stands last, either way round
    browser.ask(
        "(() => { const i = document.querySelector('[data-table=specimens] input');"
        "i.value = 'P01 relapse'; i.dispatchEvent(new Event('input')); })()"
    )
    assert browser.ask(column) == ["95.0 (85.0 to 100.0)"]


def test_effect_and_interval_stand_before_p(browser, cohort):
    browser.open(cohort[0] / "report.html")
    heads = browser.ask(
        "Array.from(document.querySelectorAll('#comparisons thead th')).map(h => h.innerText)"
    )
    heads = [head.strip() for head in heads]
    places = [heads.index(n) for n in ("Mean change (95 % interval)", "p", "q", "n patients")]
    assert places == sorted(places)
    rows = browser.ask(
        "Array.from(document.querySelectorAll('#comparisons tbody tr'))"
        ".map(r => Array.from(r.cells).map(c => c.textContent))"
    )
    row = dict(zip(heads, rows[1], strict=True))
    assert row["Mean change (95 % interval)"] == "× 0.135 (0.0450 to 0.407)"  # exp(-2) and ends
    assert row["Smallest p attainable"] == "0.500"
    alone = dict(zip(heads, rows[2], strict=True))
    assert (alone["Mean change (95 % interval)"], alone["p"]) == ("+35.0 points", "")
    assert "no test is possible" in alone["Remarks"]


def test_the_patterns_of_every_patient_stand_in_one_table(browser, cohort):
    browser.open(cohort[0] / "report.html")
    rows = browser.ask(
        "Array.from(document.querySelectorAll('table.matrix tbody tr'))"
        ".map(r => Array.from(r.cells).map(c => c.textContent.trim()))"
    )
    assert rows == [
        ["P01", "T cells: infiltrated", "none read", "PD-L1: absent on tumour",
         "; ".join(["consistent with lost PD-L1 induction", *drawn.MORE_COURSES])],
        ["P02", "none read", "no slide", "T cells: not evaluable", ""],
    ]  # fmt: skip


def test_what_failed_is_told_with_its_remedy(browser, cohort):
    out, _ = cohort
    browser.open(out / "report.html")
    assert "pass --pixel-size-um" in browser.ask("document.querySelector('#failures').innerText")
    browser.open(out / "patients/P04.html")
    text = browser.ask("document.body.innerText")
    assert "could not be analysed: P04.ome.tif has no pixel size; pass --pixel-size-um" in text


def test_a_patients_numbers_stand_with_interval_and_n(browser, cohort):
    browser.open(cohort[0] / "patients/P01.html")
    cards = browser.ask(
        "Array.from(document.querySelectorAll('.moment')[2].querySelectorAll('.cards li'))"
        ".map(c => c.innerText)"
    )
    assert len(cards) == 3
    assert "95.0\u00a0%" in cards[0]
    assert "95 of 100 cells" in cards[0]
    assert "95 % interval 85.0 to 100.0 %" in cards[0]
    text = browser.ask("document.querySelector('.page').textContent")
    assert "consistent with PD-L1 absent on tumour" in text
    assert "Against it: PD-L1 gate not confirmed" in text
    assert "consistent with lost PD-L1 induction" in text
    assert "within slide only" in browser.ask("document.querySelector('#changes').innerText")


def test_a_missing_timepoint_keeps_its_place(browser, cohort):
    browser.open(cohort[0] / "patients/P02.html")
    moments = browser.ask("Array.from(document.querySelectorAll('.moment')).map(m => m.innerText)")
    assert [m.split("\n")[0] for m in moments] == ["baseline", "response", "relapse"]
    assert "no slide of this timepoint" in moments[1]


@pytest.mark.parametrize("name", ["patients/P01.html", "patients/P02.html"])
def test_page_one_of_a_patient_fits_one_sheet(browser, cohort, name):
    browser.open(cohort[0] / name, media="print", width=696, height=1020)  # A4 less its margins
    height = "document.querySelector('.page').getBoundingClientRect().height"
    assert browser.ask(height) < 1020
    assert 2 < pages_of(browser.pdf()) < 12


DOUBTS = """(() => {
  for (const checks of document.querySelectorAll('.moment .checks'))
    for (let k = 0; k < 4; k++) {
      const line = checks.lastElementChild.cloneNode(true);
      line.textContent = 'automatic gates that nobody confirmed: CD8, S100, SOX10, PD-L1 on tumour '
        + 'cells, PD-L1 on non-tumour cells';
      checks.append(line);
    }
  return document.querySelector('.page').getBoundingClientRect().height;
})()"""


def test_page_one_has_room_for_several_courses_and_several_doubts(browser, cohort):
    browser.open(cohort[0] / "patients/P01.html", media="print", width=696, height=1020)
    assert browser.ask(DOUBTS) < 1000


def test_keys_reach_everything_in_order(browser, cohort):
    browser.open(cohort[0] / "patients/P01.html")
    seen = []
    for _ in range(12):
        browser.press("Tab")
        seen.append(browser.ask("document.activeElement.innerText.trim().split('\\n')[0]"))
    assert seen[:2] == ["Skip to the numbers", "Dark colours"]
    places = [seen.index(name) for name in ("The cohort", "Course", "Changes", "Slides")]
    assert places == sorted(places)
    heads = browser.ask(
        "Array.from(document.querySelectorAll('h1, h2, h3')).map(h => Number(h.tagName[1]))"
    )
    assert heads[0] == 1
    assert heads.count(1) == 1
    unnamed = "Array.from(document.querySelectorAll('svg')).filter(s => !s.querySelector('title'))"
    assert browser.ask(f"{unnamed}.length") == 0


def test_ids_of_a_page_are_its_own(browser, cohort):
    for name in ("report.html", "patients/P01.html"):
        browser.open(cohort[0] / name)
        ids = browser.ask("Array.from(document.querySelectorAll('[id]')).map(e => e.id)")
        assert len(ids) == len(set(ids))


def test_links_lead_to_what_is_there(browser, cohort):
    out, _ = cohort
    browser.open(out / "patients/P01.html")
    links = browser.ask("Array.from(document.links).map(a => a.getAttribute('href'))")
    assert "../report.html" in links
    assert "../slides/P01_relapse/report.html" in links
    browser.open(out / "report.html")
    links = browser.ask("Array.from(document.links).map(a => a.getAttribute('href'))")
    assert {"specimens.csv", "report.xlsx", "patients/P01.html"} <= set(links)
    assert not [link for link in links if link.startswith(("http", "//", "javascript"))]


def test_pictures_share_one_scale_and_one_contrast(cohort):
    out, _ = cohort
    results = [r for r in drawn.results(folder=out) if r.gates == "shared"][:3]
    told = {r.sample.sample_id: glimpse(r) for r in results}
    sketches = side_by_side_sketches(told)
    assert list(sketches) == ["P01_baseline", "P01_response", "P01_relapse"]
    from immunescape.report.html import SCREEN, drawing

    wide, bright = set(), set()
    with drawing():
        for sketch in sketches.values():
            figure, _ = sketch.draw(SCREEN)
            (axes,) = figure.axes
            x0, x1 = axes.get_xlim()
            wide.add((round(x1 - x0, 3), tuple(figure.get_size_inches())))
            bright.add(int(np.asarray(axes.images[0].get_array()).max()))
    assert len(wide) == 1
    assert round(wide.pop()[0]) == 300  # as wide as the widest
    assert len(bright) == 1


def test_a_folder_without_files_is_told_of_and_no_more(tmp_path):
    results = drawn.results({"P01": drawn.COURSE["P01"]}, tmp_path)
    assert glimpse(results[0]) is None
    results[0].folder.mkdir(parents=True)
    (results[0].folder / "provenance.json").write_text("{", encoding="utf-8")
    assert glimpse(results[0]) is None


def test_the_length_of_the_margin_is_told(browser, cohort):
    browser.open(cohort[0] / "patients/P01.html")
    text = browser.ask("document.querySelectorAll('.moment')[0].innerText")
    assert "0.100 mm of margin" in text  # 100 µm are drawn


def test_all_slides_failed(browser, tmp_path):
    empty = {name: table.iloc[:0] for name, table in drawn.tables().items()}
    tables = {**empty, "failures": drawn.failures()}
    samples = [drawn.sample("P04", "baseline", 0, "")]
    write_cohort_reports(tmp_path, [], tables, samples=samples)
    browser.open(tmp_path / "report.html")
    assert browser.complaints == []
    text = browser.ask("document.body.innerText")
    assert "No slide of this cohort could be analysed" in text
    assert "pass --pixel-size-um" in text


def test_one_patient_with_one_slide(browser, tmp_path):
    course = {"P01": ("", {"baseline": drawn.COURSE["P01"][1]["baseline"]})}
    results = drawn.results(course, tmp_path, gates=("shared",))
    write_cohort_reports(tmp_path, results, {"specimens": drawn.specimens(course, ("shared",))})
    browser.open(tmp_path / "report.html")
    assert browser.complaints == []
    assert "No two timepoints could be compared" in browser.ask("document.body.innerText")
    browser.open(tmp_path / "patients/P01.html")
    assert browser.complaints == []
    text = browser.ask("document.body.innerText")
    assert "With one timepoint there is no change" in text
    assert "judged under one kind of gates only" in text


def test_names_of_pages_are_safe_and_apart():
    patients = [
        "P01", "p01", "Ünal", "U\u0308nal", "a/b", "a\\b", "..", "", " ", "nul", "x" * 300,
        "x" * 301, EVIL,
    ]  # fmt: skip
    names = page_names(patients)
    assert list(names) == patients
    assert names["P01"] == "P01"
    assert names["Ünal"] == "Ünal"
    alike = [name.casefold() for name in names.values()]
    assert len(set(alike)) == len(alike)
    for name in names.values():
        assert check_folder_name(name) == name
        assert len(name) < 90
