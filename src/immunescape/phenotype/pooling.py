"""Cells that gates are taken from: of the slide, and of slides that were stained alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from immunescape.cells import CellTable
from immunescape.phenotype.sample import dim_level

__all__ = ["Group", "Pool", "Slidemate", "as_group", "comparable"]

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
        if here is None or there is None:
            kept.append(other)
        elif abs(here[0] - there[0]) <= _TOLERANCE * (here[1] + there[1]) / 2:
            kept.append(other)
    return tuple(kept)


def _level(slide: Slidemate, min_cells: int) -> tuple[float, float] | None:
    groups = [slide.own, *([slide.control] if slide.control else [])]
    values = np.concatenate([np.asarray(g.values, dtype=np.float64).ravel() for g in groups])
    values = values[np.isfinite(values)]
    return None if values.size < min_cells else dim_level(values)
