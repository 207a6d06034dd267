"""What is wrong with the pixels, and with the nuclei found in them."""

from immunescape.quality._thumbnails import (
    MISSED,
    OUTLINE,
    UNUSUAL,
    Thumbnail,
    chosen_tiles,
    thumbnail,
)
from immunescape.quality.artefacts import ISSUES, Quality, assess_quality
from immunescape.quality.correction import Corrected, CorrectionParams, correct_slide
from immunescape.quality.mixing import Mixed, looks_mixed
from immunescape.quality.params import QualityParams
from immunescape.quality.pigmented import pigmented_cells
from immunescape.quality.segmentation import (
    SegmentationQuality,
    SegmentationQualityParams,
    segmentation_quality,
)
from immunescape.quality.stain import StainCheck, stain_check
from immunescape.quality.table import PROPOSED, proposal_regions, quality_table

__all__ = [
    "ISSUES",
    "MISSED",
    "OUTLINE",
    "PROPOSED",
    "UNUSUAL",
    "Corrected",
    "CorrectionParams",
    "Mixed",
    "Quality",
    "QualityParams",
    "SegmentationQuality",
    "SegmentationQualityParams",
    "StainCheck",
    "Thumbnail",
    "assess_quality",
    "chosen_tiles",
    "correct_slide",
    "looks_mixed",
    "pigmented_cells",
    "proposal_regions",
    "quality_table",
    "segmentation_quality",
    "stain_check",
    "thumbnail",
]
