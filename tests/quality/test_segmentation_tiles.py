"""How often a tile is flagged by chance, and how often one that is really unlike the rest."""

import numpy as np
import pandas as pd
import pytest

from immunescape.quality import SegmentationQualityParams
from immunescape.quality._tiles import ISSUES_OF_TILES, judge_tiles
from immunescape.results import SEGMENTATION_COLUMNS
from tests.quality.drawn_nuclei import discs, judged

PARAMS = SegmentationQualityParams()
NONE = {"small": 0.02, "large": 0.01, "ragged": 0.03, "unstained": 0.02}
TILES = 20_000


def tiles(rng, mean, *, factor=1.0, size=1.0, shares=NONE, between=0.0, missed=0.0):
    """A table of tiles whose nuclei come by chance; ``factor`` and ``size`` may differ by tile.

    Numbers are Poisson, areas log-normal (standard deviation 0.4), small, large, ragged and
    unstained ones binomial; ``between`` is how far densities vary from tile to tile.
    """
    rate = mean * factor * np.exp(rng.normal(0, between, TILES))
    number = rng.poisson(rate)
    median = np.full(TILES, np.nan)
    spread = np.full(TILES, np.nan)
    scale = np.log(60 * size) * np.ones(TILES)
    for n in np.unique(number[number > 0]):
        here = number == n
        areas = rng.normal(scale[here][:, None], 0.4, (here.sum(), n))
        median[here] = np.exp(np.median(areas, axis=1))
        if n > 1:
            spread[here] = areas.std(axis=1, ddof=1)
    counts = {name: rng.binomial(number, share) for name, share in shares.items()}
    blank = dict.fromkeys(SEGMENTATION_COLUMNS[: SEGMENTATION_COLUMNS.index("judged")], 0.0)
    stained = number * 50.0
    return pd.DataFrame(
        {
            **blank, **counts, "tile": np.arange(TILES) + 1, "tissue_mm2": 0.04, "cells": number,
            "sized": number, "weighed": number, "median_area_um2": median, "spread": spread,
            "stained_um2": stained, "missed_um2": stained * missed, "missed_stain_share": missed,
            "judged": True,
        }
    )  # fmt: skip


def flagged(table, issue=None):
    found = judge_tiles(table, NONE, PARAMS)
    assert list(found.columns) == list(SEGMENTATION_COLUMNS)
    if issue is None:
        return found["flagged"].mean()
    return np.mean([issue in text.split() for text in found["issues"]])


@pytest.mark.parametrize("mean", [2, 5, 10, 20, 50, 200])
def test_where_nuclei_are_alike_everywhere_fewer_than_one_tile_in_1000_is_flagged(mean):
    rng = np.random.default_rng(mean)
    assert flagged(tiles(rng, mean)) < (0.001 if mean < 20 else 0.0001)


def test_where_density_varies_from_place_to_place_one_tile_in_100_is_flagged():
    """By a factor of 1.6 (one standard deviation): far beyond that is what is flagged."""
    rng = np.random.default_rng(1)
    assert flagged(tiles(rng, 80, between=0.5)) < 0.01


@pytest.mark.parametrize(("mean", "factor"), [(10, 6), (20, 5), (50, 4), (100, 3.5)])
def test_dense_tiles_are_found(mean, factor):
    rng = np.random.default_rng(2)
    odd = np.arange(TILES) % 50 == 0
    table = tiles(rng, mean, factor=np.where(odd, factor, 1))
    found = judge_tiles(table, NONE, PARAMS)
    assert found["flagged"][odd].mean() > 0.9
    assert (found["issues"][odd & found["flagged"]] == "dense").all()
    assert found["flagged"][~odd].mean() < 0.001


@pytest.mark.parametrize(
    ("size", "issue"), [(0.45, "small"), (2.2, "large")], ids=["halved", "doubled"]
)
def test_tiles_of_other_sizes_are_found(size, issue):
    rng = np.random.default_rng(3)
    odd = np.arange(TILES) % 50 == 0
    table = tiles(rng, 40, size=np.where(odd, size, 1))
    found = judge_tiles(table, NONE, PARAMS)
    assert (found["issues"][odd] == issue).mean() > 0.95
    assert found["flagged"][~odd].mean() < 0.001


@pytest.mark.parametrize(
    ("counted", "issue"),
    [("small", "fragments"), ("large", "giants"), ("ragged", "ragged"), ("unstained", "unstained")],
)
def test_tiles_with_a_third_or_more_of_odd_nuclei_are_found(counted, issue):
    rng = np.random.default_rng(4)
    table = tiles(rng, 60, shares=NONE | {counted: 0.45})
    assert flagged(table, issue) > 0.95
    assert flagged(tiles(rng, 60, shares=NONE | {counted: NONE[counted] + 0.1}), issue) < 0.005


def test_missed_stain_is_judged_by_itself():
    rng = np.random.default_rng(5)
    assert flagged(tiles(rng, 60, missed=0.26), "missed") > 0.999
    assert flagged(tiles(rng, 60, missed=0.24), "missed") == 0


def test_a_tile_with_too_little_tissue_is_never_flagged():
    table = tiles(np.random.default_rng(6), 60, missed=0.9).assign(judged=False)
    found = judge_tiles(table, NONE, PARAMS)
    assert not found["flagged"].any()
    assert (found["severity"] == 0).all()


def test_shares_of_a_slide_without_any_are_not_judged():
    table = tiles(np.random.default_rng(7), 60, shares=dict.fromkeys(NONE, 0.9))
    found = judge_tiles(table, dict.fromkeys(NONE, np.nan), PARAMS)
    assert not found["flagged"].any()


def test_every_issue_can_be_flagged_and_stands_in_its_order():
    rng = np.random.default_rng(8)
    odd = np.arange(TILES) % 100 == 0
    shares = {name: np.where(odd, 0.9, share) for name, share in NONE.items()}
    table = tiles(rng, 60, factor=np.where(odd, 6, 1), size=np.where(odd, 4, 1), shares=shares)
    table.loc[odd, ["missed_um2", "missed_stain_share"]] = 5000.0, 0.9
    found = judge_tiles(table, NONE, PARAMS)
    expected = [i for i in ISSUES_OF_TILES if i not in ("small", "sparse")]
    assert (found["issues"][odd] == " ".join(expected)).all()
    assert (found["reason"][odd].str.count("; ") == len(expected) - 1).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_a_poisson_field_of_pixels_has_no_flagged_tile(seed):
    """Discs of 6 to 11 µm wherever chance puts them, some over others."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, [1200, 1600], (4000, 2))
    field = discs((1200, 1600), [tuple(p) for p in places], rng.uniform(3, 5.5, 4000))
    quality = judged(field)
    assert quality.figures["tiles_judged"] == 48
    assert quality.tiles["reason"].eq("").all()
    assert quality.warnings == ()
