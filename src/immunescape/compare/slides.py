"""The rows of one analysed slide, ready to be looked up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from immunescape.compare.metrics import Bounds, Key
from immunescape.samples import Sample, SampleResult

__all__ = ["Slide", "told"]

_NEAR = ("", "contact")
"""The main rows of a summary; radii around CD8 T cells stand beside them in each slide's own."""


@dataclass(frozen=True, eq=False)
class Slide:
    """One slide's rows: those of its summary by key, those of ``regions.csv`` beside them."""

    result: SampleResult

    @property
    def sample(self) -> Sample:
        """Where the slide comes from."""
        return self.result.sample

    @cached_property
    def rows(self) -> Mapping[Key, dict[str, Any]]:
        """Main rows of the summary by key, missing values as None, texts never missing."""
        table = self.result.tables["summary"]
        near = table["neighbourhood"].astype(object).where(table["neighbourhood"].notna(), "")
        table = table[near.isin(_NEAR)].astype(object)
        table = table.where(table.notna(), None)
        found = {}
        for row in table.to_dict("records"):
            for name in ("statistic", "reason", "ci_method", "tumour_source", "unit"):
                row[name] = row[name] or ""
            ratio = row["metric"] == "membrane_to_cytoplasm_ratio"
            key = Key(
                row["metric"], row["phenotype"], row["region"], row["statistic"] if ratio else ""
            )
            found[key] = {str(name): value for name, value in row.items()}
        return found

    @cached_property
    def tumour_source(self) -> str:
        """Where the tumour region came from: drawn, imported or derived."""
        return next((row["tumour_source"] for row in self.rows.values()), "")

    @cached_property
    def densities(self) -> Mapping[tuple[str, str], Bounds]:
        """Interval of the density of each phenotype by region, for the counts of the summary."""
        table = self.result.tables.get("regions")
        if table is None:
            return {}
        mine = table[table["pdl1"] == "any"]
        return {
            (row["phenotype"], row["region"]): Bounds(
                float(row["ci_low"]), float(row["ci_high"]), str(row["ci_method"])
            )
            for row in mine.to_dict("records")
            if bool(row["evaluable"]) and not pd.isna(row["ci_low"])
        }


def told(values: Iterable[str]) -> str:
    """Return every value that is told, each once, joined by ``+``."""
    return " + ".join(sorted({value for value in values if value}))
