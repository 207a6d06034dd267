"""Tissue, tumour region and margin: where the tissue is, and how far each cell is from the edge."""

from immunescape.margin.grid import GridMask, number_pieces, rasterise
from immunescape.margin.mapping import MarginMap, MarginParams, map_margin
from immunescape.margin.shapes import left_out
from immunescape.margin.tissue import Tissue, TissueParams, tissue_mask
from immunescape.margin.tumour import TumourParams, derive_tumour

__all__ = [
    "GridMask",
    "MarginMap",
    "MarginParams",
    "Tissue",
    "TissueParams",
    "TumourParams",
    "derive_tumour",
    "left_out",
    "map_margin",
    "number_pieces",
    "rasterise",
    "tissue_mask",
]
