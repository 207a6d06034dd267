"""The few numbers that stand first wherever specimens are shown together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

__all__ = ["FURTHER", "HEADLINES", "SHOWN", "Headline", "rows_of_headline"]


@dataclass(frozen=True, kw_only=True)
class Headline:
    """A number that is followed from timepoint to timepoint.

    Parameters
    ----------
    key
        Short name, for files and anchors.
    metric, phenotype, region
        The rows of the tables that hold it.
    title
        What it is, in words.
    axis
        Its name with its unit, for an axis or a header.
    scale
        ``percent`` is a fraction shown in percent, ``log`` runs on a logarithmic axis,
        ``linear`` is shown as it is.
    excel
        How a spreadsheet shows it.
    """

    key: str
    metric: str
    phenotype: str
    region: str
    title: str
    axis: str
    scale: Literal["percent", "log", "linear"]
    excel: str

    @property
    def unit(self) -> str:
        """Its unit, as an axis names it; ``ratio`` where it has none."""
        return self.axis.rpartition(", ")[2] if ", " in self.axis else "ratio"

    def of(self, row: Mapping[Any, Any]) -> bool:
        """Whether a row of a table is of this number."""
        return (row["metric"], row["phenotype"], row["region"]) == (
            self.metric,
            self.phenotype,
            self.region,
        )


HEADLINES = (
    Headline(
        key="pdl1_negative_touching",
        metric="pdl1_negative_fraction_touching_cd8",
        phenotype="tumour",
        region="tissue",
        title="PD-L1-negative among tumour cells touching CD8",
        axis="PD-L1-negative of tumour cells touching CD8, %",
        scale="percent",
        excel="0.0%",
    ),
    Headline(
        key="cd8_margin_to_centre",
        metric="cd8_margin_to_centre_ratio",
        phenotype="cd8_t",
        region="tissue",
        title="CD8 density, margin / centre",
        axis="CD8 density at the margin / in the centre",
        scale="log",
        excel="0.00",
    ),
    Headline(
        key="touching",
        metric="touching_cd8_fraction",
        phenotype="tumour",
        region="tissue",
        title="Tumour cells that touch CD8",
        axis="tumour cells that touch CD8, %",
        scale="percent",
        excel="0.0%",
    ),
)
"""The three numbers of page one."""

FURTHER = (
    Headline(
        key="cd8_in_centre",
        metric="cd8_density",
        phenotype="cd8_t",
        region="centre",
        title="CD8 T cells in the tumour's centre",
        axis="CD8 T cells in the tumour's centre, per mm²",
        scale="log",
        excel="#,##0",
    ),
    Headline(
        key="cd8_at_margin",
        metric="cd8_density",
        phenotype="cd8_t",
        region="margin",
        title="CD8 T cells at the margin",
        axis="CD8 T cells at the margin, per mm²",
        scale="log",
        excel="#,##0",
    ),
    Headline(
        key="pdl1_negative_not_touching",
        metric="pdl1_negative_fraction_not_touching_cd8",
        phenotype="tumour",
        region="tissue",
        title="PD-L1-negative among tumour cells not touching CD8",
        axis="PD-L1-negative of tumour cells not touching, %",
        scale="percent",
        excel="0.0%",
    ),
    Headline(
        key="pdl1_negative_touching_other",
        metric="pdl1_negative_fraction_touching_cd8",
        phenotype="other",
        region="tissue",
        title="PD-L1-negative among other cells touching CD8",
        axis="PD-L1-negative of other cells touching CD8, %",
        scale="percent",
        excel="0.0%",
    ),
    Headline(
        key="induction",
        metric="pdl1_induction_log_odds_ratio",
        phenotype="tumour",
        region="tissue",
        title="PD-L1 induction on tumour cells by contact",
        axis="PD-L1 induction on tumour cells, log odds ratio",
        scale="linear",
        excel="0.00",
    ),
    Headline(
        key="tumour_proportion_score",
        metric="tumour_proportion_score",
        phenotype="tumour",
        region="tissue",
        title="PD-L1-positive tumour cells (TPS)",
        axis="PD-L1-positive of all tumour cells (TPS), %",
        scale="linear",
        excel="0.0",
    ),
    Headline(
        key="cd8_in_tumour",
        metric="cd8_density",
        phenotype="cd8_t",
        region="tumour",
        title="CD8 T cells inside the tumour",
        axis="CD8 T cells inside the tumour, per mm²",
        scale="log",
        excel="#,##0",
    ),
)
"""What is shown beside them where there is room."""

SHOWN = (*HEADLINES, *FURTHER)


def rows_of_headline(table: pd.DataFrame, headline: Headline) -> pd.DataFrame:
    """Return the rows of a table that hold a number, in their order.

    Parameters
    ----------
    table
        With ``metric, phenotype, region``; of a table with ``neighbourhood`` those by contact, or
        where nearness plays no part.
    headline
        The number.
    """
    mine = table[
        (table["metric"] == headline.metric)
        & (table["phenotype"] == headline.phenotype)
        & (table["region"] == headline.region)
    ]
    if "neighbourhood" in mine:
        mine = mine[mine["neighbourhood"].fillna("").isin(("", "contact"))]
    return mine
