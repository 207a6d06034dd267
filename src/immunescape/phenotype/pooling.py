"""Cells that gates are taken from: of the slide, and of slides that were stained alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from immunescape.cells import CellTable
from immunescape.phenotype.sample import dim_level

__all__ = ["DimLevel", "Group", "Pool", "Slidemate", "as_group", "comparable", "dim_cells"]

_TOLERANCE = 1.5
"""How far the dim cells of two slides may differ, in spreads of these cells."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pool:
    """The other slides of a patient or of a batch.

    Parameters
    ----------
    name
        What the slides have in common.
    tables
        Cells of each of the other slides, limited to those that gates may be taken from. Where
        gates depend on the parent they hold ``is_tumour``.
    """

    name: Literal["patient", "batch"]
    tables: tuple[CellTable, ...]


@dataclass(frozen=True, eq=False)
class Group:
    """Intensities of some cells of one slide, and where these lie.

    Parameters
    ----------
    values
        Intensities, ``(n,)``; NaN is left out.
    points_um
        Positions in µm, ``(n, 2)``; None where they are not known, and then a gate of these
        cells has no range.
    """

    values: Array
    points_um: Array | None = None


def as_group(values: Group | npt.ArrayLike) -> Group:
    """Return intensities as a group; without positions if it is none yet."""
    if isinstance(values, Group):
        return values
    return Group(np.asarray(values, dtype=np.float64).ravel())


@dataclass(frozen=True, eq=False)
class Slidemate:
    """Another slide of the patient or batch: its cells of the parent, and the others."""

    own: Group
    control: Group | None = None


def comparable(
    slide: Slidemate, others: Sequence[Slidemate], min_cells: int
) -> tuple[Slidemate, ...]:
    """Return the slides whose dim cells lie where those of this slide lie.

    Cells of several slides may share a gate only as far as the same cell would be as bright on
    each. The dim cells of all phenotypes tell: their level (tenth percentile) may differ by 1.5 of
    their spreads at most. Another camera offset, another exposure or a stain that failed moves
    them further; more or fewer positive cells do not. Nothing is aligned: an alignment would
    make a failed stain look like a good one, and turn noise into positive cells.

    Parameters
    ----------
    slide
        Cells of this slide.
    others
        Cells of the other slides, in the same units.
    min_cells
        A slide with fewer cells cannot be judged and is kept.
    """
    here = _level(slide, min_cells)
    kept = []
    for other in others:
        there = _level(other, min_cells)
        if here is None or there is None or here.alike(there):
            kept.append(other)
    return tuple(kept)


@dataclass(frozen=True)
class DimLevel:
    """Where the dim cells of a slide lie in one stain.

    Parameters
    ----------
    level
        Tenth percentile of all its cells, in the units of the stain.
    spread
        Standard deviation of the dim ones.
    """

    level: float
    spread: float

    def alike(self, other: "DimLevel") -> bool:
        """Tell whether the same cell would be as bright on both slides; see `comparable`."""
        return abs(self.level - other.level) <= _TOLERANCE * (self.spread + other.spread) / 2


def dim_cells(values: npt.ArrayLike, min_cells: int) -> DimLevel | None:
    """Return where the dim cells of a slide lie; None for too few cells. NaN is left out."""
    found = np.asarray(values, dtype=np.float64).ravel()
    found = found[np.isfinite(found)]
    return None if found.size < min_cells else DimLevel(*dim_level(found))


def _level(slide: Slidemate, min_cells: int) -> DimLevel | None:
    groups = [slide.own, *([slide.control] if slide.control else [])]
    return dim_cells(np.concatenate([np.ravel(g.values) for g in groups]), min_cells)
