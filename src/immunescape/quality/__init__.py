"""What is wrong with the pixels: background, autofluorescence, saturation, folds, blur, pigment."""
