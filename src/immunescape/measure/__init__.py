"""Measurement: size, shape and stain of every cell, in one pass over the pixels."""

from immunescape.measure.cells import MeasureParams, measure_cells

__all__ = ["MeasureParams", "measure_cells"]
