"""What is wrong with the pixels: background, autofluorescence, saturation, folds, blur, pigment."""

from immunescape.quality.artefacts import ISSUES, Quality, assess_quality
from immunescape.quality.correction import Corrected, CorrectionParams, correct_slide
from immunescape.quality.params import QualityParams

__all__ = [
    "ISSUES",
    "Corrected",
    "CorrectionParams",
    "Quality",
    "QualityParams",
    "assess_quality",
    "correct_slide",
]
