"""Each nucleus as it is judged, the tiles it lies in, and the figures of all."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from immunescape.quality._coverage import KINDS, Coverage, Surface
from immunescape.quality._tile_grid import TileGrid

if TYPE_CHECKING:
    import pandas as pd

    from immunescape.cells import CellTable
    from immunescape.quality._tiles import SegmentationQualityParams

__all__ = ["Nuclei", "slide_figures", "tile_table"]

_PERCENTILES = (5, 25, 50, 75, 95)
_UNSTAINED = 0.5
"""Unstained is what lies below this share of the way from dark tissue to the threshold."""
_ANY = 1e-9

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Nuclei:
    """What is asked of each nucleus within the tissue; of each cell where there are no nuclei.

    Parameters
    ----------
    labels
        Its label, ascending.
    x_um, y_um
        Middle of its cell.
    area_um2
        Area; NaN of a cell without a nucleus.
    sized
        Whether it counts among sizes: it has an area, and the frame does not cut it.
    small, large, ragged
        Whether it is one of those; only of ``sized`` ones. Cells are neither small nor large.
    weighed, unstained
        Whether its stain is known, and whether there is hardly any.
    solidity, eccentricity
        Of its cell.
    touches_frame
        Whether the frame cuts its cell.
    are_nuclei
        Whether nuclei are judged; the limits of size are not for cells.
    """

    labels: npt.NDArray[np.int64]
    x_um: Floats
    y_um: Floats
    area_um2: Floats
    sized: Flags
    small: Flags
    large: Flags
    ragged: Flags
    weighed: Flags
    unstained: Flags
    solidity: Floats
    eccentricity: Floats
    touches_frame: Flags
    are_nuclei: bool

    @classmethod
    def of(
        cls,
        cells: "CellTable",
        coverage: Coverage,
        surface: Surface,
        params: "SegmentationQualityParams",
    ) -> "Nuclei":
        """Gather what the cell table and the pass over the pixels know of each."""
        points = cells.points_um
        height, width = surface.tissue.shape
        index = np.floor(points / surface.grid_um).astype(np.intp)
        rows, columns = np.clip(index[:, 1], 0, height - 1), np.clip(index[:, 0], 0, width - 1)
        inside = surface.tissue[rows, columns]
        frame = cells.frame[inside]
        has_nuclei = not surface.whole_cells
        area = frame["nucleus_area_um2" if has_nuclei else "area_um2"].to_numpy(float)
        touches = frame["touches_frame"].to_numpy(bool)
        solidity = frame["solidity"].to_numpy(float)
        sized = np.isfinite(area) & ~touches
        stain = np.full(len(frame), np.nan)
        if surface.judges_stain:
            known = np.searchsorted(coverage.labels, frame.index)
            known = np.minimum(known, max(len(coverage.labels) - 1, 0))
            if len(coverage.labels):
                same = coverage.labels[known] == frame.index.to_numpy()
                stain[same] = coverage.stain[known][same]
        level = np.nan
        if surface.stain is not None and surface.judges_stain:
            dark = surface.stain.dark
            level = dark + _UNSTAINED * (surface.stain.threshold - dark)
            level = level if has_nuclei else _ANY
        with np.errstate(invalid="ignore"):
            return cls(
                labels=frame.index.to_numpy(np.int64),
                x_um=points[inside, 0],
                y_um=points[inside, 1],
                area_um2=area,
                sized=sized,
                small=sized & (area < params.small_um2) & has_nuclei,
                large=sized & (area > params.large_um2) & has_nuclei,
                ragged=sized & (solidity < params.ragged_solidity),
                weighed=np.isfinite(stain),
                unstained=stain < level,
                solidity=solidity,
                eccentricity=frame["eccentricity"].to_numpy(float),
                touches_frame=touches,
                are_nuclei=has_nuclei,
            )

    @property
    def areas_um2(self) -> Floats:
        """Areas of those that count among sizes."""
        return self.area_um2[self.sized]

    @property
    def odd(self) -> Flags:
        """Whether it is small, large or unstained."""
        return self.small | self.large | self.unstained

    def shares(self) -> dict[str, float]:
        """Return the share of all that is small, large, ragged, unstained; NaN of none at all."""
        size = {name: _mean(getattr(self, name)[self.sized]) for name in ("small", "large")}
        return {
            **(size if self.are_nuclei else dict.fromkeys(size, np.nan)),
            "ragged": _mean(self.ragged[self.sized]),
            "unstained": _mean(self.unstained[self.weighed]),
        }


def _mean(flags: Flags) -> float:
    return float(flags.mean()) if flags.size else np.nan


def tile_table(
    each: Nuclei, coverage: Coverage, grid: TileGrid, params: "SegmentationQualityParams"
) -> "pd.DataFrame":
    """Return what is known of each tile, row by row; see `judge_tiles`."""
    import pandas as pd

    rows, columns = grid.shape
    number = rows * columns
    tile = grid.rows(each.y_um) * columns + grid.columns(each.x_um)

    def count(flags: Flags) -> npt.NDArray[np.int64]:
        return np.bincount(tile[flags], minlength=number).astype(np.int64)

    area = dict(zip(KINDS, coverage.area_um2.reshape(len(KINDS), -1), strict=True))
    sized = pd.Series(each.areas_um2).groupby(tile[each.sized])
    spread = pd.Series(np.log(np.maximum(each.areas_um2, 1e-6))).groupby(tile[each.sized]).std()
    counts = {
        "cells": count(np.ones(len(tile), bool)),
        **{n: count(getattr(each, n)) for n in ("sized", "small", "large", "ragged")},
        **{n: count(getattr(each, n)) for n in ("weighed", "unstained")},
    }
    limited = np.where(each.are_nuclei, counts["sized"], np.nan)
    i, j = np.divmod(np.arange(number), columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        of_tissue = {
            f"{name}_share": area[kind] / np.where(area["tissue"] > 0, area["tissue"], np.nan)
            for name, kind in (("empty", "empty"), ("stained", "stained"))
        }
        known = coverage.judges_stain & (area["stained"] > 0)
        return pd.DataFrame(
            {
                "tile": np.arange(1, number + 1),
                "x_um": j * grid.width_um,
                "y_um": i * grid.height_um,
                "width_um": grid.width_um,
                "height_um": grid.height_um,
                "tissue_mm2": area["tissue"] / 1e6,
                "density_per_mm2": counts["cells"]
                / np.where(area["tissue"] > 0, area["tissue"] / 1e6, np.nan),
                "median_area_um2": sized.median().reindex(range(number)).to_numpy(float),
                "small_share": counts["small"] / limited,
                "large_share": counts["large"] / limited,
                "ragged_share": counts["ragged"] / counts["sized"],
                "unstained_share": counts["unstained"] / counts["weighed"],
                **of_tissue,
                "missed_stain_share": np.where(known, area["missed"] / area["stained"], np.nan),
                "judged": area["tissue"]
                >= params.min_tissue_share * grid.width_um * grid.height_um,
                "spread": spread.reindex(range(number)).to_numpy(float),
                "stained_um2": area["stained"],
                "missed_um2": area["missed"],
                **counts,
            }
        )


def slide_figures(each: Nuclei, coverage: Coverage, tiles: "pd.DataFrame") -> dict[str, float]:
    """Return the numbers of the slide; NaN of what could not be judged."""
    area = dict(zip(KINDS, coverage.area_um2.sum(axis=(1, 2)), strict=True))
    judged = int(tiles["judged"].sum())

    def ratio(part: float, whole: float) -> float:
        return float(part / whole) if whole > 0 else np.nan

    def percentiles(values: Floats) -> list[float]:
        values = values[np.isfinite(values)]
        if not values.size:
            return [np.nan] * len(_PERCENTILES)
        return [float(v) for v in np.percentile(values, _PERCENTILES)]

    areas = percentiles(each.areas_um2)
    stained = coverage.judges_stain
    return {
        "cells": len(each.x_um),
        "tissue_mm2": area["tissue"] / 1e6,
        "cells_per_mm2": ratio(len(each.x_um), area["tissue"] / 1e6),
        **{f"area_p{p}_um2": a for p, a in zip(_PERCENTILES, areas, strict=True)},
        **{
            f"diameter_p{p}_um": 2 * (a / np.pi) ** 0.5
            for p, a in zip(_PERCENTILES, areas, strict=True)
        },
        **{f"{name}_share": share for name, share in each.shares().items()},
        "median_cell_solidity": percentiles(each.solidity)[2],
        "median_cell_eccentricity": percentiles(each.eccentricity)[2],
        "touching_frame": int(each.touches_frame.sum()),
        "covered_share": ratio(area["covered"], area["tissue"]),
        "empty_share": ratio(area["empty"], area["tissue"]),
        "stained_share": ratio(area["stained"], area["tissue"]) if stained else np.nan,
        "missed_stain_share": ratio(area["missed"], area["stained"]) if stained else np.nan,
        "tiles": len(tiles),
        "tiles_judged": judged,
        "tiles_flagged": int(tiles["flagged"].sum()),
        "flagged_share": ratio(float(tiles["flagged"].sum()), judged),
    }
