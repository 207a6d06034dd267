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
_TEXTS = ("neighbourhood", "statistic", "unit", "ci_method", "tumour_source", "reason")


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
        names = [str(name) for name in table.columns]
        found: dict[Key, dict[str, Any]] = {}
        # Column by column: a slide has hundreds of rows, and a cohort many slides.
        for values in zip(*(table[name].tolist() for name in table.columns), strict=True):
            row: dict[str, Any] = {
                name: None if value is pd.NA or value != value else value
                for name, value in zip(names, values, strict=True)
            }
            for name in _TEXTS:
                row[name] = row[name] or ""
            if row["neighbourhood"] not in _NEAR:
                continue
            ratio = row["metric"] == "membrane_to_cytoplasm_ratio"
            statistic = row["statistic"] if ratio else ""
            found[Key(row["metric"], row["phenotype"], row["region"], statistic)] = row
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
