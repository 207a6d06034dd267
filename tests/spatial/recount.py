"""Small slides for tests, and a recount of them by plain loops over cells and contacts."""

import numpy as np
import pandas as pd

from immunescape.cells import CellTable
from immunescape.results import RegionAreas

MEMBERS = {
    "centre": {"centre"},
    "inner_margin": {"inner_margin"},
    "outer_margin": {"outer_margin"},
    "stroma": {"stroma"},
    "margin": {"inner_margin", "outer_margin"},
    "tumour": {"centre", "inner_margin"},
    "tissue": {"centre", "inner_margin", "outer_margin", "stroma"},
}
_AREAS = {"centre": 0.5, "inner_margin": 0.2, "outer_margin": 0.3, "stroma": 1.0}


def areas(scale=1.0, **changes):
    """Areas of a slide whose regions add up, and eight bands of 25 µm."""
    four = {name: scale * area for name, area in _AREAS.items()} | changes.pop("four", {})
    start = np.arange(-100.0, 100.0, 25.0)
    values = {
        "areas_mm2": {r: sum(four[part] for part in parts) for r, parts in MEMBERS.items()},
        "not_evaluable": {},
        "bands": pd.DataFrame({"from_um": start, "to_um": start + 25, "area_mm2": 0.1 * scale}),
        "edge_censored_mm2": 0.05 * scale,
        "margin_width_um": 50.0,
        "margin_length_mm": 2.0,
        "tumour_source": "drawn",
    }
    return RegionAreas(**(values | changes))


def table(rows, labels=None):
    """Cell table of ``(phenotype, pdl1, region)`` rows; pdl1 is ``+``, ``-`` or ``?``."""
    n = len(rows)
    frame = pd.DataFrame(
        {
            "x_um": 1000.0 * np.arange(n),
            "y_um": np.zeros(n),
            "phenotype": [row[0] for row in rows],
            "pdl1_positive": pd.array(
                [{"+": True, "-": False, "?": pd.NA}[row[1]] for row in rows], dtype="boolean"
            ),
            "region": [row[2] for row in rows],
            "distance_to_margin_um": np.zeros(n),
            "edge_censored": np.zeros(n, bool),
        },
        index=pd.Index(labels if labels is not None else range(1, n + 1), name="label"),
    )
    return CellTable(frame)


def contacts(*pairs):
    """Table of contacts from pairs of labels."""
    return pd.DataFrame(
        {
            "label_a": [min(p) for p in pairs],
            "label_b": [max(p) for p in pairs],
            "contact_um": [1.0] * len(pairs),
        }
    ).astype({"label_a": np.int64, "label_b": np.int64})


def random_slide(seed=0, n=300, side_um=200.0, reach_um=14.0):
    """Cells of every kind at random and contacts between those closer than a reach."""
    rng = np.random.default_rng(seed)
    phenotypes = ["tumour", "cd8_t", "other", "unknown"]
    xy = rng.random((n, 2)) * side_um
    frame = pd.DataFrame(
        {
            "x_um": xy[:, 0],
            "y_um": xy[:, 1],
            "phenotype": rng.choice(phenotypes, n, p=[0.5, 0.2, 0.25, 0.05]),
            "pdl1_positive": pd.array(rng.choice(["+", "-", "?"], n) == "+", dtype="boolean"),
            "region": rng.choice([*_AREAS, "excluded"], n),
            "distance_to_margin_um": rng.integers(-110, 111, n).astype(float),
            "edge_censored": rng.random(n) < 0.1,
        },
        index=pd.Index(rng.permutation(5 * n)[:n] + 1, name="label"),
    )
    frame.loc[rng.random(n) < 0.1, "pdl1_positive"] = pd.NA
    labels = frame.index.to_numpy()
    pairs = [
        (labels[i], labels[j])
        for i in range(n)
        for j in range(i)
        if np.hypot(*(xy[i] - xy[j])) < reach_um
    ]
    return CellTable(frame), contacts(*pairs)


def is_kind(row, phenotype, pdl1):
    """Whether one row of a cell table is of a kind."""
    if phenotype not in ("any", row["phenotype"]):
        return False
    if pdl1 == "any":
        return True
    return not pd.isna(row["pdl1_positive"]) and bool(row["pdl1_positive"]) == (pdl1 == "positive")


def neighbours(cells, pairs):
    """Set of touching labels of each label."""
    result = {label: set() for label in cells.labels.tolist()}
    for a, b in zip(pairs["label_a"].tolist(), pairs["label_b"].tolist(), strict=True):
        result[a].add(b)
        result[b].add(a)
    return result
