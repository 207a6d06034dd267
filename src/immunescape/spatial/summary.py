"""The headline and everything else of ``summary.csv``, one row a metric and region."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from immunescape.cells import CellTable
from immunescape.results import METRICS, REGION_NAMES, SUMMARY_COLUMNS, RegionAreas
from immunescape.spatial.density import DensityParams, region_reason, region_table
from immunescape.spatial.headline import headline_rows, near_cd8, no_control
from immunescape.spatial.intervals import rate_ratio_interval
from immunescape.spatial.kinds import PHENOTYPES, kinds_of
from immunescape.spatial.notes import join
from immunescape.spatial.rows import Source, SummaryParams
from immunescape.spatial.scores import score_rows
from immunescape.spatial.touching import add_contact_columns

__all__ = ["summarise"]


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
        Areas of the seven regions and the width of the margin.
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
        near one. The margin to centre ratio has the two counts; a centre without a CD8 T cell
        makes it infinite. Ratio and scores are of the whole slide, region ``tissue``.
    """
    missing = missing or {}
    cells = add_contact_columns(cells, pairs, missing=missing)
    kinds = kinds_of(cells, missing)
    source = Source(
        kinds=kinds,
        areas=areas,
        params=params,
        small={r: region_reason(areas, r, density) for r in REGION_NAMES},
        missing=missing,
        gates=tuple(unconfirmed_gates),
        statistic=statistic,
        no_control="" if control_slide else no_control(kinds, params),
    )
    counts = region_table(cells, areas, density, missing=missing)
    rows = [
        *headline_rows(source, near_cd8(cells)),
        *_density_rows(source, counts),
        *score_rows(source, cells),
        *_count_rows(source, counts),
    ]
    table = pd.DataFrame(rows)
    table = table.assign(
        rank=table["metric"].map({metric: i for i, metric in enumerate(METRICS)}),
        margin_width_um=areas.margin_width_um,
        tumour_source=areas.tumour_source,
        gate_low_value=np.nan,
        gate_high_value=np.nan,
        p_value=np.nan,
        reviewed_by="",
    )
    table = table.sort_values("rank", kind="stable", ignore_index=True)
    return table.reindex(columns=list(SUMMARY_COLUMNS))


def _density_rows(source: Source, counts: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows of the CD8 density by region and of the ratio of margin to centre."""
    mine = counts[(counts["phenotype"] == "cd8_t") & (counts["pdl1"] == "any")]
    mine = mine.set_index("region")
    gates = source.gate_note(pdl1=False)
    base = {"phenotype": "cd8_t", "neighbourhood": "", "statistic": ""}
    for region, row in mine.iterrows():
        ok = bool(row["evaluable"])
        yield {
            **base,
            "metric": "cd8_density",
            "region": region,
            "value": row["density_per_mm2"],
            "unit": "per_mm2",
            "numerator": _number(row["count"]),
            "denominator": row["area_mm2"],
            "ci_low": row["ci_low"],
            "ci_high": row["ci_high"],
            "ci_method": row["ci_method"],
            "evaluable": ok,
            "reason": join(row["reason"], gates) if ok else row["reason"],
        }
    margin, centre = mine.loc["margin"], mine.loc["centre"]
    stop = join(
        source.needs("cd8"),
        *(
            "" if source.needs("cd8") or end["evaluable"] else f"{end.name}: {end['reason']}"
            for end in (margin, centre)
        ),
    )
    above, below = _number(margin["count"]), _number(centre["count"])
    if not stop and above + below == 0:
        stop = "no CD8 T cell in margin or centre"
    ratio = low = high = np.nan
    note = ""
    if not stop:
        area_above, area_below = _number(margin["area_mm2"]), _number(centre["area_mm2"])
        low, high = rate_ratio_interval(int(above), area_above, int(below), area_below)
        ratio = np.inf if below == 0 else (above / area_above) / (below / area_below)
        note = "no CD8 T cell in the centre" if below == 0 else ""
    yield {
        **base,
        "metric": "cd8_margin_to_centre_ratio",
        "region": "tissue",
        "value": ratio,
        "unit": "1",
        "numerator": above,
        "denominator": below,
        "ci_low": low,
        "ci_high": high,
        "ci_method": "" if stop else "exact_conditional",
        "evaluable": not stop,
        "reason": stop or join(note, gates),
    }


def _count_rows(source: Source, counts: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows of the cell counts by phenotype and of the areas, which need no smallest area."""
    plain = counts[counts["pdl1"] == "any"].set_index(["phenotype", "region"])
    base = {
        "neighbourhood": "", "statistic": "", "denominator": np.nan,
        "ci_low": np.nan, "ci_high": np.nan, "ci_method": "",
    }  # fmt: skip
    for phenotype in ("any", *PHENOTYPES):
        for region in REGION_NAMES:
            stop = join(source.kinds.why_not(phenotype), source.areas.not_evaluable.get(region, ""))
            count = _number(plain.loc[(phenotype, region), "count"])
            yield {
                **base,
                "metric": "cell_count",
                "phenotype": phenotype,
                "region": region,
                "value": np.nan if stop else count,
                "unit": "cells",
                "numerator": count,
                "evaluable": not stop,
                "reason": stop,
            }
    for region in REGION_NAMES:
        stop = source.areas.not_evaluable.get(region, "")
        area = float(source.areas.areas_mm2.get(region, np.nan))
        yield {
            **base,
            "metric": "area",
            "phenotype": "any",
            "region": region,
            "value": np.nan if stop else area,
            "unit": "mm2",
            "numerator": area,
            "evaluable": not stop,
            "reason": stop,
        }


def _number(value: Any) -> float:
    return float("nan") if pd.isna(value) else float(value)
