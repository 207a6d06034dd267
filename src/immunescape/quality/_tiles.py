"""Tiles of a slide whose nuclei are unlike the rest: look there."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt

from immunescape.params import Between, Params
from immunescape.results import SEGMENTATION_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ISSUES_OF_TILES", "LEAST_TILES", "SegmentationQualityParams", "judge_tiles"]

ISSUES_OF_TILES = (
    "missed", "unstained", "small", "large", "fragments", "giants", "ragged", "dense", "sparse",
)  # fmt: skip
"""What can be unlike the rest, the surest sign of a fault first."""

LEAST_TILES = 8
"""Fewer tiles are not compared with each other."""

_SURE = 0.99
_LEAST_NUCLEI = 10
_LEAST_STAIN_UM2 = 500.0
_LEAST_MISSED_UM2 = 150.0
_MEDIAN_ERROR = 1.2533
_NORMAL = 2.3263
_SPREAD = 1.4826

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SegmentationQualityParams(Params):
    """When the nuclei that were found are doubted, on the slide and tile by tile.

    Parameters
    ----------
    tile_um
        Edge of the tiles that are compared; they are made to fit the slide.
    min_tissue_share
        Tiles with less tissue than this are not judged.
    empty_um
        Tissue farther than this from any nucleus counts as empty.
    halo_um
        Nuclear stain up to this far from a nucleus belongs to it.
    missed_share
        A tile is flagged where more of its nuclear stain than this has no nucleus.
    far_sd
        A tile's density or median size is far from the rest beyond this many robust standard
        deviations of all tiles, on a logarithmic scale.
    density_fold
        Density is never far from the rest within this factor, however alike all tiles are.
    size_fold
        The same for the median area of nuclei.
    share_above
        A tile is flagged where the share of its nuclei that are small, large, ragged or unstained
        is above the slide's by more than this.
    small_um2
        Nuclei below this area count as small: a circle of 5 µm, half the nucleus of a resting
        lymphocyte (about 7 µm).
    large_um2
        Nuclei above this area count as large: a circle of 16 µm, wider than most tumour nuclei.
    ragged_solidity
        Cells that fill less than this share of their convex hull count as ragged.
    warn_share
        A warning is given where more than this share of stain, nuclei or tiles is doubted.
    thumbnails
        How many flagged tiles are shown at most.
    block_px
        Edge of the blocks read; it changes memory, not the result.

    Notes
    -----
    Nothing is removed by the limits of size, so they are narrower than those by which programs
    drop nuclei (10 to 400 µm² is usual). In six fields of lung tumours, 35,000 nuclei outlined by
    another program, 4 to 9 % were below 20 µm², at most 0.3 % above 200 µm², and none of 120 tiles
    was flagged.
    """

    tile_um: Annotated[float, Between(50, 2000, step=10, unit="µm")] = 200.0
    min_tissue_share: Annotated[float, Between(0.01, 1, step=0.01)] = 0.25
    empty_um: Annotated[float, Between(3, 100, step=1, unit="µm")] = 15.0
    halo_um: Annotated[float, Between(0, 10, step=0.5, unit="µm")] = 1.0
    missed_share: Annotated[float, Between(0.01, 1, step=0.01)] = 0.25
    far_sd: Annotated[float, Between(1, 20, step=0.5)] = 3.0
    density_fold: Annotated[float, Between(1, 20, step=0.1)] = 2.5
    size_fold: Annotated[float, Between(1, 10, step=0.1)] = 1.5
    share_above: Annotated[float, Between(0.01, 1, step=0.01)] = 0.15
    small_um2: Annotated[float, Between(1, 200, step=1, unit="µm²")] = 20.0
    large_um2: Annotated[float, Between(50, 5000, step=10, unit="µm²")] = 200.0
    ragged_solidity: Annotated[float, Between(0.1, 1, step=0.01)] = 0.8
    warn_share: Annotated[float, Between(0.01, 1, step=0.01)] = 0.15
    thumbnails: Annotated[int, Between(0, 200, step=1)] = 24
    block_px: Annotated[int, Between(64, 8192, step=64, unit="px")] = 2048


def judge_tiles(
    tiles: "pd.DataFrame", usual: dict[str, float], params: SegmentationQualityParams
) -> "pd.DataFrame":
    """Flag the tiles that are unlike the rest and say in words what to look for.

    A tile is flagged only where chance cannot explain it: the 99 % bound of its count (Poisson), of
    its shares (binomial) or of its median must lie beyond the limit. So on a slide whose nuclei are
    alike everywhere hardly any tile is: with 5 to 200 nuclei a tile, fewer than 1 in 10,000.

    Parameters
    ----------
    tiles
        A row a tile: the columns ``SEGMENTATION_COLUMNS`` up to ``judged``, and
        ``sized, small, large, ragged, unstained`` (counts of nuclei), ``weighed`` (nuclei whose
        stain is known), ``stained_um2, missed_um2`` and ``spread`` (standard deviation of the
        logarithm of the areas).
    usual
        The slide's share of nuclei that are ``small, large, ragged, unstained``; missing ones
        are not judged.
    params
        Limits.

    Returns
    -------
    pandas.DataFrame
        ``SEGMENTATION_COLUMNS``. Fewer than ``LEAST_TILES`` judged tiles are not compared in
        density and size.
    """
    judged = tiles["judged"].to_numpy(bool)
    found: dict[str, tuple[npt.NDArray[np.bool_], Floats, list[str]]] = {}
    _by_stain(tiles, params, found)
    _by_shares(tiles, usual, params, found)
    if judged.sum() >= LEAST_TILES:
        _by_density(tiles, judged, params, found)
        _by_size(tiles, judged, params, found)
    issues, reasons = [], []
    severity = np.zeros(len(tiles))
    for k in range(len(tiles)):
        here = [name for name in ISSUES_OF_TILES if name in found and found[name][0][k]]
        here = here if judged[k] else []
        issues.append(" ".join(here))
        reasons.append("; ".join(found[name][2][k] for name in here))
        severity[k] = max((found[name][1][k] for name in here), default=0.0)
    made = tiles.assign(
        flagged=[bool(text) for text in issues], severity=severity, issues=issues, reason=reasons
    )
    return made[list(SEGMENTATION_COLUMNS)]


def _by_stain(tiles: "pd.DataFrame", params: SegmentationQualityParams, found: Any) -> None:
    share = tiles["missed_stain_share"].to_numpy(float)
    enough = (tiles["stained_um2"] >= _LEAST_STAIN_UM2) & (tiles["missed_um2"] >= _LEAST_MISSED_UM2)
    hit = enough.to_numpy(bool) & (np.nan_to_num(share) > params.missed_share)
    texts = [
        f"{s:.0%} of the nuclear stain has no nucleus: nuclei missed, or debris?" for s in share
    ]
    found["missed"] = hit, np.nan_to_num(share) / params.missed_share, texts


def _by_shares(
    tiles: "pd.DataFrame",
    usual: dict[str, float],
    params: SegmentationQualityParams,
    found: Any,
) -> None:
    from scipy.special import betaincinv

    said = {
        "unstained": "{:.0%} of the nuclei lie where hardly anything is stained: is it background?",
        "fragments": f"{{:.0%}} of the nuclei are below {params.small_um2:g} µm²: cut into pieces?",
        "giants": f"{{:.0%}} of the nuclei are above {params.large_um2:g} µm²: joined?",
        "ragged": "{:.0%} of the cells have ragged outlines: joined, or a fold?",
    }
    counted = {
        "unstained": ("unstained", "weighed"),
        "fragments": ("small", "sized"),
        "giants": ("large", "sized"),
        "ragged": ("ragged", "sized"),
    }
    for issue, text in said.items():
        name, of = counted[issue]
        if not np.isfinite(usual.get(name, np.nan)):
            continue
        hits, number = tiles[name].to_numpy(float), tiles[of].to_numpy(float)
        limit = min(usual[name] + params.share_above, 1.0)
        least = np.where(hits > 0, betaincinv(hits + (hits == 0), number - hits + 1, 1 - _SURE), 0)
        share = hits / np.maximum(number, 1)
        hit = (number >= _LEAST_NUCLEI) & (least > limit)
        found[issue] = hit, share / limit, [text.format(s) for s in share]


def _by_density(
    tiles: "pd.DataFrame", judged: Any, params: SegmentationQualityParams, found: Any
) -> None:
    from scipy.special import gammaincinv

    number = tiles["cells"].to_numpy(float)
    area = np.maximum(tiles["tissue_mm2"].to_numpy(float), 1e-9)
    known = judged & (number > 0)
    if known.sum() < LEAST_TILES:
        return
    centre, fold = _centre(np.log(number[known] / area[known]), params.density_fold, params)
    usual = np.exp(centre)
    least = np.where(number > 0, gammaincinv(np.maximum(number, 1), 1 - _SURE), 0) / area
    most = gammaincinv(number + 1, _SURE) / area
    ratio = number / area / usual
    found["dense"] = (
        least > fold * usual,
        ratio / fold,
        [
            f"{r:.1f} times the usual density: debris cut into pieces, or a lymphoid follicle?"
            for r in ratio
        ],
    )
    found["sparse"] = (
        most < usual / fold,
        0.5 / (np.maximum(ratio, 0.01) * fold),
        [
            f"{r:.2f} of the usual density: nuclei too faint to be found, or tissue with few?"
            for r in ratio
        ],
    )


def _by_size(
    tiles: "pd.DataFrame", judged: Any, params: SegmentationQualityParams, found: Any
) -> None:
    number = tiles["sized"].to_numpy(float)
    median = tiles["median_area_um2"].to_numpy(float)
    known = judged & (number >= _LEAST_NUCLEI) & (median > 0)
    if known.sum() < LEAST_TILES:
        return
    centre, fold = _centre(np.log(median[known]), params.size_fold, params)
    with np.errstate(invalid="ignore", divide="ignore"):
        away = np.log(median) - centre
        error = _NORMAL * _MEDIAN_ERROR * tiles["spread"].to_numpy(float) / np.sqrt(number)
    ratio = np.exp(away)
    said = {
        "small": "nuclei of {:.2f} times the usual area: cut into pieces, or lymphocytes?",
        "large": "nuclei of {:.1f} times the usual area: joined, or large tumour cells?",
    }
    for issue, sign in (("small", -1), ("large", 1)):
        with np.errstate(invalid="ignore"):
            hit = known & (sign * away - error > np.log(fold))
        beyond = np.nan_to_num(ratio**sign / fold)
        found[issue] = hit, beyond, [said[issue].format(r) for r in ratio]


def _centre(
    values: Floats, least_fold: float, params: SegmentationQualityParams
) -> tuple[float, float]:
    """Return the middle of logarithms and the factor beyond which one is far from it."""
    centre = float(np.median(values))
    spread = _SPREAD * float(np.median(np.abs(values - centre)))
    return centre, max(least_fold, float(np.exp(min(params.far_sd * spread, 50))))
