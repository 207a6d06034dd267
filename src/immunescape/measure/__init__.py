"""Measurement: size, shape and stain of every cell, in one pass over the pixels."""

from immunescape.measure.cells import MeasureParams, measure_cells
from immunescape.measure.gaps import clear_gaps, labels_at_gaps
from immunescape.measure.rims import rim_fraction, split_rims

__all__ = [
    "MeasureParams",
    "clear_gaps",
    "labels_at_gaps",
    "measure_cells",
    "rim_fraction",
    "split_rims",
]
