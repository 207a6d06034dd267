"""Where the CD8 T cells are: their density by region, and the margin against the centre."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from immunescape.spatial.kinds import PHENOTYPES
from immunescape.spatial.notes import join
from immunescape.spatial.rows import Source, number

__all__ = ["cd8_rows"]

_CD8 = PHENOTYPES.index("cd8_t")
_BASE = {"phenotype": "cd8_t", "neighbourhood": "", "statistic": ""}


def cd8_rows(source: Source, regions: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows of the CD8 density by region and of the ratio of margin to centre.

    Parameters
    ----------
    source
        The slide.
    regions
        Its `region_table`, whose densities and intervals these are; none where the CD8 stain may
        have failed.
    """
    mine = regions[(regions["phenotype"] == "cd8_t") & (regions["pdl1"] == "any")]
    mine = mine.set_index("region")
    gates = source.gate_note(pdl1=False)
    if unproven := source.kinds.why_not("cd8_t"):
        nothing = dict.fromkeys(("density_per_mm2", "ci_low", "ci_high"), np.nan)
        mine = mine.assign(**nothing, ci_method="", evaluable=False, reason=unproven)
    for region, row in mine.iterrows():
        ok = bool(row["evaluable"])
        yield {
            **_BASE,
            "metric": "cd8_density",
            "region": region,
            "value": row["density_per_mm2"],
            "unit": "per_mm2",
            "numerator": number(row["count"]),
            "denominator": row["area_mm2"],
            "ci_low": row["ci_low"],
            "ci_high": row["ci_high"],
            "ci_method": row["ci_method"],
            "evaluable": ok,
            "reason": join(row["reason"], gates) if ok else row["reason"],
        }
    yield _ratio(source, mine.loc["margin"], mine.loc["centre"], gates)


def _ratio(source: Source, margin: Any, centre: Any, gates: str) -> dict[str, Any]:
    stop = source.needs("cd8") or source.unproven("cd8")
    if not stop:
        stop = join(
            *(
                "" if end["evaluable"] else f"{end.name}: {end['reason']}"
                for end in (margin, centre)
            )
        )
    above, below = number(margin["count"]), number(centre["count"])
    if not stop and above + below == 0:
        stop = "no CD8 T cell in margin or centre"
    ratio = low = high = np.nan
    method = note = ""
    if not stop:
        ratio = np.inf
        if below > 0:
            ratio = margin["density_per_mm2"] / centre["density_per_mm2"]
        counts = source.resampling.count(source.kinds)[:, _CD8].sum(1)
        low, high, method = source.resampling.rate_ratio(counts, "margin", "centre").at(0)
        note = join(
            "no CD8 T cell in the centre" if below == 0 else "",
            "the exact interval takes no account of clustering"
            if method == "exact_conditional"
            else "",
        )
    return {
        **_BASE,
        "metric": "cd8_margin_to_centre_ratio",
        "region": "tissue",
        "value": ratio,
        "unit": "1",
        "numerator": above,
        "denominator": below,
        "ci_low": low,
        "ci_high": high,
        "ci_method": method,
        "evaluable": not stop,
        "reason": stop or join(note, gates),
    }
