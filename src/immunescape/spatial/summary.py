"""The headline and everything else of ``summary.csv``, one row a metric and region."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from immunescape.cells import CellTable
from immunescape.results import METRICS, PHENOTYPES, REGION_NAMES, SUMMARY_COLUMNS, RegionAreas
from immunescape.spatial.alternatives import GATED_METRICS, Alternative, Judge, Setting
from immunescape.spatial.cd8 import cd8_rows
from immunescape.spatial.density import DensityParams, region_counts
from immunescape.spatial.headline import CENTROID_RADII_UM, headline_rows, near_cd8
from immunescape.spatial.induction import induction_p
from immunescape.spatial.membranes import membrane_rows
from immunescape.spatial.notes import join
from immunescape.spatial.rows import SummaryParams
from immunescape.spatial.scores import score_rows
from immunescape.spatial.tallies import count_rows, odd_cell_rows
from immunescape.spatial.touching import add_contact_columns

__all__ = ["summarise"]

_ORDER = {
    "metric": METRICS,
    "neighbourhood": ("", "contact", *(f"r{radius}" for radius in CENTROID_RADII_UM)),
    "phenotype": ("any", *PHENOTYPES),
}
"""Rows are sorted by these in turn, then as they came."""
_KEY = ["metric", "phenotype", "region", "neighbourhood"]
_TITLES = {"pdl1": "PD-L1", "cd8": "CD8"}


def summarise(
    cells: CellTable,
    pairs: pd.DataFrame,
    areas: RegionAreas,
    params: SummaryParams = SummaryParams(),
    *,
    density: DensityParams = DensityParams(),
    missing: Mapping[str, str] | None = None,
    unconfirmed_gates: Sequence[str] = (),
    statistic: str = "",
    control_slide: bool = False,
    control_cells: Mapping[str, int] | None = None,
    background_subtracted: bool = False,
    alternatives: Sequence[Alternative] = (),
    contacts_known: bool = False,
    regions: pd.DataFrame | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return every metric of one slide by region.

    Parameters
    ----------
    cells
        Table with ``phenotype`` and ``region``, ``pdl1_positive`` where PD-L1 was gated, and
        ``edge_censored``. What the cells touch is found anew from `pairs`.
    pairs
        Contacts of the whole slide, a row a pair: ``label_a``, ``label_b``.
    areas
        Areas of the seven regions, also by block, and the width of the margin.
    params
        Smallest numbers of cells.
    density
        Smallest area of a region; as given to `region_table`.
    missing
        Reason by marker key, for the markers that the slide lacks.
    unconfirmed_gates
        Automatic gates that nobody confirmed, as ``marker`` or ``marker@parent``; every number
        of a cell's contacts, PD-L1 or CD8 that rests on one says so in its reason.
    statistic
        What PD-L1 was gated on, such as ``membrane_mean``.
    control_slide
        Whether a control slide of the same batch vouches for the stains.
    control_cells
        Positive cells by marker key, ``pdl1`` and ``cd8``, in tissue drawn as control.
    background_subtracted
        Whether the background of the channels was subtracted; ratios of two intensities say so
        where it was not.
    alternatives
        The same slide judged otherwise; of kind ``gate`` and variants ``pdl1_low, pdl1_high,
        cd8_low, cd8_high``, which give the values at both ends of a gate's range. Others are
        left to `sensitivity_table`.
    contacts_known
        Whether the cells hold what `add_contact_columns` adds already, from these very pairs.
    regions
        The slide's `region_table`, made of the same cells and areas with this seed; made anew
        if not given.
    seed
        Of resampling and permutation; the same seed gives the same table.

    Returns
    -------
    DataFrame
        Columns ``SUMMARY_COLUMNS``, metrics in the order of ``METRICS``. A row that is not
        evaluable has no value and no interval, keeps its numerator and denominator where they
        exist, and says why in ``reason``; elsewhere ``reason`` holds notes.

        Fractions and the log odds ratio come for phenotype ``tumour`` and ``other``, seven
        regions and five neighbourhoods: ``contact`` and a centroid of a CD8 T cell within 10,
        15, 20 or 30 µm. Cells without a PD-L1 value leave the denominator of PD-L1 fractions.
        Numerator and denominator of the log odds ratio are the cells near a CD8 T cell and not
        near one; its p value is given for contact. The margin to centre ratio has the two
        counts; a centre without a CD8 T cell makes it infinite. Ratio of densities, scores and
        ratios of membrane to cytoplasm are of the whole slide, region ``tissue``.

        ``ci_method`` is ``block_bootstrap`` where at least 20 blocks of 100 µm hold tissue of the
        region (of both regions for the ratio of densities) and the count allows it; elsewhere
        ``garwood`` for densities, ``wilson`` for fractions, ``woolf`` for the log odds ratio,
        ``exact_conditional`` for the ratio of densities, ``order_statistics`` for medians.
    """
    missing = missing or {}
    setting = Setting(params, density, control_cells or {}, control_slide)
    if not contacts_known:
        cells = add_contact_columns(cells, pairs, missing=missing)
    judge = Judge(cells, pairs, areas, missing, setting)
    source = setting.source(
        cells, areas, missing, seed=seed, gates=unconfirmed_gates, statistic=statistic
    )
    if regions is None:
        regions = region_counts(source.kinds, areas, density, source.resampling)
    p_values = None
    if not (source.needs("tumour", "cd8", "pdl1") or source.no_control):
        p_values = induction_p(cells, source.kinds, areas, judge.ends(), seed=seed)
    rows = [
        *headline_rows(source, near_cd8(cells), p_values),
        *cd8_rows(source, regions),
        *score_rows(source, cells),
        *membrane_rows(source, cells, background_subtracted=background_subtracted),
        *odd_cell_rows(source, cells),
        *count_rows(source, regions),
    ]
    table = pd.DataFrame(rows).assign(
        margin_width_um=areas.margin_width_um,
        tumour_source=areas.tumour_source,
        gate_low_value=np.nan,
        gate_high_value=np.nan,
        reviewed_by="",
    )
    table = _with_gate_ends(table, judge, alternatives)
    return _in_order(table).reindex(columns=list(SUMMARY_COLUMNS))


def _with_gate_ends(
    table: pd.DataFrame, judge: Judge, alternatives: Sequence[Alternative]
) -> pd.DataFrame:
    """Fill in the values at both ends of the gates, and say where there is none."""
    for alternative in alternatives:
        marker, _, end = alternative.variant.partition("_")
        if alternative.kind != "gate" or marker not in GATED_METRICS or end not in ("low", "high"):
            continue
        judged = judge.rows(alternative).set_index(_KEY)
        judged = judged[judged.index.get_level_values("metric").isin(GATED_METRICS[marker])]
        found = judged.reindex(pd.MultiIndex.from_frame(table[_KEY]))
        here = found["evaluable"].notna().to_numpy(bool)
        ok = table["evaluable"].to_numpy(bool)
        lost = here & ok & ~found["evaluable"].astype("boolean").fillna(False).to_numpy(bool)
        text = f"not evaluable at the {end} end of the {_TITLES[marker]} gate: "
        column = f"gate_{end}_value"
        table = table.assign(
            **{column: np.where(here & ok, found["value"], table[column])},
            reason=[
                join(reason, text + why) if gone else reason
                for reason, why, gone in zip(table["reason"], found["reason"], lost, strict=True)
            ],
        )
    return table


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    ranks: dict[str, Any] = {
        name: table[name].map({value: i for i, value in enumerate(values)})
        for name, values in _ORDER.items()
    }
    regions = table["region"].map({region: i for i, region in enumerate(REGION_NAMES)})
    order = np.lexsort([regions, ranks["phenotype"], ranks["neighbourhood"], ranks["metric"]])
    ordered: pd.DataFrame = table.iloc[order].reset_index(drop=True)
    return ordered
