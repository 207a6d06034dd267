"""What is proposed for exclusion, as a table and as shapes."""

from typing import TYPE_CHECKING

import pandas as pd

from immunescape.results import QUALITY_COLUMNS, empty_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shapely.geometry.base import BaseGeometry

    from immunescape.cells import CellTable
    from immunescape.margin import MarginMap
    from immunescape.pipeline.measured import Measured

__all__ = ["proposal_shapes", "proposals_table"]


def proposals_table(measured: "Measured", margin: "MarginMap", cells: "CellTable") -> pd.DataFrame:
    return empty_table(QUALITY_COLUMNS)


def proposal_shapes(measured: "Measured") -> "Mapping[str, BaseGeometry]":
    return {}
