"""Tissue, tumour region and margin: where the tissue is, and how far each cell is from the edge."""

from immunescape.margin.bandwidths import bandwidth_doubts, compare_bandwidths
from immunescape.margin.grid import GridMask, number_pieces, rasterise
from immunescape.margin.mapping import MarginMap, MarginParams, map_margin
from immunescape.margin.shapes import analysed_tissue, control_mask, left_out
from immunescape.margin.tissue import Tissue, TissueParams, tissue_mask
from immunescape.margin.tumour import (
    DerivedTumour,
    TumourParams,
    derive_tumour,
    find_tumour,
)

__all__ = [
    "DerivedTumour",
    "GridMask",
    "MarginMap",
    "MarginParams",
    "Tissue",
    "TissueParams",
    "TumourParams",
    "analysed_tissue",
    "bandwidth_doubts",
    "compare_bandwidths",
    "control_mask",
    "derive_tumour",
    "find_tumour",
    "left_out",
    "map_margin",
    "number_pieces",
    "rasterise",
    "tissue_mask",
]
