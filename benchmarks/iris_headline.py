"""Print the headline of a real melanoma under the published gate and under every automatic one.

Run ``python benchmarks/iris_headline.py [--histograms FILE.png]`` with the real data beside the
repository. The specimen is two fields; kinds of cell, tumour masks, margin lines and label maps are
the published ones, so that only the PD-L1 gate of the tumour cells differs from row to row. The
headline is the PD-L1-negative share of the tumour cells that touch a CD8 T cell. A gate's range is
that of 100 fits to resampled blocks of 100 µm; the headline stands at both ends of it.

``program``: what this package does with a study that says no more than the method; both fields
are slides of one patient. ``control``: the gate that the cells of other phenotypes have among
themselves. ``plain``: a textbook method applied without asking whether there are two populations.
"""

import argparse
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pandas as pd
import shapely
import tifffile

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.real_data import DATA

from immunescape.cells import CellTable
from immunescape.io.masks import polygons_from_mask
from immunescape.margin import GridMask, MarginParams, map_margin
from immunescape.panel import Panel, Stain
from immunescape.phenotype import (
    GateParams,
    GateSpec,
    Group,
    Pool,
    Slidemate,
    fit_gate,
    gate_by_parent,
)
from immunescape.regions import Regions
from immunescape.results import BLOCK_UM
from immunescape.spatial import find_contacts

PIXEL_UM = 0.496
FIELDS = (2, 7)
PUBLISHED = 3.64
"""The threshold on the membrane mean with which the fields were scored and published."""

REGIONS = {
    "tumour": ("centre", "inner_margin"),
    "margin": ("inner_margin", "outer_margin"),
    "tissue": ("centre", "inner_margin", "outer_margin", "stroma"),
}
DRAWS = 100
_REACH_PX = 76
_PDL1 = "Membrane PD-Ligand-1 (Opal 690) Mean (Normalized Counts, Total Weighting)"
_KINDS = {"SOX10+": "tumour", "CD8+": "cd8_t", "OTHER": "other"}


def read_labels(number):
    """Return the label image of one field, ``(y, x)``, numbered like the cell table.

    The file holds the Cell ID less one; the first cell's 0 is the background and touches nothing.
    """
    base = DATA / "iris" / "fields_r"
    stored = tifffile.imread(base / f"MEL2_{number}_binary_seg_maps.tif", key=0).astype(np.int32)
    return np.where(stored > 0, stored + 1, 0)


def read_field(number):
    """Return the cells of one field.

    Returns
    -------
    DataFrame
        A row a cell, indexed by label: ``field, x_um, y_um, pdl1, phenotype, region``, the
        square ``block`` of 100 µm and ``touching``, whether it touches a CD8 T cell.
    """
    base = DATA / "iris" / "fields_r"
    table = pd.read_csv(base / f"MEL2_{number}_cell_seg_data.txt", sep="\t")
    xy = (table[["Cell X Position", "Cell Y Position"]].to_numpy(float) + 0.5) * PIXEL_UM
    block = (xy // BLOCK_UM).astype(int)
    cells = pd.DataFrame(
        {
            "field": number,
            "x_um": xy[:, 0],
            "y_um": xy[:, 1],
            "pdl1": table[_PDL1].to_numpy(float),
            "phenotype": table["Phenotype"].map(_KINDS).fillna("unknown").to_numpy(),
            "region": _regions(base, number, xy),
            "block": [f"{number}:{row}:{column}" for column, row in block],
        },
        index=pd.Index(table["Cell ID"].to_numpy(), name="label"),
    )
    cd8 = cells.index[cells["phenotype"] == "cd8_t"]
    counts = find_contacts(read_labels(number), PIXEL_UM).count(cells.index.to_numpy(), cd8)
    return cells.assign(touching=counts > 0)


def _regions(base, number, points_um):
    stroke = tifffile.imread(base / f"MEL2_{number}_Invasive_Margin.tif")[..., 3] > 0
    mask = tifffile.imread(base / f"MEL2_{number}_Tumor.tif")[..., 3] > 0
    height, width = mask.shape
    line = shapely.boundary(polygons_from_mask(stroke, PIXEL_UM))
    margin = map_margin(
        GridMask.whole((width * PIXEL_UM, height * PIXEL_UM)),
        Regions({"margin_line": line}),
        polygons_from_mask(mask, PIXEL_UM),
        "imported",
        params=MarginParams(width_um=(_REACH_PX - 0.5) * PIXEL_UM),
    )
    return margin.locate(points_um)["region"].to_numpy()


def read_specimen():
    """Return the cells of both fields in one table."""
    return pd.concat([read_field(number) for number in FIELDS])


@dataclass(frozen=True)
class Way:
    """One way to find the gate of the tumour cells.

    ``find(cells, pooled, draws)`` takes the cells of both fields and returns a row a field, with
    ``gate, low, high`` (NaN where there is none) and what is worth saying, ``note``.
    """

    group: str
    name: str
    find: object


def ways():
    """Return every way, the published one first."""
    methods = get_args(get_type_hints(GateParams)["method"])
    result = [Way("published", f"{PUBLISHED}", _published)]
    result += [Way("program", method, partial(_program, method)) for method in methods]
    result += [Way("control", method, partial(_control, method)) for method in methods]
    plain = {
        "otsu, tumour cells": lambda tumour, rest: _otsu(tumour),
        "otsu, all cells": lambda tumour, rest: _otsu(_both(tumour, rest)),
        "otsu of log, tumour cells": lambda tumour, rest: float(np.exp(_otsu(np.log(tumour)))),
        "gmm of log, tumour cells": lambda tumour, rest: _two_normal(tumour),
        "gmm of log, all cells": lambda tumour, rest: _two_normal(_both(tumour, rest)),
    }
    return result + [Way("plain", name, partial(_plain, fit)) for name, fit in plain.items()]


def _published(cells, pooled, draws):
    return _rows(dict.fromkeys(FIELDS, (PUBLISHED, np.nan, np.nan, "")))


def _rows(found):
    columns = ["gate", "low", "high", "note"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns)


def _row(gate):
    ends = [np.nan if v is None else v for v in (gate.threshold, gate.gate_low, gate.gate_high)]
    found = gate.source if gate.threshold is None else f"{gate.source} by {gate.method}"
    return (*ends, f"{found} ({gate.note})" if gate.note else found)


def _program(method, cells, pooled, draws):
    """Find gates as the package does for a study that says no more than the method."""
    panel = Panel((Stain(channel="Opal 690", marker="pdl1", compartment="membrane"),))
    params = GateParams(method=method, membrane_statistic="mean", bootstrap_draws=draws)
    tables = {
        number: CellTable(
            pd.DataFrame(
                {
                    "x_um": mine["x_um"],
                    "y_um": mine["y_um"],
                    "pdl1_membrane_mean": mine["pdl1"],
                    "is_tumour": pd.array(
                        (mine["phenotype"] == "tumour").where(mine["phenotype"] != "unknown"),
                        dtype="boolean",
                    ),
                }
            )
        )
        for number, mine in cells.groupby("field")
    }
    found = {}
    for number, table in tables.items():
        others = tuple(other for key, other in tables.items() if key != number)
        pool = Pool("patient", others) if pooled else None
        tumour, _ = gate_by_parent(table, panel, params=params, pool=pool)
        found[number] = _row(tumour)
    return _rows(found)


def _control(method, cells, pooled, draws):
    """Find the gate that the cells of other phenotypes have among themselves."""
    params = GateParams(method=method, bootstrap_draws=draws)
    rest = cells[cells["phenotype"].isin(["cd8_t", "other"])]
    groups = {
        number: Group(mine["pdl1"].to_numpy(), mine[["x_um", "y_um"]].to_numpy())
        for number, mine in rest.groupby("field")
    }
    found = {}
    for number, group in groups.items():
        others = [Slidemate(other) for key, other in groups.items() if key != number]
        spec = GateSpec("pdl1", "all", method)
        gate = fit_gate(group, None, spec, "mean", params, others=others if pooled else ())
        found[number] = _row(gate)
    return _rows(found)


def _plain(fit, cells, pooled, draws):
    """Apply a textbook method, and again to resampled blocks of 100 µm."""
    gates = _fitted(fit, cells, pooled)
    rng = np.random.default_rng(0)
    rows = np.arange(len(cells))
    blocks = {
        number: [rows[cells["block"].to_numpy() == block] for block in mine["block"].unique()]
        for number, mine in cells.groupby("field")
    }
    drawn = [
        np.concatenate(
            [each[k] for each in blocks.values() for k in rng.integers(0, len(each), len(each))]
        )
        for _ in range(draws)
    ]
    ends = pd.DataFrame([_fitted(fit, cells.iloc[d], pooled) for d in drawn], columns=FIELDS)
    low, high = ends.quantile(0.025), ends.quantile(0.975)
    return _rows({n: (gates[n], low[n], high[n], "") for n in FIELDS})


def _fitted(fit, cells, pooled):
    found = {}
    for number in FIELDS:
        mine = cells if pooled else cells[cells["field"] == number]
        tumour = mine["pdl1"][mine["phenotype"] == "tumour"].to_numpy()
        rest = mine["pdl1"][mine["phenotype"].isin(["cd8_t", "other"])].to_numpy()
        found[number] = fit(tumour, rest)
    return found


def _both(tumour, rest):
    return np.concatenate([tumour, rest])


def _otsu(values):
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(values))


def _two_normal(values):
    """Where a plain mixture of two normals on the logarithm starts to prefer the brighter."""
    from sklearn.mixture import GaussianMixture

    logs = np.log(values)
    model = GaussianMixture(2, random_state=0).fit(logs[:, None])
    low, high = np.sort(model.means_[:, 0])
    grid = np.linspace(low, high, 1001)
    brighter = model.predict(grid[:, None]) == int(np.argmax(model.means_[:, 0]))
    return float(np.exp(grid[int(np.argmax(brighter))]))


def headline(cells, gates):
    """Return the headline by region: ``negative`` and ``touching`` tumour cells, and the share.

    Parameters
    ----------
    cells
        Cells of both fields.
    gates
        Threshold of each field: cells above it are positive. The share is missing if one is.
    """
    counted = cells[cells["touching"] & (cells["phenotype"] == "tumour")]
    negative = (counted["pdl1"] <= counted["field"].map(gates)).to_numpy()
    inside = {name: counted["region"].isin(parts).to_numpy() for name, parts in REGIONS.items()}
    table = pd.DataFrame(
        {
            "negative": {name: int(negative[mask].sum()) for name, mask in inside.items()},
            "touching": {name: int(mask.sum()) for name, mask in inside.items()},
        }
    )
    share = table["negative"] / table["touching"]
    return table.assign(share=share if gates.notna().all() else np.nan)


def compare(cells, chosen=None, *, draws=DRAWS):
    """Return a row a way (all, or those chosen) and scope, by the headline of all tissue."""
    rows = []
    for way in chosen or ways():
        for pooled in (True,) if way.group == "published" else (True, False):
            found = way.find(cells, pooled, draws)
            shares = {end: headline(cells, found[end])["share"] for end in ("gate", "low", "high")}
            row = {
                "group": way.group,
                "method": way.name,
                "fitted on": "both fields" if pooled else "each field",
                "gate": _written(found["gate"]),
                "gate range": " ".join(
                    f"[{low:.2f}, {high:.2f}]"
                    for low, high in _distinct(found["low"], found["high"])
                    if not np.isnan(low)
                ),
            }
            for region in REGIONS:
                row[region] = shares["gate"][region]
                row[f"{region} low"] = shares["low"][region]
                row[f"{region} high"] = shares["high"][region]
            row["note"] = " / ".join(dict.fromkeys(found["note"]))
            rows.append(row)
    return pd.DataFrame(rows).sort_values("tissue", ignore_index=True, na_position="last")


def _distinct(*series):
    return list(dict.fromkeys(zip(*(s.tolist() for s in series), strict=True)))


def _written(gates):
    return " / ".join("none" if np.isnan(v) else f"{v:.2f}" for (v,) in _distinct(gates))


def printed(table):
    """Return the comparison as text: shares in per cent, at both ends of the gate in brackets."""
    shown = table[["group", "method", "fitted on", "gate", "gate range"]].copy()
    for region in REGIONS:
        ends = table[[region, f"{region} low", f"{region} high"]]
        shown[region] = [_share(*row) for row in ends.itertuples(index=False)]
    shown["note"] = table["note"]
    return shown.to_string(index=False)


def _share(value, low, high):
    if np.isnan(value):
        return "no gate"
    ends = "" if np.isnan(low) else f" [{100 * low:.0f}, {100 * high:.0f}]"
    return f"{100 * value:.0f}{ends}"


def conclusion(table):
    """Return what the spread means, from the numbers of the table."""
    automatic = table[table["group"].isin(["program", "control"])].dropna(subset="tissue")
    first, last = automatic.iloc[0], automatic.iloc[-1]
    default = table[
        (table["group"] == "program")
        & (table["method"] == GateParams().method)
        & (table["fitted on"] == "both fields")
    ].iloc[0]
    published = table[table["group"] == "published"].iloc[0]
    known = table.dropna(subset="tissue")
    higher = int((known["tumour"] > known["margin"]).sum())
    return (
        f"Published gate {100 * published['tissue']:.0f} %; automatic ones "
        f"{100 * first['tissue']:.0f} % ({first['group']} {first['method']}, {first['fitted on']}) "
        f"to {100 * last['tissue']:.0f} % ({last['group']} {last['method']}, {last['fitted on']}). "
        f"The default gate ({default['gate']}) gives "
        f"{_share(default['tissue'], default['tissue low'], default['tissue high'])} %: resampling "
        f"moves it by {100 * abs(default['tissue high'] - default['tissue low']):.0f} points, the "
        f"choice of method by {100 * (last['tissue'] - first['tissue']):.0f}. The share is higher "
        f"in the tumour than in the margin under {higher} of {len(known)} gates."
    )


def draw_histograms(cells, table, path):
    """Draw PD-L1 of each kind of cell, by field, with every threshold across it."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(3, 1, figsize=(11, 13), sharex=True, layout="constrained")
    for axis, number in zip(axes, (None, *FIELDS), strict=True):
        mine = cells if number is None else cells[cells["field"] == number]
        for kind, colour in (("tumour", "C0"), ("other", "C2"), ("cd8_t", "C3")):
            logs = np.log2(mine["pdl1"][mine["phenotype"] == kind])
            axis.hist(
                logs, bins=70, range=(-1.5, 3.3), density=True, histtype="step", color=colour,
                label=f"{kind}, {len(logs)} cells",
            )  # fmt: skip
        axis.set_title("both fields" if number is None else f"field {number}", loc="left")
        axis.set_ylabel("density")
        axis.legend(loc="upper left")
    pooled = table[(table["fitted on"] == "both fields") & table["tissue"].notna()]
    for k, (_, row) in enumerate(pooled.iterrows()):
        gate = float(row["gate"])
        for axis in axes:
            axis.axvline(np.log2(gate), color="0.4", linewidth=0.8)
        height = 0.98 - 0.075 * (k % 12)
        axes[0].text(
            np.log2(gate), height, f" {gate:.2f} {row['group']} {row['method']}", fontsize=7,
            transform=axes[0].get_xaxis_transform(), va="top",
        )  # fmt: skip
    axes[-1].set_xlabel("log2 of PD-L1, membrane mean")
    figure.savefig(path, dpi=90)


def main():
    parser = argparse.ArgumentParser(description="The headline of a real melanoma by gate.")
    parser.add_argument("--histograms", type=Path, help="picture of PD-L1 with every threshold")
    parser.add_argument("--draws", type=int, default=DRAWS, help="fits to resampled blocks")
    options = parser.parse_args()
    if DATA is None:
        raise SystemExit("the real data are absent")
    cells = read_specimen()
    table = compare(cells, draws=options.draws)
    print(printed(table))
    print(conclusion(table))
    if options.histograms:
        draw_histograms(cells, table, options.histograms)


if __name__ == "__main__":
    main()
