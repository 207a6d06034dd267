"""Units of length against the definitions."""

import pytest

from immunescape.io.units import UnknownUnitError, micrometres


@pytest.mark.parametrize(
    ("value", "unit", "um"),
    [
        (1, "nm", 1e-3), (1, "pm", 1e-6), (1, "\u00b5m", 1), (1, "\u03bcm", 1), (1, "um", 1),
        (1, "\\u00B5m", 1), (1, "micron", 1), (2, "microns", 2), (1, "Micrometers", 1),
        (1, "micrometre", 1), (1, "mm", 1e3), (1, "cm", 1e4), (1, "m", 1e6), (1, "meter", 1e6),
        (1, "km", 1e9), (1, "in", 25_400), (1, "inch", 25_400), (1, "inches", 25_400),
        (1, "ft", 304_800), (1, "yd", 914_400), (1, "thou", 25.4), (72, "pt", 25_400),
        (12, "li", 25_400), (1, "\u00c5", 1e-4), (1, "\u212b", 1e-4), (1, "angstrom", 1e-4),
    ],
)  # fmt: skip
def test_lengths(value, unit, um) -> None:
    assert micrometres(value, unit) == pytest.approx(um)


@pytest.mark.parametrize("unit", ["pixel", "pixels", "", " ", "reference frame"])
def test_no_length(unit) -> None:
    assert micrometres(1, unit) is None


@pytest.mark.parametrize("unit", ["ly", "parsec", "second", "Mm", "furlong", "inc", "nmm"])
def test_unknown(unit) -> None:
    with pytest.raises(UnknownUnitError):
        micrometres(1, unit)
