"""Finding nuclei and cells: networks, stitching, growth, and training a network of one's own."""

from immunescape.segment.engine import Segmentation, SegmentParams, segment_nuclei
from immunescape.segment.grow import grow_cells
from immunescape.segment.models import CELLPOSE_MODELS, COMPACT_WEIGHTS, Model, load_model
from immunescape.segment.score import Match, match_labels
from immunescape.segment.train import TrainParams, TrainResult, train_compact

__all__ = [
    "CELLPOSE_MODELS",
    "COMPACT_WEIGHTS",
    "Match",
    "Model",
    "SegmentParams",
    "Segmentation",
    "TrainParams",
    "TrainResult",
    "grow_cells",
    "load_model",
    "match_labels",
    "segment_nuclei",
    "train_compact",
]
