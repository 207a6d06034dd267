"""Finding nuclei and cells: networks, stitching, growth; ``learning`` teaches a network."""

from typing import TYPE_CHECKING, Any

from immunescape.segment.corrections import Corrected, correct_labels, labels_at
from immunescape.segment.engine import Segmentation, SegmentParams, segment_nuclei
from immunescape.segment.grow import GrownPlane, grow_cells
from immunescape.segment.models import (
    CELLPOSE_MODELS,
    COMPACT_WEIGHTS,
    Model,
    load_model,
    usable_models,
)
from immunescape.segment.preview import Preview, preview_block, preview_nuclei
from immunescape.segment.score import Match, match_labels

if TYPE_CHECKING:
    from immunescape.segment.learning.train import TrainParams, TrainResult, train_compact

__all__ = [
    "CELLPOSE_MODELS",
    "COMPACT_WEIGHTS",
    "Corrected",
    "GrownPlane",
    "Match",
    "Model",
    "Preview",
    "SegmentParams",
    "Segmentation",
    "TrainParams",
    "TrainResult",
    "correct_labels",
    "grow_cells",
    "labels_at",
    "load_model",
    "match_labels",
    "preview_block",
    "preview_nuclei",
    "segment_nuclei",
    "train_compact",
    "usable_models",
]

_TAUGHT = ("TrainParams", "TrainResult", "train_compact")


def __getattr__(name: str) -> Any:
    """Load the names of training when they are first used: to find nuclei needs none of them."""
    if name in _TAUGHT:
        from immunescape.segment.learning import train

        return getattr(train, name)
    raise AttributeError(f"module 'immunescape.segment' has no attribute {name!r}")
