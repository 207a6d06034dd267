"""The truth of a field, by the definitions of the analysis but from exact geometry and counts.

Nothing here is shared with the modules that measure: areas come from polygons, not masks;
contacts from plain counting; regions from exact distances.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from immunescape.results import REGION_NAMES
from immunescape.simulate.neighbours import contact_pairs, touches
from immunescape.simulate.nests import Ground
from immunescape.simulate.settings import FieldParams

__all__ = ["Truth", "tell_truth"]

PHENOTYPES = ("tumour", "cd8_t", "other")
PDL1 = ("any", "positive", "negative")
_PARTS = {
    "margin": ("inner_margin", "outer_margin"),
    "tumour": ("centre", "inner_margin"),
    "tissue": ("centre", "inner_margin", "outer_margin", "stroma"),
}


@dataclass(frozen=True, eq=False)
class Truth:
    """Four tables of one field.

    Parameters
    ----------
    cells
        ``label, x_um, y_um, kind, phenotype, s100_positive, sox10_positive, cd8_positive,
        pdl1_positive, pdl1_rim_share, encircled, pigmented, region, distance_to_margin_um,
        edge_censored, touching_cd8``. ``pdl1_rim_share`` is the share of its rim that stains for
        PD-L1, ``encircled`` the share of its border along which a PD-L1-positive neighbour lies.
        Without an interface the distance is NaN, every cell is edge censored, and region tells
        ``centre`` within the tumour from ``stroma`` outside. Touching is told for every cell,
        whatever its phenotype. A cell whose centroid lies off the tissue is ``excluded``.
    regions
        ``region, phenotype, pdl1, count, area_mm2, density_per_mm2``: seven regions, three
        phenotypes, PD-L1 any, positive and negative; density is NaN where there is no area.
    contacts
        ``from_phenotype, from_pdl1, to_phenotype, to_pdl1, pairs``: every ordered combination.
        A pair is counted once in each row that describes it one way round or the other, so
        that the table is symmetric.
    summary
        ``metric, region, value, numerator, denominator``; NaN where the denominator is 0.
    """

    cells: pd.DataFrame
    regions: pd.DataFrame
    contacts: pd.DataFrame
    summary: pd.DataFrame


def tell_truth(
    cells: npt.NDArray[np.int32],
    traits: Mapping[str, npt.NDArray[np.generic]],
    ground: Ground,
    params: FieldParams,
) -> Truth:
    """Write down what is true of a field.

    Parameters
    ----------
    cells
        ``(y, x)`` labels 1 to n; 0 is background.
    traits
        ``kind, phenotype, s100_positive, sox10_positive, cd8_positive, pdl1_positive`` of the
        labels 1 to n in order, and whatever else the cell table is to hold.
    ground
        Nests and section.
    """
    table = _cell_table(cells, traits, ground, params)
    pairs = contact_pairs(cells, params.pixel_size_um, params.min_contact_um, params.gap_um)
    is_cd8 = np.concatenate([[False], table["phenotype"].to_numpy() == "cd8_t"])
    table["touching_cd8"] = touches(pairs, is_cd8)[1:]
    areas = {name: shape.area / 1e6 for name, shape in region_shapes(ground, params).items()}
    regions = _region_table(table, areas)
    return Truth(table, regions, _contact_table(table, pairs), _summary(table, regions))


def region_shapes(ground: Ground, params: FieldParams) -> dict[str, BaseGeometry]:
    """Return the area of each of the seven regions in µm, within frame and tissue."""
    tumour, tissue = ground.tumour, ground.tissue
    outside = tissue - tumour
    near = ground.interface.buffer(params.margin_width_um, quad_segs=256)
    shapes = {
        "centre": tumour - near,
        "inner_margin": tumour & near,
        "outer_margin": outside & near,
        "stroma": outside - near,
    }
    return {**shapes, "margin": tissue & near, "tumour": tumour, "tissue": tissue}


def _cell_table(
    cells: npt.NDArray[np.int32],
    traits: Mapping[str, npt.NDArray[np.generic]],
    ground: Ground,
    params: FieldParams,
) -> pd.DataFrame:
    n = len(traits["kind"])
    rows, columns = np.nonzero(cells)
    label = cells[rows, columns]
    count = np.bincount(label, minlength=n + 1)[1:]
    x, y = (
        (np.bincount(label, axis, minlength=n + 1)[1:] / count + 0.5) * params.pixel_size_um
        for axis in (columns, rows)
    )
    table = pd.DataFrame({"label": np.arange(1, n + 1), "x_um": x, "y_um": y, **traits})
    inside = shapely.intersects_xy(ground.nests, x, y)
    here = shapely.intersects_xy(ground.section, x, y)
    interface = ground.interface
    if interface.is_empty:
        away: npt.NDArray[np.float64] = np.full(n, np.nan)
        near = np.zeros(n, bool)
        censored = np.ones(n, bool)
    else:
        away = np.asarray(shapely.distance(interface, shapely.points(x, y)), np.float64)
        near = away <= params.margin_width_um
        frame = np.minimum.reduce([x, y, params.width_um - x, params.height_um - y])
        censored = frame < away
    region = np.where(
        inside,
        np.where(near, "inner_margin", "centre"),
        np.where(near, "outer_margin", "stroma"),
    )
    table["region"] = np.where(here, region, "excluded")
    table["distance_to_margin_um"] = np.where(inside, -away, away)
    table["edge_censored"] = censored
    return table


def _within(table: pd.DataFrame, region: str) -> npt.NDArray[np.bool_]:
    return np.asarray(table["region"].isin(_PARTS.get(region, (region,))))


def _of(table: pd.DataFrame, phenotype: str, pdl1: str) -> npt.NDArray[np.bool_]:
    mask = table["phenotype"].to_numpy() == phenotype
    if pdl1 != "any":
        mask &= table["pdl1_positive"].to_numpy(bool) == (pdl1 == "positive")
    return np.asarray(mask)


def _region_table(table: pd.DataFrame, areas_mm2: Mapping[str, float]) -> pd.DataFrame:
    rows = []
    for region in REGION_NAMES:
        within, area = _within(table, region), areas_mm2[region]
        for phenotype in PHENOTYPES:
            for pdl1 in PDL1:
                count = int((within & _of(table, phenotype, pdl1)).sum())
                rows.append((region, phenotype, pdl1, count, area, _ratio(count, area)))
    names = ["region", "phenotype", "pdl1", "count", "area_mm2", "density_per_mm2"]
    return pd.DataFrame(rows, columns=names)


def _contact_table(table: pd.DataFrame, pairs: npt.NDArray[np.int64]) -> pd.DataFrame:
    one, two = pairs.T - 1
    classes = [(phenotype, pdl1) for phenotype in PHENOTYPES for pdl1 in PDL1]
    member = {key: _of(table, *key) for key in classes}
    rows = []
    for start in classes:
        for end in classes:
            a, b = member[start], member[end]
            joined = (a[one] & b[two]) | (b[one] & a[two])
            rows.append((*start, *end, int(joined.sum())))
    names = ["from_phenotype", "from_pdl1", "to_phenotype", "to_pdl1", "pairs"]
    return pd.DataFrame(rows, columns=names)


def _summary(table: pd.DataFrame, regions: pd.DataFrame) -> pd.DataFrame:
    tumour = table["phenotype"].to_numpy() == "tumour"
    positive = table["pdl1_positive"].to_numpy(bool)
    touching = table["touching_cd8"].to_numpy(bool)
    area = regions.groupby("region")["area_mm2"].first()
    rows: list[tuple[str, str, float, float, float]] = []

    def share(metric: str, region: str, what: Flags, of: Flags) -> None:
        above, below = int((what & of).sum()), int(of.sum())
        rows.append((metric, region, _ratio(above, below), above, below))

    for region in REGION_NAMES:
        here = tumour & _within(table, region)
        share("pdl1_negative_fraction_touching_cd8", region, ~positive, here & touching)
        share("pdl1_negative_fraction_not_touching_cd8", region, ~positive, here & ~touching)
        share("touching_cd8_fraction", region, touching, here)
    for region in REGION_NAMES:
        cd8 = int((_within(table, region) & _of(table, "cd8_t", "any")).sum())
        rows.append(("cd8_density", region, _ratio(cd8, area[region]), cd8, area[region]))
    density = {row[1]: row[2] for row in rows if row[0] == "cd8_density"}
    above, below = density["margin"], density["centre"]
    rows.append(("cd8_margin_to_centre_ratio", "tissue", _ratio(above, below), above, below))
    share("tumour_proportion_score", "tissue", positive, tumour & _within(table, "tissue"))
    for region in REGION_NAMES:
        count = int(_within(table, region).sum())
        rows.append(("cell_count", region, count, count, 1))
    for region in REGION_NAMES:
        rows.append(("area", region, area[region], area[region], 1))
    return pd.DataFrame(rows, columns=["metric", "region", "value", "numerator", "denominator"])


Flags = npt.NDArray[np.bool_]


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else float("nan")
