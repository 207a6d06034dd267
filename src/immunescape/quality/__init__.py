"""What is wrong with the pixels: background, autofluorescence, saturation, folds, blur, pigment."""

from immunescape.quality.correction import Corrected, CorrectionParams, correct_slide

__all__ = ["Corrected", "CorrectionParams", "correct_slide"]
