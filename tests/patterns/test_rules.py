"""Rules against summary tables drawn by hand; the answer is written beside each."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from immunescape.errors import ParameterError
from immunescape.patterns import AXES, PatternParams, pattern_table
from immunescape.patterns.numbers import numbers_of
from immunescape.patterns.readings import read_slide
from tests.patterns.drawn import (
    ABSENT,
    BETWEEN,
    CONSTITUTIVE,
    DESERT,
    EXCLUDED,
    INFILTRATED,
    KEYS,
    NEITHER,
    REACTIVE,
    line,
    read,
    result,
    shown,
)

T_CELLS = {
    "t_cells_excluded": EXCLUDED,
    "t_cells_infiltrated": INFILTRATED,
    "t_cells_desert": DESERT,
    "t_cells_unnamed": BETWEEN,
}
PDL1 = {
    "pdl1_reactive": REACTIVE,
    "pdl1_absent_on_tumour": ABSENT,
    "pdl1_constitutive": CONSTITUTIVE,
    "pdl1_unnamed": NEITHER,
}


@pytest.mark.parametrize("t_cells", T_CELLS)
@pytest.mark.parametrize("pdl1", PDL1)
def test_the_two_axes_are_read_apart(t_cells: str, pdl1: str) -> None:
    assert read({**T_CELLS[t_cells], **PDL1[pdl1]}) == {t_cells, pdl1}


@pytest.mark.parametrize(
    ("base", "name", "touching", "beyond", "pattern"),
    [
        # value, lower and upper end just on the threshold, and a hair on its right side
        (EXCLUDED, "ratio", (4, 2.0, 8), (4, 2.001, 8), "t_cells_excluded"),
        (EXCLUDED, "margin", (300, 100, 500), (300, 100.1, 500), "t_cells_excluded"),
        (EXCLUDED, "centre", (120, 60, 200), (120, 60, 199.9), "t_cells_excluded"),
        (INFILTRATED, "centre", (300, 200, 400), (300, 200.1, 400), "t_cells_infiltrated"),
        (DESERT, "centre", (50, 20, 100), (50, 20, 99.9), "t_cells_desert"),
        (DESERT, "margin", (90, 40, 200), (90, 40, 199.9), "t_cells_desert"),
        (ABSENT, "touching", (0.9, 0.8, 0.99), (0.9, 0.801, 0.99), "pdl1_absent_on_tumour"),
        (ABSENT, "other", (0.6, 0.4, 0.8), (0.6, 0.4, 0.799), "pdl1_absent_on_tumour"),
        (ABSENT, "other_odds", (3, 1.5, 6), (3, 1.501, 6), "pdl1_absent_on_tumour"),
        (REACTIVE, "odds", (3, 1.5, 6), (3, 1.501, 6), "pdl1_reactive"),
        (REACTIVE, "other_odds", (3, 1.5, 6), (3, 1.501, 6), "pdl1_reactive"),
        (REACTIVE, "touching", (0.6, 0.4, 0.8), (0.6, 0.4, 0.799), "pdl1_reactive"),
        (CONSTITUTIVE, "apart", (0.4, 0.3, 0.5), (0.4, 0.3, 0.499), "pdl1_constitutive"),
        (CONSTITUTIVE, "touching", (0.4, 0.3, 0.5), (0.4, 0.3, 0.499), "pdl1_constitutive"),
        (CONSTITUTIVE, "odds", (2, 1, 4.0), (2, 1, 3.999), "pdl1_constitutive"),
    ],
)
def test_an_interval_that_just_touches_a_threshold_shows_nothing(
    base: dict, name: str, touching: tuple, beyond: tuple, pattern: str
) -> None:
    whole = {**BETWEEN, **NEITHER, **base}
    assert pattern not in read({**whole, name: touching})
    assert pattern in read({**whole, name: beyond})


def test_points_beyond_a_threshold_are_not_enough() -> None:
    wide = {"centre": (40, 5, 260), "margin": (600, 80, 2000), "ratio": (15, 1.2, 90)}
    assert read({**wide, **NEITHER}) == {"t_cells_unnamed", "pdl1_unnamed"}


def test_the_p_value_may_be_as_large_as_allowed_and_no_larger() -> None:
    numbers = {**BETWEEN, **REACTIVE}
    assert "pdl1_reactive" in read(numbers, odds={"p": 0.05})
    assert "pdl1_reactive" not in read(numbers, odds={"p": 0.051})
    assert "pdl1_not_evaluable" in read(numbers, other_odds={"p": math.nan})


def test_a_centre_without_t_cells_is_excluded_though_the_ratio_is_infinite() -> None:
    numbers = {**EXCLUDED, "centre": (0, 0, 9), "ratio": (math.inf, 31.0, math.inf), **NEITHER}
    assert "t_cells_excluded" in read(numbers)


def test_high_pdl1_that_rises_is_reactive_and_not_constitutive() -> None:
    high = {**CONSTITUTIVE, "odds": (3, 2, 3.9)}
    assert read({**BETWEEN, **high}) == {"t_cells_unnamed", "pdl1_reactive"}


@pytest.mark.parametrize("name", KEYS)
def test_a_missing_row_is_never_read_as_zero(name: str) -> None:
    """Without its number no pattern that needs it is shown, nor denied by its absence."""
    needs = {
        "centre": ("t_cells_desert", "t_cells_excluded", "t_cells_infiltrated"),
        "margin": ("t_cells_desert", "t_cells_excluded"),
        "ratio": ("t_cells_excluded",),
        "touching": ("pdl1_absent_on_tumour", "pdl1_reactive", "pdl1_constitutive"),
        "apart": ("pdl1_constitutive",),
        "other": ("pdl1_absent_on_tumour",),
        "odds": ("pdl1_reactive", "pdl1_constitutive"),
        "other_odds": ("pdl1_reactive", "pdl1_absent_on_tumour"),
    }[name]
    for pattern in needs:
        numbers = {**BETWEEN, **NEITHER, **{**T_CELLS, **PDL1}[pattern]}
        del numbers[name]
        table = pattern_table([result(numbers)])
        axis = "t_cells" if pattern in T_CELLS else "pdl1"
        assert f"{axis}_not_evaluable" in shown(table)
        row = line(table, pattern)
        assert pd.isna(row["holds"])
        assert not row["evaluable"]
        assert "the summary has no row" in row["reason"]
        assert row["words"].startswith("not evaluable: ")


def test_a_slide_without_any_row_shows_nothing() -> None:
    table = pattern_table([result({})])
    assert shown(table) == {"t_cells_not_evaluable", "pdl1_not_evaluable"}


@pytest.mark.parametrize(
    ("names", "why", "expected"),
    [
        (
            ("touching", "apart", "other", "odds", "other_odds"),
            "stain failure cannot be told from biology: 3 PD-L1-positive cells",
            {"t_cells_excluded", "pdl1_not_evaluable"},
        ),
        (
            ("margin", "ratio"),
            "in a lymph node the outer margin is full of the node's own CD8 cells",
            {"t_cells_not_evaluable", "pdl1_absent_on_tumour"},
        ),
        (
            ("centre", "margin", "ratio"),
            "the tumour has no interface on this slide",
            {"t_cells_not_evaluable", "pdl1_absent_on_tumour"},
        ),
        (("touching",), "12 cells, 20 needed", {"t_cells_excluded", "pdl1_not_evaluable"}),
    ],
)
def test_what_cannot_be_judged_says_why(names: tuple, why: str, expected: set[str]) -> None:
    changes = {name: {"stop": why} for name in names}
    table = pattern_table([result({**EXCLUDED, **ABSENT}, **changes)])
    assert shown(table) == expected
    (pattern,) = (p for p in expected if p.endswith("not_evaluable"))
    row = line(table, pattern)
    assert not row["evaluable"]
    assert why in row["reason"]
    assert why in row["words"]


def test_an_infiltrated_node_is_named_though_its_margin_cannot_be_judged() -> None:
    stop = {"stop": "lymph node"}
    numbers = {**INFILTRATED, **NEITHER}
    assert "t_cells_infiltrated" in read(numbers, margin=stop, ratio=stop)


def test_an_evaluable_row_without_an_interval_is_not_evaluable() -> None:
    numbers = {**INFILTRATED, "centre": (700, math.nan, math.nan), **NEITHER}
    assert "t_cells_not_evaluable" in read(numbers)


def test_a_row_that_stands_twice_is_refused() -> None:
    one = result({**EXCLUDED, **ABSENT})
    twice = pd.concat([one.tables["summary"]] * 2, ignore_index=True)
    with pytest.raises(ValueError, match="twice"):
        pattern_table([dataclasses.replace(one, tables={**one.tables, "summary": twice})])


def test_of_each_axis_exactly_one_row_holds_whatever_the_numbers() -> None:
    """No two patterns hold at once, with any intervals and any thresholds that are allowed."""
    rng = np.random.default_rng(5)
    scale = {"centre": 150, "margin": 150, "ratio": 3, "odds": 3, "other_odds": 4}
    slides = []
    for _ in range(300):
        numbers = {}
        for name in KEYS:
            if name in scale:
                ends = scale[name] * np.exp(rng.normal(0, 1) + np.sort(rng.normal(0, 0.3, 3)))
            else:
                ends = np.sort(np.clip(rng.random() + rng.normal(0, 0.05, 3), 0, 1))
            numbers[name] = (ends[1], ends[0], ends[2])
        slides.append(numbers_of(result(numbers)))
    seen = set()
    for params in (PatternParams(), *(p for _, _, p in PatternParams().others())):
        for numbers in slides:
            held = {pattern for pattern, now in read_slide(numbers, params).items() if now}
            assert len(held) == len(AXES)
            assert len({pattern.startswith("pdl1") for pattern in held}) == len(AXES)
            seen |= held
    assert seen == {*T_CELLS, *PDL1}


def test_thresholds_that_would_let_two_patterns_hold_are_refused() -> None:
    with pytest.raises(ParameterError, match="few_per_mm2 of 300 is above many_per_mm2 of 200"):
        PatternParams(few_per_mm2=300)
    with pytest.raises(ParameterError, match="absent_share"):
        PatternParams(absent_share=0.6)


def test_each_threshold_is_halved_and_doubled_within_its_range() -> None:
    moved: dict[str, list[float]] = {}
    for name, value, params in PatternParams().others():
        assert getattr(params, name) == value
        moved.setdefault(name, []).append(round(value, 9))
    assert moved == {
        "few_per_mm2": [50, 200],  # 200 is also the most that many_per_mm2 allows
        "many_per_mm2": [100, 400],
        "excluded_ratio": [1, 4],
        "rise_odds_ratio": [1, 3],  # an odds ratio below 1 is no rise
        "flat_odds_ratio": [2, 8],
        "max_p": [0.025, 0.1],
        "absent_share": [0.1, 0.4],
        "constitutive_share": [0.25, 0.75],  # half the way to 1
    }
    assert PatternParams(few_per_mm2=200) in [p for _, _, p in PatternParams().others()]


def test_thresholds_are_parameters() -> None:
    numbers = {**EXCLUDED, "ratio": (4, 2.5, 6), **NEITHER}
    assert "t_cells_excluded" in read(numbers)
    table = pattern_table([result(numbers)], PatternParams(excluded_ratio=3))
    assert "t_cells_unnamed" in shown(table)
    assert "is above 3 (" in line(table, "t_cells_excluded")["rule"]
