"""The only place that orders the steps: pixels to measurements, measurements to tables."""

from immunescape.pipeline.analysis import analyse
from immunescape.pipeline.estimate import Estimate, estimate_slide
from immunescape.pipeline.inputs import Inputs
from immunescape.pipeline.measured import Measured, measure_slide
from immunescape.pipeline.pooled import run_pooled
from immunescape.pipeline.run import run_slide
from immunescape.pipeline.sweep import parse_sweep
from immunescape.pipeline.tiles import Means

__all__ = [
    "Estimate",
    "Inputs",
    "Means",
    "Measured",
    "analyse",
    "estimate_slide",
    "measure_slide",
    "parse_sweep",
    "run_pooled",
    "run_slide",
]
