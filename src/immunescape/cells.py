"""The cell table: one row a cell, columns carry their units."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["CellTable"]


@dataclass(frozen=True, eq=False)
class CellTable:
    """One row a cell, indexed by its label.

    Parameters
    ----------
    frame
        Table whose index ``label`` holds unique positive integers, with at least the columns
        ``x_um`` and ``y_um``. It is not copied and must not be changed afterwards.

    Raises
    ------
    ValueError
        If the index or those two columns are not as described.
    """

    frame: pd.DataFrame

    def __post_init__(self) -> None:
        index = self.frame.index
        if index.name != "label" or not index.is_unique or (len(index) and index.min() < 1):
            raise ValueError("a cell table is indexed by 'label', unique positive integers")
        if missing := {"x_um", "y_um"} - set(self.frame.columns):
            raise ValueError(f"a cell table needs the columns {', '.join(sorted(missing))}")

    def __len__(self) -> int:
        return len(self.frame)

    def __contains__(self, column: str) -> bool:
        return column in self.frame.columns

    def __getitem__(self, column: str) -> "pd.Series[Any]":
        return self.frame[column]

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Labels of the cells, in the order of the rows."""
        return self.frame.index.to_numpy(dtype=np.int64)

    @property
    def points_um(self) -> npt.NDArray[np.float64]:
        """Centroids as an ``(n, 2)`` array of x and y in µm."""
        return self.frame[["x_um", "y_um"]].to_numpy(dtype=np.float64)

    def with_columns(self, columns: Mapping[str, Any] | pd.DataFrame) -> "CellTable":
        """Return a table with columns added or replaced; the order of the others stays."""
        return CellTable(
            self.frame.assign(**{str(name): values for name, values in columns.items()})
        )
