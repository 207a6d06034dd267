"""The report of a slide: what it says, against the files it is made from; nothing of it runs."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import shapely
import tifffile

from immunescape.cli import main
from immunescape.errors import OutputError
from immunescape.panel import Panel, Stain
from immunescape.regions import Regions
from immunescape.report.figures import save_figures, slide_sketches
from immunescape.report.html.slide import slide_report
from immunescape.report.methods import checklist, methods, settings
from immunescape.report.pictures import cell_map, composed, outlined, picture_limits
from immunescape.report.plots_pictures import scale_bar_um
from immunescape.report.told import load_told, result_folders
from immunescape.results import Picture
from immunescape.study import Study

EVIL = "<script>alert(1)</script> & \"' $\\frac{1}{0}$"
VOID = {"meta", "link", "input", "br", "hr", "img", "rect", "path", "use", "image", "clipPath"}


class Reader(HTMLParser):
    """What a browser would see: words, tags, ids; every tag must close."""

    def __init__(self, text):
        super().__init__()
        self.words, self.tags, self.open, self.named = [], [], [], {}
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if "id" in attrs:
            assert attrs["id"] not in self.named, f"{attrs['id']} stands twice"
            self.named[attrs["id"]] = tag
        if tag not in {"meta", "input"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if "id" in attrs:
            assert attrs["id"] not in self.named
            self.named[attrs["id"]] = tag

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    def of(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page(small_run):
    folder, _ = small_run
    text = (folder / "report.html").read_text("utf-8")
    return text, Reader(text)


def test_the_numbers_are_those_of_the_summary(small_run, page):
    folder, _ = small_run
    summary = pd.read_csv(folder / "summary.csv")
    _, seen = page
    main_row = summary[
        (summary["metric"] == "pdl1_negative_fraction_touching_cd8")
        & (summary["phenotype"] == "tumour")
        & (summary["region"] == "tissue")
        & (summary["neighbourhood"] == "contact")
    ].iloc[0]
    assert bool(main_row["evaluable"])
    assert f"{100 * main_row['value']:.1f}" in seen.text
    assert f"{main_row['numerator']:.0f} of {main_row['denominator']:.0f} cells" in seen.text
    low, high = (f"{100 * main_row[end]:.1f}" for end in ("ci_low", "ci_high"))
    assert f"95 % interval {low} to {high} %" in seen.text
    assert seen.text.count("For research use, not for diagnosis.") >= 3
    assert "reviewed by A. Reader" in seen.text
    assert "P07_relapse: tumour margin report" in seen.text


def test_every_section_is_there_and_reached(page):
    _, seen = page
    inside = [a["href"] for a in seen.of("a") if a.get("href", "").startswith("#")]
    assert len(inside) >= 12
    assert all(link[1:] in seen.named for link in inside)
    used = {i for _, a in seen.tags for i in a.get("aria-labelledby", "").split()}
    used |= {a["aria-controls"] for _, a in seen.tags if "aria-controls" in a}
    assert used <= set(seen.named)
    levels = [int(tag[1]) for tag, _ in seen.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_nothing_is_loaded(page):
    text, seen = page
    (policy,) = (m["content"] for m in seen.of("meta") if "http-equiv" in m)
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag, attrs in seen.tags:
        for name in ("src", "href", "xlink:href", "action", "srcset", "data"):
            value = attrs.get(name, "#")
            own = value.startswith(("#", "data:image/")) or value == "segmentation.html"
            assert own, (tag, name, value[:80])
    assert not re.search(r"url\((?!#)|@import", text)
    assert "http" not in re.sub(r'xmlns="http://www.w3.org/2000/svg"|http-equiv', "", text)


def test_charts_tell_what_they_show(page):
    _, seen = page
    charts = [a for a in seen.of("svg") if a.get("role") == "img"]
    assert len(charts) == 13
    for chart in charts:
        assert all(seen.named[i] in ("title", "desc") for i in chart["aria-labelledby"].split())
    marks = [a for a in seen.of("rect") if a.get("class") == "mark"]
    assert any("CD8 T cells" in m["data-tip"] and "per mm²" in m["data-tip"] for m in marks)
    styles = " ".join(a.get("style", "") for _, a in seen.tags)
    assert "var(--ink)" in styles
    assert not re.search("#fe01f7|#01f70", styles)  # no colour that only stands for another


def test_tables_can_be_read_aloud(page):
    text, seen = page
    tables = seen.of("table")
    assert text.count("<caption>") == len(tables) >= 8
    assert all("scope" in head for head in seen.of("th"))


def test_the_same_page_comes_from_the_files_alone(small_run, page, tmp_path):
    folder, _ = small_run
    alone = tmp_path / folder.name
    shutil.copytree(folder, alone)
    (alone / "report.html").unlink()
    again = slide_report(alone)
    drop = re.compile(r' d="[^"]*"')  # outlines are written to a thousandth of a pixel
    assert sorted(drop.sub("", again).split("\n")) == sorted(drop.sub("", page[0]).split("\n"))
    assert slide_report(alone) == again


def hostile(told):
    """The same result with a hostile text wherever a file or a person may put one."""
    tables = {name: table.copy() for name, table in told.result.tables.items()}
    for column in ("note", "method", "statistic", "source"):
        tables["gates"][column] = EVIL
    tables["summary"]["reviewed_by"] = tables["summary"]["tumour_source"] = EVIL
    tables["summary"]["reason"] = EVIL
    record = json.loads(json.dumps(dict(told.result.provenance)))
    record["segmentation"] = {"labels": "segmented", "model": EVIL, EVIL: EVIL}
    record["versions"][EVIL] = EVIL
    study = replace(
        told.study, reviewed_by=EVIL, slide=replace(told.study.slide, site=EVIL),
        input=tuple(replace(i, file=EVIL) for i in told.study.input),
    )  # fmt: skip
    result = replace(told.result, name=EVIL, tables=tables, provenance=record, warnings=(EVIL,) * 9)
    return replace(told, result=result, study=study)


def test_hostile_text_stays_text(small_run):
    text = slide_report(hostile(load_told(small_run[0])))
    seen = Reader(text)
    assert len(seen.of("script")) == 1
    assert "<script>alert" not in text
    assert "<script>alert(1)</script>" in seen.text
    assert not [n for _, a in seen.tags for n in a if n.startswith("on")]


def test_what_cannot_be_judged_says_why(small_run):
    told = load_told(small_run[0])
    summary = told.result.tables["summary"].copy()
    numbers = ["value", "ci_low", "ci_high", "gate_low_value", "gate_high_value", "p_value"]
    summary[numbers] = np.nan
    summary["evaluable"], summary["reason"] = False, "the panel lacks PD-L1"
    bands = told.result.tables["bands"].iloc[:0]
    tables = {**told.result.tables, "summary": summary, "bands": bands}
    bare = replace(
        told,
        result=replace(told.result, tables=tables, pictures={}, shapes=Regions(), warnings=()),
        outlines=None,
    )
    seen = Reader(slide_report(bare))
    assert seen.text.count("not evaluable") > 10
    assert "the panel lacks PD-L1" in seen.text
    assert "No picture was kept with this result" in seen.text
    assert "the tumour has no interface" in seen.text
    assert "nan" not in re.findall(r"\w+", seen.text)


# Pictures


def test_lights_are_added_in_the_colours_of_the_markers():
    pixels = np.zeros((2, 1, 3), np.uint16)
    pixels[0] = [[0, 100, 100]]
    pixels[1] = [[0, 0, 1000]]
    panel = Panel((
        Stain(channel="a", marker="cd8", role="marker", compartment="membrane"),
        Stain(channel="b", marker="sox10", role="marker", compartment="nucleus"),
    ))  # fmt: skip
    picture = Picture(pixels, ("a", "b"), 1.0)
    limits = {"cd8": (0.0, 200.0), "sox10": (500.0, 1000.0)}
    seen = composed(picture, panel, limits)
    cd8, sox10 = np.array([255, 230, 0]), np.array([42, 64, 240])
    assert seen[0, 0].tolist() == [0, 0, 0]
    assert np.abs(seen[0, 1] - cd8 / 2).max() <= 1
    assert np.abs(seen[0, 2] - np.minimum(cd8 / 2 + sox10, 255)).max() <= 1


def test_pictures_side_by_side_have_one_contrast():
    rng = np.random.default_rng(0)
    panel = Panel((Stain(channel="a", marker="cd8", role="marker", compartment="membrane"),))
    dark = rng.normal(100, 3, (1, 100, 100)).astype(np.float32)
    lit = dark.copy()
    lit[0, :10] += 900
    pictures = [(Picture(p, ("a",), 1.0), panel) for p in (dark, lit)]
    common = picture_limits(pictures)
    assert composed(*pictures[0], common).max() < 30
    assert composed(*pictures[1], common)[0, 0, 0] > 230


def test_a_gap_in_a_picture_does_not_wash_it_out():
    rng = np.random.default_rng(0)
    panel = Panel((Stain(channel="a", marker="cd8", role="marker", compartment="membrane"),))
    taken = rng.normal(100, 3, (1, 100, 100)).astype(np.float32)
    taken[0, :10] += 900
    gap = np.concatenate([taken, np.zeros((1, 100, 300), np.float32)], axis=2)
    limits = [picture_limits([(Picture(p, ("a",), 1.0), panel)]) for p in (taken, gap)]
    assert limits[1]["cd8"] == limits[0]["cd8"]


def test_a_dot_stands_where_the_cell_is(small_run):
    cells = load_told(small_run[0]).result.cells
    seen = cell_map(cells, (0.0, 180.0, 0.0, 120.0))
    colours = {"tumour": [86, 180, 233], "cd8_t": [240, 228, 66], "other": [153, 153, 153]}
    assert seen.shape == (933, 1400, 3)
    for phenotype, colour in colours.items():
        some = cells.frame[(cells.frame["phenotype"] == phenotype)]
        assert len(some)
        for x, y in some[["x_um", "y_um"]].to_numpy()[:5]:
            place = seen[int(y * 1400 / 180), int(x * 1400 / 180)]
            assert np.abs(place.astype(int) - colour).max() <= 1


def test_an_outline_follows_its_cell_alone():
    labels = np.zeros((6, 6), np.int32)
    labels[1:4, 1:4] = 7
    labels[4:6, 4:6] = 9
    seen = outlined(np.zeros((6, 6, 3), np.uint8), labels, [(np.array([7]), "#ff0000", 1)])
    red = seen[..., 0] == 255
    expected = np.zeros((18, 18), bool)
    expected[3:12, 3:12] = True
    expected[4:11, 4:11] = False
    assert np.array_equal(red, expected)


@pytest.mark.parametrize(("width", "bar"), [(600, 100), (200, 50), (25_000, 5000), (90, 20)])
def test_a_scale_bar_is_round(width, bar):
    assert scale_bar_um(width) == bar


# Files


def test_figures_are_saved_at_300_dots_with_their_scale(small_run, tmp_path):
    told = load_told(small_run[0])
    sketches = slide_sketches(told)
    names = [s.name for s in sketches]
    assert names[:7] == [
        "overview", "cells", "closeup", "closeup-plain", "profile", "densities", "contacts",
    ]  # fmt: skip
    wanted = [s for s in sketches if s.name in ("cells", "contacts")]
    files = save_figures(wanted, tmp_path / "made", "P07-")
    assert [f.name for f in files] == [
        "P07-cells.svg", "P07-cells.png", "P07-contacts.svg", "P07-contacts.png",
    ]  # fmt: skip
    from PIL import Image

    with Image.open(files[3]) as picture:
        assert round(picture.info["dpi"][0]) == 300
        assert picture.size == (1560, 960)
    assert "50 µm" in files[0].read_text("utf-8") or "20 µm" in files[0].read_text("utf-8")
    first = [f.read_bytes() for f in files]
    assert [f.read_bytes() for f in save_figures(wanted, tmp_path / "made", "P07-")] == first


def test_figures_are_not_mixed_with_a_result(small_run):
    with pytest.raises(OutputError, match="is the folder of a result; choose another"):
        save_figures((), small_run[0])


def test_the_command_writes_every_report_again(small_run, tmp_path, capsys):
    shutil.copytree(small_run[0], tmp_path / "out" / "one")
    shutil.copytree(small_run[0], tmp_path / "out" / "slides" / "two")
    (tmp_path / "out" / ".half.partial").mkdir()
    assert [p.name for p in result_folders(tmp_path / "out")] == ["one", "two"]
    for name in ("one", "slides/two"):
        (tmp_path / "out" / name / "report.html").unlink()
    assert main(["report", str(tmp_path / "out"), "--quiet"]) == 0
    assert "one: tumour margin" in (tmp_path / "out" / "one" / "report.html").read_text("utf-8")
    assert (tmp_path / "out" / "slides" / "two" / "report.html").is_file()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p / "nowhere", "nowhere is no folder; give the folder that a run wrote to"),
        (lambda p: p, "holds no result; give the folder that a run wrote to with -o"),
    ],
)
def test_a_place_without_results_is_one_line(make, message, tmp_path, capsys):
    assert main(["report", str(make(tmp_path))]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "summary.csv").unlink(), "holds no complete result: summary.csv is absent"),
        (lambda f: (f / "cells.parquet").write_bytes(b"x"), "the cell table in one is damaged"),
        (lambda f: (f / "study.toml").write_text("x"), "the result in one is damaged"),
        (lambda f: (f / "summary.csv").write_text("a,b\n1,2\n"), "the result in one is damaged"),
    ],
)
def test_a_damaged_result_is_one_line_and_keeps_its_report(
    spoil, message, small_run, tmp_path, capsys
):
    folder = tmp_path / "one"
    shutil.copytree(small_run[0], folder)
    before = (folder / "report.html").read_bytes()
    spoil(folder)
    assert main(["report", str(folder)]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
    assert (folder / "report.html").read_bytes() == before


# Words


def test_methods_name_what_was_done(small_run):
    told = load_told(small_run[0])
    text, references = methods(told)
    version = told.result.provenance["versions"]["immunescape"]
    assert f"immunescape {version}" in text
    assert "Cells were taken from label images made elsewhere" in text
    assert "the margin was 100 µm to each side" in text
    assert f"({shapely.length(told.result.shapes['interface']) / 1000:.2f} mm)" in text
    assert len(references) == 1
    found = replace(
        told.result,
        provenance=MappingProxyType({
            **told.result.provenance,
            "segmentation": {
                "labels": "segmented", "model": "compact", "model_sha256": "ab" * 32, "grown": True,
            },
        }),
    )  # fmt: skip
    text, references = methods(replace(told, result=found))
    assert "network compact, SHA-256 abababababab…" in text
    assert "grown by at most 3 µm" in text
    assert any("Cellpose" in r for r in references)
    assert len(references) == 2


def test_only_what_differs_from_its_default_is_changed():
    usual = Study()
    assert not any(s.changed for s in settings(usual))
    other = replace(usual, margin=replace(usual.margin, width_um=40.0), seed=3)
    changed = {(s.step, s.name): (s.value, s.default) for s in settings(other) if s.changed}
    assert changed == {("margin", "width_um"): ("40", "100"), ("", "seed"): ("3", "0")}


def test_the_checklist_says_what_it_cannot_know(small_run):
    told = load_told(small_run[0])
    items = {item.topic: item for item in checklist(told)}
    # the topics that the abstracts of the two papers name
    assert set(items) == {
        "analytical validation", "image acquisition", "image selection", "image registration",
        "colour deconvolution and spectral unmixing", "tissue segmentation", "cell segmentation",
        "phenotyping", "cell clustering", "algorithm verification", "batch-to-batch correction",
        "quality control of assembled images", "spatial analysis strategies",
        "sharing of processed results", "sharing of programs and source code",
        "sharing of raw outputs", "representative photomicrographs",
    }  # fmt: skip
    assert not items["analytical validation"].known
    assert "the laboratory has to report it" in items["analytical validation"].answer
    assert "A. Reader" in items["algorithm verification"].answer


def test_the_pictures_hold_nothing_of_a_person(small_run):
    folder, _ = small_run
    for path in (folder / "pictures").iterdir():
        with tifffile.TiffFile(path) as tif:
            told = str(tif.pages.first.tags) + (tif.ome_metadata or "")
        assert not re.search(r"DateTime|Artist|HostComputer|/tmp|AcquisitionDate", told)


# What makes it adequate


def checks(told, about):
    from immunescape.report.judgement import adequacy

    (found,) = [check for check in adequacy(told) if about in check.text]
    return found


def test_a_stain_without_control_cells_is_a_doubt(small_run):
    told = load_told(small_run[0])
    cells = told.result.cells
    other = cells["phenotype"].isin(["cd8_t", "other"]) & (cells["region"] != "excluded")
    pdl1 = int((other & cells["pdl1_positive"].fillna(False)).sum())
    cd8 = int(((cells["phenotype"] == "cd8_t") & (cells["region"] != "excluded")).sum())
    shown = f"stain control: {pdl1} PD-L1-positive non-tumour cells and {cd8} CD8 T cells"
    assert min(pdl1, cd8) >= 20
    assert checks(told, "stain control") == checks(told, shown)
    assert checks(told, shown).state == "good"
    regions = told.result.tables["regions"].copy()
    regions.loc[regions["pdl1"] == "positive", "count"] = 0
    bare = replace(told, result=replace(told.result, tables={**told.tables, "regions": regions}))
    assert checks(bare, "stain control").state == "doubt"
    assert "20 of each needed" in checks(bare, "stain control").text


def test_gates_and_reviewers_are_named(small_run):
    told = load_told(small_run[0])
    assert checks(told, "gates that nobody confirmed").state == "doubt"
    assert checks(told, "reviewed by A. Reader").state == "good"
    assert checks(told, "tumour region imported").state == "good"
    gates = told.result.tables["gates"].assign(confirmed=True)
    summary = told.result.tables["summary"].assign(reviewed_by=np.nan, tumour_source="derived")
    tables = {**told.tables, "gates": gates, "summary": summary}
    other = replace(told, result=replace(told.result, tables=tables))
    assert checks(other, "gates set or confirmed").state == "good"
    assert checks(other, "nobody is named").state == "doubt"
    assert checks(other, "tumour region derived").state == "doubt"
