"""Fields of cells as points, without pixels: thousands of them, to try intervals and p values on.

Everything that is planted is known exactly: the intensity of CD8 T cells by region, and the
probability of PD-L1 given that a cell touches one. What varies is only how cells gather.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special
from scipy.spatial import cKDTree

from immunescape.cells import CellTable
from immunescape.results import REGION_NAMES, RegionAreas
from immunescape.simulate.chance import generator
from immunescape.simulate.point_patterns import (
    SUMS,
    PointParams,
    latent_pdl1,
    lay_ground,
    place_cd8,
    place_rest,
)

__all__ = ["PlantedCells", "PointParams", "SimulatedCells", "simulate_cells"]


@dataclass(frozen=True)
class PlantedCells:
    """What was planted, exactly.

    Parameters
    ----------
    cd8_density_per_mm2
        By each of the seven regions; a sum of regions has the mean by their areas.
    pdl1_negative
        Probability of being PD-L1-negative by phenotype (``tumour``, ``other``) and whether the
        cell touches a CD8 T cell.
    """

    cd8_density_per_mm2: Mapping[str, float]
    pdl1_negative: Mapping[tuple[str, bool], float]

    def induction_log_odds_ratio(self, phenotype: str) -> float:
        """Log odds ratio of PD-L1 positivity, touching against not."""
        near, apart = (self.pdl1_negative[phenotype, touching] for touching in (True, False))
        return float(special.logit(1 - near) - special.logit(1 - apart))


@dataclass(frozen=True, eq=False)
class SimulatedCells:
    """One field of points and what was planted in it.

    Parameters
    ----------
    cells
        ``x_um, y_um, phenotype, pdl1_positive, region, distance_to_margin_um, edge_censored``.
    pairs
        ``label_a < label_b`` of cells that touch.
    areas
        Areas by region, band and block, by the grid that also decides for the cells.
    planted
        What an interval should hold.
    """

    cells: CellTable
    pairs: pd.DataFrame
    areas: RegionAreas
    planted: PlantedCells


def simulate_cells(params: PointParams = PointParams(), seed: int = 0) -> SimulatedCells:
    """Simulate one field of points.

    CD8 T cells have exactly the planted intensity at every place: a stationary process of the
    highest of the four, thinned elsewhere. PD-L1 has exactly the planted probability for every
    cell given what it touches: a latent Gaussian value with unit variance, compared with a
    quantile, patchy where values of near cells are correlated. Latent values know nothing of CD8.

    Parameters
    ----------
    params
        What the field looks like.
    seed
        Of all chance; geometry and areas are the same for every seed.

    Returns
    -------
    SimulatedCells
        Cells in no meaningful order, labels from 1.
    """
    ground = lay_ground(
        params.width_um,
        params.height_um,
        params.tumour_share,
        params.wave_um,
        params.margin_width_um,
    )
    cd8 = place_cd8(params, ground, generator(seed, "cd8"))
    rest, is_tumour = place_rest(params, ground, cd8, generator(seed, "rest"))
    points = np.concatenate([cd8, rest])
    n = len(points)
    phenotype = np.repeat([0, 1, 2], [len(cd8), int(is_tumour.sum()), int((~is_tumour).sum())])

    near = cKDTree(points).query_pairs(params.contact_um, output_type="ndarray")
    a, b = np.sort(near, axis=1).T if len(near) else np.zeros((2, 0), np.int64)
    order = np.lexsort((b, a))
    a, b = a[order], b[order]
    touching = np.zeros(n, bool)
    touching[b[phenotype[a] == 0]] = True
    touching[a[phenotype[b] == 0]] = True

    negative = np.array(
        [
            [params.cd8_negative, params.cd8_negative],
            [params.negative_apart, params.negative_touching],
            [params.other_negative_apart, params.other_negative_touching],
        ]
    )[phenotype, touching.astype(int)]
    latent = latent_pdl1(params, points, generator(seed, "pdl1"))
    rows, columns = ground.pixel(points)
    names = np.array(REGION_NAMES[:4], dtype=object)
    frame = pd.DataFrame(
        {
            "x_um": points[:, 0],
            "y_um": points[:, 1],
            "phenotype": np.array(["cd8_t", "tumour", "other"], dtype=object)[phenotype],
            "pdl1_positive": pd.array(special.ndtr(latent) >= negative, dtype="boolean"),
            "region": names[ground.region[rows, columns]],
            "distance_to_margin_um": ground.distance[rows, columns].astype(np.float64),
            "edge_censored": ground.censored[rows, columns],
        },
        index=pd.RangeIndex(1, n + 1, name="label"),
    )
    return SimulatedCells(
        cells=CellTable(frame),
        pairs=pd.DataFrame({"label_a": a + 1, "label_b": b + 1}),
        areas=ground.areas,
        planted=_planted(params, ground.areas),
    )


def _planted(params: PointParams, areas: RegionAreas) -> PlantedCells:
    density = dict(zip(REGION_NAMES[:4], params.cd8_per_mm2, strict=True))
    for name, parts in SUMS.items():
        area = [areas.areas_mm2[REGION_NAMES[p]] for p in parts]
        mean = np.average([params.cd8_per_mm2[p] for p in parts], weights=area)
        density[name] = float(mean)
    return PlantedCells(
        cd8_density_per_mm2=density,
        pdl1_negative={
            ("tumour", True): params.negative_touching,
            ("tumour", False): params.negative_apart,
            ("other", True): params.other_negative_touching,
            ("other", False): params.other_negative_apart,
        },
    )
