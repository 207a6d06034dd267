"""What is wrong with the pixels: background, autofluorescence, saturation, folds, blur, pigment."""

from immunescape.quality.artefacts import ISSUES, Quality, assess_quality
from immunescape.quality.correction import Corrected, CorrectionParams, correct_slide
from immunescape.quality.mixing import Mixed, looks_mixed
from immunescape.quality.params import QualityParams
from immunescape.quality.pigmented import pigmented_cells
from immunescape.quality.stain import StainCheck, stain_check
from immunescape.quality.table import PROPOSED, proposal_regions, quality_table

__all__ = [
    "ISSUES",
    "PROPOSED",
    "Corrected",
    "CorrectionParams",
    "Mixed",
    "Quality",
    "QualityParams",
    "StainCheck",
    "assess_quality",
    "correct_slide",
    "looks_mixed",
    "pigmented_cells",
    "proposal_regions",
    "quality_table",
    "stain_check",
]
