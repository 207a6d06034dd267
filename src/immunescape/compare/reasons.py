"""What the reasons of a slide's rows say that more slides of the same specimen can make good."""

import re
from collections.abc import Iterable

__all__ = ["join", "least_area_mm2", "least_cells", "only_short", "unproven"]

_CELLS = re.compile(
    r"(?:\d+ (?:tumour )?cells|\d+ cells near CD8 and \d+ not), (\d+)(?: of each)? needed"
)
_AREA = re.compile(r"(?:\w+: )?area of \S+ mm² is under (\S+) mm²")
_STAIN = re.compile(
    r"\d+ (?:CD8 T|PD-L1-positive) cells on this slide do not show that the stain worked"
    r"(?:: stain failure cannot be told from biology)?"
)
_CONTROL = re.compile(
    r"stain failure cannot be told from biology: \d+ PD-L1-positive cells other than tumour and "
    r"\d+ CD8 T cells on the slide, \d+ of each needed"
)
_ALSO = ("no CD8 T cell in margin or centre", "not CPS")


def join(*parts: str) -> str:
    """Join the parts of a reason that say something, each once."""
    return "; ".join(dict.fromkeys(part for part in parts if part))


def only_short(reason: str) -> bool:
    """Tell whether a number could not be given only because a slide holds too little.

    Too few cells, too small an area, or too few positive cells to show that a stain worked: the
    slide's counts stand, and together with other slides of the specimen they may be enough.
    Anything else, a missing marker or a tumour without an interface, is no matter of numbers.

    Examples
    --------
    >>> only_short("3 cells, 20 needed")
    True
    >>> only_short("CD8: the panel lacks CD8; 3 cells, 20 needed")
    False
    """
    rules = (_CELLS, _AREA, _STAIN, _CONTROL)
    return bool(reason) and all(
        part in _ALSO or any(rule.fullmatch(part) for rule in rules) for part in reason.split("; ")
    )


def unproven(reason: str) -> bool:
    """Tell whether a reason says that a stain may have failed."""
    return any(_STAIN.fullmatch(part) or _CONTROL.fullmatch(part) for part in reason.split("; "))


def least_cells(reasons: Iterable[str]) -> int:
    """Return the most cells that any of these reasons asks for; 0 where none does."""
    return max((int(n) for reason in reasons for n in _CELLS.findall(reason)), default=0)


def least_area_mm2(reasons: Iterable[str]) -> float:
    """Return the largest area that any of these reasons asks for; 0 where none does."""
    return max((float(n) for reason in reasons for n in _AREA.findall(reason)), default=0.0)
