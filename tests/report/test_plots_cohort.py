"""Figures of cohorts and patients by what they are made of, against tables written by hand."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from immunescape.report.effects import effect_text
from immunescape.report.headlines import FURTHER, HEADLINES, SHOWN, rows_of_headline
from immunescape.report.html.cohort_sweep import sweep_summary
from immunescape.report.html.drawn import drawing, inline_svg
from immunescape.report.html.patient_patterns import course_said, moment_said
from immunescape.report.plots_cohort import draw_paired, paired_height_in
from immunescape.report.plots_cohort_parts import GROUP_STYLES, Groups, groups_of, scale_for, spread
from immunescape.report.plots_cohort_patient import draw_lesions, draw_trajectory
from immunescape.report.plots_style import PAPER, new_figure
from tests.report import cohort_tables as drawn

TIMEPOINTS = ("baseline", "response", "relapse")
NEGATIVE, RATIO, TOUCHING = HEADLINES
CENTRE = FURTHER[0]
JAK1 = groups_of({patient: [jak1] for patient, (jak1, _) in drawn.COURSE.items()}, "jak1")


def shared():
    return drawn.specimens(gates=("shared",))


def parts_of(axes, gid):
    return {a.get_gid(): a for a in axes.get_children() if str(a.get_gid()).startswith(f"{gid}:")}


def test_each_number_has_a_name_of_its_own():
    assert len({h.key for h in SHOWN}) == len({(h.metric, h.phenotype, h.region) for h in SHOWN})
    assert len({h.title for h in SHOWN}) == len(SHOWN) == 10


def test_a_number_is_found_by_contact_alone():
    rows = [
        {"metric": NEGATIVE.metric, "phenotype": "tumour", "region": "tissue", "neighbourhood": n}
        for n in ("contact", "r15", None)
    ]
    found = rows_of_headline(pd.DataFrame(rows), NEGATIVE)
    assert list(found.index) == [0, 2]


def test_every_patient_is_a_line_through_its_values():
    _figure, axes = new_figure(PAPER)
    lines = draw_paired(axes, PAPER, shared(), NEGATIVE, TIMEPOINTS, JAK1)
    assert [line.patient for line in lines] == ["P01", "P02", "P03"]
    first = parts_of(axes, lines[0].gid)
    assert list(first[f"{lines[0].gid}:points"].get_ydata()) == pytest.approx([30, 10, 95])
    assert first[f"{lines[0].gid}:name"].get_text() == "P01"
    second = parts_of(axes, lines[1].gid)  # without a response: one dotted step
    (step,) = (a for gid, a in second.items() if ":step" in gid)
    assert list(step.get_xdata()) == [0, 2]
    assert step.get_linestyle() != "-"
    third = parts_of(axes, lines[2].gid)  # its baseline cannot be judged: never a 0
    assert list(third[f"{lines[2].gid}:points"].get_xdata()) == [1, 2]
    colours = [parts_of(axes, line.gid)[f"{line.gid}:points"].get_color() for line in lines]
    assert len(set(colours)) == 3
    assert [t.get_text() for t in axes.get_xticklabels()] == [
        "baseline\nn = 2", "response\nn = 2", "relapse\nn = 3",
    ]  # fmt: skip


def test_no_cell_stands_below_every_density():
    _figure, axes = new_figure(PAPER)
    lines = draw_paired(axes, PAPER, shared(), CENTRE, TIMEPOINTS, Groups())
    lowest = parts_of(axes, lines[1].gid)[f"{lines[1].gid}:points"].get_ydata()[-1]  # P02: 0
    others = np.concatenate(
        [parts_of(axes, one.gid)[f"{one.gid}:points"].get_ydata()[:-1] for one in lines]
    )
    assert lowest < others.min()
    ticks = dict(
        zip(axes.get_yticks(), (t.get_text() for t in axes.get_yticklabels()), strict=True)
    )
    assert ticks[lowest] == "0"
    assert "0 per mm²" in lines[1].text


def test_what_is_infinite_stands_on_top():
    table = shared()
    table.loc[(table["metric"] == RATIO.metric) & (table["patient"] == "P01"), "value"] = math.inf
    _figure, axes = new_figure(PAPER)
    lines = draw_paired(axes, PAPER, table, RATIO, TIMEPOINTS, Groups())
    tops = [parts_of(axes, one.gid)[f"{one.gid}:points"].get_ydata()[0] for one in lines]
    assert tops[0] == max(tops)
    assert "infinite" in [t.get_text() for t in axes.get_yticklabels()]
    assert "baseline infinite" in lines[0].text


def test_sixty_patients_can_still_be_told_apart():
    course = drawn.many(60)
    groups = groups_of({patient: [jak1] for patient, (jak1, _) in course.items()}, "jak1")
    with drawing():
        figure, axes = new_figure(PAPER, width_in=6.4, height_in=paired_height_in(60))
        table = drawn.specimens(course, ("shared",))
        lines = draw_paired(axes, PAPER, table, CENTRE, TIMEPOINTS, groups)
        figure.canvas.draw()
        names = [parts_of(axes, one.gid)[f"{one.gid}:name"] for one in lines]
        assert [name.get_text() for name in names] == list(course)
        boxes = sorted((n.get_window_extent() for n in names), key=lambda box: box.y0)
        overlap = [a.y1 - b.y0 for a, b in itertools.pairwise(boxes)]
        assert max(overlap) < 2.5  # of pixels of a line 10 high: its empty rim
        assert boxes[-1].x1 <= figure.bbox.x1
        svg = str(inline_svg(figure, "k", title="t", lines={one.gid: one.text for one in lines}))
    assert svg.count('class="mark line"') == 60
    assert svg.count("<title>P") == 60


def test_lesions_have_lines_of_their_own():
    twice = pd.concat([shared(), shared().assign(lesion="L2")], ignore_index=True)
    _figure, axes = new_figure(PAPER)
    lines = draw_paired(axes, PAPER, twice, NEGATIVE, TIMEPOINTS, Groups())
    assert len(lines) == 6
    assert {(line.patient, line.lesion) for line in lines} == {
        (patient, lesion) for patient in drawn.COURSE for lesion in ("L1", "L2")
    }
    assert lines[0].text.startswith("P01 L1: ")


def test_nothing_to_draw_is_said():
    _figure, axes = new_figure(PAPER)
    table = shared().assign(value=np.nan)
    assert draw_paired(axes, PAPER, table, NEGATIVE, TIMEPOINTS, Groups()) == ()
    assert "not evaluable" in axes.texts[0].get_text()


def test_groups_come_from_what_can_be_told_apart():
    assert JAK1.names == ("mutant", "wild type")
    assert JAK1.told("P03") == "jak1: not told"
    assert groups_of({"a": ["x"], "b": ["x"]}, "one group") is None
    many = {str(n): [str(n)] for n in range(len(GROUP_STYLES) + 1)}
    assert groups_of(many, "too many") is None
    changed = groups_of({"a": ["x", "y"], "b": ["x"], "c": ["y"]}, "changes")
    assert changed.of["a"] == ""  # different things are told: in no group
    assert len({(s.colour) for s in GROUP_STYLES}) == len({s.marker for s in GROUP_STYLES}) == 6


@pytest.mark.parametrize(
    ("places", "gap", "moved"),
    [
        ([1, 5, 9], 1, [1, 5, 9]),
        ([5, 5], 1, [4.5, 5.5]),
        ([5, 5, 5], 2, [3, 5, 7]),
        ([9, 5], 1, [9, 5]),
        ([0, 0], 1, [0, 1]),
        ([3, 3, 3, 3, 3], 10, [0, 2.5, 5, 7.5, 10]),  # no room: evenly
        ([], 1, []),
    ],
)
def test_labels_move_apart_as_little_as_they_must(places, gap, moved):
    assert spread(places, gap, 0, 10) == pytest.approx(moved)


def test_small_changes_stay_small_on_a_logarithmic_axis():
    scale = scale_for(CENTRE, [100.0, 110.0])
    assert scale.high - scale.low >= 1  # a decade at least
    assert scale.at(100.0) == pytest.approx(2)
    assert math.isnan(scale.at(None))


def test_an_interval_that_goes_on_beyond_the_axis_ends_in_an_arrow():
    table = drawn.specimens({"P01": drawn.COURSE["P01"]}, ("shared",))
    mine = (table["metric"] == CENTRE.metric) & (table["region"] == CENTRE.region)
    table.loc[mine & (table["timepoint"] == "baseline"), "ci_low"] = 0.0
    table.loc[mine & (table["timepoint"] == "relapse"), "ci_high"] = math.inf
    _, axes = new_figure(PAPER)
    draw_trajectory(axes, PAPER, table, CENTRE, TIMEPOINTS)
    low, high = axes.get_ylim()
    (bars,) = axes.collections
    ends = [segment[:, 1] for segment in bars.get_segments()]
    assert ends[0].min() == pytest.approx(low)
    assert ends[2].max() == pytest.approx(high)
    arrows = {line.get_marker(): list(line.get_xdata()) for line in axes.lines}
    assert (arrows["v"], arrows["^"]) == ([0], [2])


def test_a_course_shows_both_kinds_of_gates():
    table = drawn.specimens({"P01": drawn.COURSE["P01"]})
    table.loc[(table["gates"] == "slide") & (table["metric"] == drawn.NEGATIVE), "value"] = 0.5
    _figure, axes = new_figure(PAPER)
    places = draw_trajectory(axes, PAPER, table, NEGATIVE, TIMEPOINTS)
    assert len(places) == 6
    told = [place.text for place in places]
    assert told[0].startswith("baseline, L1: 30.0 % (20.0 to 40.0 %), 30 of 100 cells; shared")
    assert told[3].startswith("baseline, L1: 50.0 %")
    assert told[3].endswith("each slide's own gates")


def test_a_missing_timepoint_is_told_from_one_that_cannot_be_judged():
    _, axes = new_figure(PAPER)
    draw_trajectory(
        axes, PAPER, drawn.specimens({"P02": drawn.COURSE["P02"]}), NEGATIVE, TIMEPOINTS
    )
    assert [t.get_text() for t in axes.texts if "slide" in t.get_text()] == ["no slide"]
    _figure, axes = new_figure(PAPER)
    draw_trajectory(
        axes, PAPER, drawn.specimens({"P03": drawn.COURSE["P03"]}), NEGATIVE, TIMEPOINTS
    )
    assert "not evaluable" in [t.get_text() for t in axes.texts]


def test_lesions_and_biopsies_stand_at_their_days():
    lesions = drawn.lesions()
    samples = [r.sample for r in drawn.results() if r.gates == "shared"]
    mine = [s for s in samples if s.patient == "P01"]
    _figure, axes = new_figure(PAPER)
    places = draw_lesions(axes, PAPER, lesions[lesions["patient"] == "P01"], mine)
    told = [place.text for place in places]
    assert told[:2] == ["L1, day 0: 400 mm²", "L1, day 90: 120 mm²"]
    assert [t for t in told if t.startswith("biopsy")] == [
        "biopsy at baseline L1, day 0", "biopsy at response L1, day 90",
        "biopsy at relapse L1, day 540",
    ]  # fmt: skip
    (curve, *_) = (line for line in axes.lines if len(line.get_xdata()) == 4)
    assert list(curve.get_ydata()) == [400, 120, 60, 350]


@pytest.mark.parametrize(
    ("metric", "scale", "values", "text"),
    [
        ("cd8_density", "log_density", (math.log(2), 0.0, math.log(4)), "× 2.00 (1.00 to 4.00)"),
        ("cd8_density", "log_density", (-math.inf, None, None), "× 0"),
        ("cd8_density", "log_density", (math.inf, None, None), "× infinite"),
        ("touching_cd8_fraction", "difference", (-0.125, -0.2, 0.05),
         "-12.5 points (-20.0 to +5.0)"),
        ("tumour_proportion_score", "difference", (10.0, None, None), "+10.0 points"),
        ("pdl1_induction_log_odds_ratio", "difference", (0.5, 0.25, 0.75),
         "+0.50 (+0.25 to +0.75)"),
        ("cd8_density", "log_density", (None, None, None), ""),
    ],
)  # fmt: skip
def test_changes_read_as_factors_and_points(metric, scale, values, text):
    effect, low, high = values
    row = {
        "metric": metric, "effect_scale": scale, "effect": effect, "ci_low": low, "ci_high": high,
    }  # fmt: skip
    assert effect_text(row) == text


def pattern(name, **more):
    row = {
        "axis": "pdl1", "timepoint": "", "words": f"consistent with {name}", "reason": "",
        "evidence_for": "", "evidence_against": "",
    }  # fmt: skip
    return {**row, "pattern": name, **more}


def test_patterns_are_told_in_short_on_page_one():
    said = moment_said(
        [
            pattern("pdl1_not_evaluable", words="not evaluable: " + "why " * 200, reason="few"),
            pattern("t_cells_unnamed", axis="t_cells", words="no pattern shown: long"),
            pattern(
                "x", evidence_against="gates found automatically that nobody confirmed: cd8; y"
            ),
        ]
    )
    assert said.verdicts == (
        "PD-L1: not evaluable",
        "T cells: no pattern shown",
        "consistent with x",
    )
    assert said.why == ("few",)
    assert said.against == ("y",)  # what adequacy says by name is not said twice


def test_a_course_is_told_with_its_steps():
    steps = pattern(
        "course_steps", words="baseline: a → relapse: b", evidence_against="two lesions"
    )
    lost = pattern("lost", evidence_for="30 % to 95 %")
    at_baseline = pattern("y", timepoint="baseline")
    said = course_said([steps, lost, at_baseline])
    assert said.verdicts == ("consistent with lost",)
    assert said.steps == "baseline: a → relapse: b"
    assert said.evidence == ("30 % to 95 %",)
    assert said.against == ("two lesions",)


def test_numbers_that_courses_share_are_told_once():
    number = "relapse: PD-L1-positive, tumour cells touching CD8 5.3 %"
    steps = pattern("course_steps", words="a → b", evidence_for=f"baseline: 58 %; {number}")
    courses = [
        pattern(name, evidence_for=f"absent at relapse ({number}); {why} ({number})")
        for name, why in (("paper", "held at the margin"), ("lost", "not before"))
    ]
    said = course_said([*courses, steps])
    assert len(said.verdicts) == 2
    assert " ".join(said.evidence).count(number) == 1


def test_a_varied_parameter_is_told_by_median_and_range():
    rows = [
        {
            "gates": "shared", "metric": drawn.NEGATIVE, "phenotype": "tumour", "unit": "1",
            "region": "tissue", "neighbourhood": "contact", "parameter": "margin.width_um",
            "parameter_value": width, "timepoint": timepoint, "value": value,
        }
        for width, timepoint, value in (
            (40, "baseline", 0.1), (40, "baseline", 0.3), (40, "baseline", 0.8),
            (40, "relapse", None), (100, "baseline", 0.5),
        )
    ]  # fmt: skip
    table = sweep_summary("sweep", pd.DataFrame(rows), TIMEPOINTS)
    texts = [[getattr(cell, "text", cell) for cell in row] for row in table.rows]
    assert texts == [
        [NEGATIVE.title, "margin.width_um", "40", "30.0 % (10.0 % to 80.0 %; 3)", "no slide",
         "not evaluable"],
        [NEGATIVE.title, "margin.width_um", "100", "50.0 % (50.0 % to 50.0 %; 1)", "no slide",
         "no slide"],
    ]  # fmt: skip
    assert not sweep_summary("sweep", None, TIMEPOINTS).rows
