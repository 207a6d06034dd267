"""Lengths and times as microscope files state them, turned into µm and ms."""

import math
import re

__all__ = ["UnknownUnitError", "micrometres", "milliseconds"]

_UM_PER_UNIT: dict[str, float] = {
    "ym": 1e-18, "zm": 1e-15, "am": 1e-12, "fm": 1e-9, "pm": 1e-6, "nm": 1e-3, "µm": 1.0,
    "mm": 1e3, "cm": 1e4, "dm": 1e5, "m": 1e6, "dam": 1e7, "hm": 1e8, "km": 1e9,
    "å": 1e-4, "in": 25_400.0, "ft": 304_800.0, "yd": 914_400.0, "mi": 1.609344e9,
    "thou": 25.4, "mil": 25.4, "li": 25_400.0 / 12, "pt": 25_400.0 / 72,
}  # fmt: skip
_SPELT_OUT: dict[str, str] = {
    "um": "µm", "micron": "µm", "microns": "µm", "micrometer": "µm", "micrometre": "µm",
    "angstrom": "å", "inch": "in", "inches": "in", '"': "in", "nanometer": "nm",
    "nanometre": "nm", "millimeter": "mm", "millimetre": "mm", "centimeter": "cm",
    "centimetre": "cm", "meter": "m", "metre": "m", "foot": "ft", "yard": "yd", "point": "pt",
    "line": "li", "picometer": "pm", "picometre": "pm", "mile": "mi", "decimeter": "dm",
    "decimetre": "dm", "kilometer": "km", "kilometre": "km",
}  # fmt: skip
_MS_PER_UNIT: dict[str, float] = {
    "ns": 1e-6, "µs": 1e-3, "us": 1e-3, "ms": 1.0, "s": 1e3, "min": 6e4, "h": 3.6e6,
}  # fmt: skip
_NO_LENGTH = frozenset({"", "pixel", "pixels", "px", "reference frame", "none", "null"})


class UnknownUnitError(Exception):
    """A unit that is no length; the reader turns it into a message about its file."""


def micrometres(value: float, unit: str) -> float | None:
    """Return a length in µm; None where the unit says that no length is known.

    Parameters
    ----------
    value
        Length in ``unit``.
    unit
        As the file writes it: symbols of OME-XML, words of OME-Zarr, or ImageJ's escaped ``µ``.
        ``pixel``, ``reference frame`` and nothing at all are no lengths.

    Raises
    ------
    UnknownUnitError
        If the unit is none of these.

    Examples
    --------
    >>> micrometres(500, "nm"), micrometres(0.0005, "millimetre"), micrometres(1, "pixel")
    (0.5, 0.5, None)
    """
    word = re.sub(r"\\u00b5|\\u03bc|[\u00b5\u03bc]", "µ", unit.strip(), flags=re.IGNORECASE)
    folded = word.lower()
    if folded in _NO_LENGTH:
        return None
    symbol = _SPELT_OUT.get(folded) or _SPELT_OUT.get(folded.removesuffix("s"), folded)
    if word in ("Mm", "Gm", "Tm", "Pm", "Em", "Zm", "Ym"):
        raise UnknownUnitError(word)
    if symbol in ("å", "å"):
        symbol = "å"
    try:
        return value * _UM_PER_UNIT[symbol]
    except KeyError:
        raise UnknownUnitError(word) from None


def milliseconds(value: str | None, unit: str = "s") -> float | None:
    """Return an exposure in ms; None where it is no positive time.

    Parameters
    ----------
    value
        As the file writes it; None where it says nothing.
    unit
        Symbol of a unit of OME-XML, whose default is the second.

    Notes
    -----
    An exposure that cannot be read is an exposure that is not known: nothing but a remark hangs
    on it, so that no slide is refused for it.

    Examples
    --------
    >>> milliseconds("0.02"), milliseconds("208030", "µs"), milliseconds("0"), milliseconds("?")
    (20.0, 208.03, None, None)
    """
    try:
        found = float(value or "") * _MS_PER_UNIT[unit.strip().replace("\u03bc", "\u00b5")]
    except (KeyError, ValueError):
        return None
    return found if 0 < found < math.inf else None
