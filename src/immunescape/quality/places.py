"""Single places among the proposals, and what leaving each of them out would cost."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from immunescape.cells import CellTable
from immunescape.io.masks import polygons_from_mask

__all__ = ["Place", "proposed_places"]


@dataclass(frozen=True, eq=False)
class Place:
    """One connected place that is proposed for exclusion, or the small ones of an issue together.

    Parameters
    ----------
    issue
        What was found there, such as ``fold``.
    number
        Its number among those of the issue, from 1, the largest first; 0 for the small ones.
    count
        How many places it stands for.
    shape
        Outline in µm.
    area_mm2
        Its counted area.
    cells, tumour_cells, cd8_cells
        Counted cells whose centroid lies in it.
    """

    issue: str
    number: int
    count: int
    shape: BaseGeometry
    area_mm2: float
    cells: int
    tumour_cells: int
    cd8_cells: int


def proposed_places(
    proposals: Mapping[str, npt.NDArray[np.bool_]],
    counted: npt.NDArray[np.bool_],
    grid_um: float,
    frame_um: tuple[float, float],
    cells: CellTable,
    *,
    most: int = 20,
) -> tuple[Place, ...]:
    """Part the proposals into places and count what each would remove.

    Parameters
    ----------
    proposals
        ``(y, x)`` bool masks on the working grid, by issue.
    counted
        ``(y, x)`` bool: where the analysis counts area.
    grid_um, frame_um
        Edge of a grid cell; width and height of the slide, where the grid ends.
    cells
        With ``region`` and ``phenotype``; cells of region ``excluded`` are out already.
    most
        Number of places that stand by themselves, by issue; smaller ones are put together.

    Returns
    -------
    tuple
        By issue in the order given, the largest place first. Grid cells that meet at a corner are
        one place. Over all places of an issue, areas and counts add up to those of the issue.
    """
    from scipy import ndimage as ndi

    rows, columns = counted.shape
    high, wide = _lengths(rows, grid_um, frame_um[1]), _lengths(columns, grid_um, frame_um[0])
    used = cells["region"].to_numpy(object) != "excluded"
    phenotype = cells["phenotype"].to_numpy(object)[used]
    xy = np.floor(cells.points_um[used] / grid_um).astype(np.intp)
    at = np.clip(xy[:, 1], 0, rows - 1), np.clip(xy[:, 0], 0, columns - 1)
    frame = shapely.box(0, 0, *frame_um)
    found: list[Place] = []
    for issue, mask in proposals.items():
        labels, number = ndi.label(mask, np.ones((3, 3), bool))
        # sums are taken over the proposed cells of the grid alone: these are few
        row, column = np.nonzero(mask)
        size = np.bincount(labels[row, column], minlength=number + 1)[1:]
        order = np.argsort(-size, kind="stable") + 1
        group = np.zeros(number + 1, np.intp)
        group[order] = np.minimum(np.arange(number), most) + 1
        groups = min(number, most + 1)
        mm2 = np.where(counted[row, column], high[row] * wide[column] / 1e6, 0.0)
        area = np.bincount(group[labels[row, column]], mm2, groups + 1)
        here = group[labels[at]]
        every, tumour, cd8 = (
            np.bincount(here[chosen], minlength=groups + 1)
            for chosen in (slice(None), phenotype == "tumour", phenotype == "cd8_t")
        )
        boxes = ndi.find_objects(labels)
        for n in range(1, groups + 1):
            rest = n > most
            if rest:
                shape = polygons_from_mask(group[labels] == n, grid_um)
            else:
                label = int(order[n - 1])
                shape = _outline(labels[boxes[label - 1]] == label, boxes[label - 1], grid_um)
            found.append(
                Place(
                    issue=issue,
                    number=0 if rest else n,
                    count=number - most if rest else 1,
                    shape=shapely.intersection(shape, frame),
                    area_mm2=float(area[n]),
                    cells=int(every[n]),
                    tumour_cells=int(tumour[n]),
                    cd8_cells=int(cd8[n]),
                )
            )
    return tuple(found)


def _outline(
    mask: npt.NDArray[np.bool_], box: tuple[slice, ...], grid_um: float
) -> shapely.MultiPolygon:
    corner = np.array([box[1].start, box[0].start]) * grid_um
    return shapely.transform(polygons_from_mask(mask, grid_um), lambda xy: xy + corner)


def _lengths(number: int, grid_um: float, total_um: float) -> npt.NDArray[np.float64]:
    lengths = np.full(number, grid_um)
    lengths[-1] = total_um - (number - 1) * grid_um
    return lengths
