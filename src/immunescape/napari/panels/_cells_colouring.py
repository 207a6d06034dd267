"""Classes of cells to colour by: what each cell is, in at most a dozen colours any eye tells."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.napari.colours import ANSWER_COLOURS, PHENOTYPE_COLOURS, REGION_COLOURS
from immunescape.panel import TITLES

if TYPE_CHECKING:
    from immunescape.cells import CellTable

__all__ = ["Classes", "classes_of", "ways"]

_PHENOTYPES = {
    "tumour": "tumour cell",
    "cd8_t": "CD8 T cell",
    "other": "other cell",
    "unknown": "unknown",
}
_REGIONS = {
    "centre": "centre",
    "inner_margin": "inner margin",
    "outer_margin": "outer margin",
    "stroma": "stroma",
    "excluded": "excluded",
}
_DISTANCES = ("#a6611a", "#dfa35a", "#f6e0b5", "#c7eae5", "#5ab4ac", "#018571")
"""Brown inside to teal outside, lightest at the margin: apart for every eye."""
_GREY = "#808080"


@dataclass(frozen=True, eq=False)
class Classes:
    """A class for each cell.

    Parameters
    ----------
    names, colours
        Name and colour of each class.
    of_rows
        ``(n,)`` uint8: class of each row of the cell table, from 1; 0 is drawn in no colour.
    """

    names: tuple[str, ...]
    colours: tuple[str, ...]
    of_rows: npt.NDArray[np.uint8]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of cells of each class."""
        counts = np.bincount(self.of_rows, minlength=len(self.names) + 1)
        return tuple(int(n) for n in counts[1 : len(self.names) + 1])


def ways(cells: "CellTable") -> dict[str, str]:
    """Return the ways to colour a cell table, as keys and titles."""
    found = {}
    if "phenotype" in cells:
        found["phenotype"] = "phenotype"
    for column in map(str, cells.frame.columns):
        if column.endswith("_positive") and cells[column].notna().any():
            marker = column.removesuffix("_positive")
            found[column] = f"{TITLES.get(marker, marker.upper())} positive"
    if "region" in cells:
        found["region"] = "region"
    if "distance_to_margin_um" in cells and cells["distance_to_margin_um"].notna().any():
        found["distance"] = "distance to margin"
    if "touching_cd8" in cells and cells["touching_cd8"].notna().any():
        found["touching"] = "touching CD8"
    if "edited" in cells:
        found["edited"] = "corrected by hand"
    return found


def classes_of(cells: "CellTable", way: str, margin_um: float = 100.0) -> Classes:
    """Return the classes of one way to colour.

    Parameters
    ----------
    cells
        The cell table.
    way
        One of the keys of `ways`.
    margin_um
        Width of the margin, by which distances are told apart.
    """
    if way == "phenotype":
        return _by_name(cells["phenotype"], _PHENOTYPES, PHENOTYPE_COLOURS)
    if way == "region":
        return _by_name(cells["region"], _REGIONS, REGION_COLOURS)
    if way == "distance":
        return _by_distance(cells, margin_um)
    if way == "touching":
        return _by_touching(cells)
    if way == "edited":
        return _by_truth(cells["edited"], ("corrected", "as called"), ("#e69f00", _GREY))
    title = ways(cells)[way].removesuffix(" positive")
    names = (f"{title} positive", f"{title} negative", "missing")
    colours = tuple(ANSWER_COLOURS[k] for k in ("positive", "negative", "missing"))
    return _by_truth(cells[way], names, colours)


def _by_name(column: Any, names: dict[str, str], colours: dict[str, str]) -> Classes:
    shown = tuple(colours[key] for key in names)
    return Classes(tuple(names.values()), shown, _coded(column, tuple(names)))


def _coded(column: Any, names: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    """Return the place of each word among some, from 1; 0 for any other."""
    codes, words = pd.factorize(column)  # a million words in a fiftieth of a second
    places = [names.index(word) + 1 if word in names else 0 for word in words]
    return np.array([*places, 0], np.uint8)[codes]  # what is missing has the code -1


def _by_truth(column: Any, names: tuple[str, ...], colours: tuple[str, ...]) -> Classes:
    known = column.astype("boolean")
    of_rows = np.where(known.isna(), 3, np.where(known.fillna(False), 1, 2)).astype(np.uint8)
    of_rows[of_rows > len(names)] = 0
    return Classes(names, colours, of_rows)


def _by_distance(cells: "CellTable", margin_um: float) -> Classes:
    distance = cells["distance_to_margin_um"].to_numpy(np.float64)
    half, w = margin_um / 2, margin_um
    edges = np.array([-w, -half, 0.0, half, w])
    of_rows = np.digitize(distance, edges).astype(np.uint8) + 1
    of_rows[~np.isfinite(distance)] = 0
    names = (
        f"inside, over {w:g} µm", f"inside, {half:g} to {w:g} µm", f"inside, 0 to {half:g} µm",
        f"outside, 0 to {half:g} µm", f"outside, {half:g} to {w:g} µm", f"outside, over {w:g} µm",
    )  # fmt: skip
    return Classes(names, _DISTANCES, of_rows.astype(np.uint8))


def _by_touching(cells: "CellTable") -> Classes:
    """Tell the cells of the headline: tumour cells that touch CD8, by their PD-L1."""
    n = len(cells)
    phenotype = _coded(cells["phenotype"], ("tumour", "cd8_t"))
    touching = cells["touching_cd8"].fillna(False).to_numpy(bool)
    tumour = phenotype == 1
    of_rows = np.full(n, 6, np.uint8)
    of_rows[tumour] = 4
    of_rows[tumour & touching] = 3
    if "pdl1_positive" in cells:
        positive = cells["pdl1_positive"]
        of_rows[tumour & touching & (positive == False).fillna(False).to_numpy(bool)] = 1  # noqa: E712
        of_rows[tumour & touching & positive.fillna(False).to_numpy(bool)] = 2
    of_rows[phenotype == 2] = 5
    names = (
        "tumour touching CD8, PD-L1 negative", "tumour touching CD8, PD-L1 positive",
        "tumour touching CD8, PD-L1 missing", "tumour touching no CD8", "CD8 T cell",
        "other cell",
    )  # fmt: skip
    return Classes(names, ("#0072b2", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442", _GREY), of_rows)
