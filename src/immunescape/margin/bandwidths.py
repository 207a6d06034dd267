"""How far the derived tumour region hangs on the bandwidth it was derived with."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.margin.grid import GridMask, rasterise
from immunescape.margin.shapes import analysed_tissue
from immunescape.margin.tumour import TumourParams, derive_tumour
from immunescape.params import limits
from immunescape.regions import Regions

__all__ = ["bandwidth_doubts", "compare_bandwidths"]

_SURE_IOU = 0.7
"""Regions of two bandwidths that share less than this are two opinions."""


def compare_bandwidths(
    points_um: npt.NDArray[np.float64],
    tissue: GridMask,
    params: TumourParams = TumourParams(),
    *,
    factors: tuple[float, ...] = (0.5, 2.0),
    annotations: Regions | None = None,
) -> pd.DataFrame:
    """Tell how the derived region changes with the bandwidth.

    Parameters
    ----------
    points_um, tissue, params, annotations
        As in `find_tumour`.
    factors
        By what to multiply the bandwidth; one that leaves its range is held at its end.

    Returns
    -------
    pandas.DataFrame
        One row a bandwidth, that of `params` first: ``bandwidth_um``, ``area_mm2`` of analysed
        tissue in the region, ``iou`` with the region of the first row (NaN if both are empty),
        ``region`` in µm.
    """
    analysed = analysed_tissue(tissue, annotations or Regions())
    allowed = limits(TumourParams)["bandwidth_um"]
    rows = []
    main: npt.NDArray[np.bool_] | None = None
    for factor in (1.0, *factors):
        bandwidth = float(np.clip(factor * params.bandwidth_um, allowed.min, allowed.max))
        region = derive_tumour(
            points_um, tissue, replace(params, bandwidth_um=bandwidth), annotations=annotations
        )
        inside = rasterise(region, analysed).mask & analysed.mask
        main = inside if main is None else main
        either = int((main | inside).sum())
        iou = int((main & inside).sum()) / either if either else np.nan
        area_mm2 = analysed.with_mask(inside).area_um2() / 1e6
        rows.append((bandwidth, area_mm2, iou, region))
    return pd.DataFrame(rows, columns=["bandwidth_um", "area_mm2", "iou", "region"])


def bandwidth_doubts(compared: pd.DataFrame) -> tuple[str, ...]:
    """Tell of a derived region that hangs on the bandwidth; see `compare_bandwidths`.

    Examples
    --------
    >>> table = pd.DataFrame({"bandwidth_um": [25.0, 12.5], "iou": [1.0, 0.4]})
    >>> bandwidth_doubts(table)
    ('the derived tumour region is uncertain: with a bandwidth of 12.5 µm it shares 40% with ours',)
    """
    other = compared.iloc[1:].dropna(subset=["iou"])
    if other.empty or other["iou"].min() >= _SURE_IOU:
        return ()
    worst = other.iloc[int(other["iou"].argmin())]
    return (
        f"the derived tumour region is uncertain: with a bandwidth of {worst['bandwidth_um']:g} µm "
        f"it shares {worst['iou']:.0%} with ours",
    )
