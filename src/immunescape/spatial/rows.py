"""What the rows of the summary share: what makes one evaluable, and how its reason reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from typing import Annotated, Any

import pandas as pd

from immunescape.params import Between, Params
from immunescape.results import RegionAreas
from immunescape.spatial.kinds import Kinds, missing_reason
from immunescape.spatial.notes import join
from immunescape.spatial.uncertainty import Resampling

__all__ = ["Source", "SummaryParams", "fraction_row", "number"]


@dataclass(frozen=True, kw_only=True)
class SummaryParams(Params):
    """How many cells a number needs to be given.

    Parameters
    ----------
    min_cells
        Fractions of fewer cells than this are not evaluable; their counts are still given.
    min_tumour_cells
        Tumour cells with a PD-L1 value that the scores need.
    min_control_cells
        PD-L1-positive cells that are not tumour, and as many CD8 T cells, that a slide must hold
        to show that both stains worked. Below it a lack of PD-L1 cannot be told from a failed
        stain and the headline is not evaluable.
    min_stain_cells
        CD8 T cells that a slide must hold to show that its CD8 stain worked, and PD-L1-positive
        cells likewise. Below it a density of 0 is no desert: it is not evaluable.
    """

    min_cells: Annotated[int, Between(1, 10000, step=1, unit="cells")] = 20
    min_tumour_cells: Annotated[int, Between(1, 100000, step=1, unit="cells")] = 100
    min_control_cells: Annotated[int, Between(0, 10000, step=1, unit="cells")] = 20
    min_stain_cells: Annotated[int, Between(0, 1000, step=1, unit="cells")] = 3


@dataclass(frozen=True, eq=False)
class Source:
    """What every row looks at to tell whether it is evaluable.

    Parameters
    ----------
    kinds
        Kind of each cell.
    areas
        Areas of the regions.
    params
        Smallest numbers of cells.
    small
        Why each region cannot be judged, empty where it can.
    missing
        Reason by marker key, for the markers that the slide lacks.
    gates
        Automatic gates that nobody confirmed, as ``marker`` or ``marker@parent``.
    statistic
        What PD-L1 was gated on.
    no_control
        Why the slide does not show that its stains worked; empty where it does.
    resampling
        Blocks of the slide, for intervals.
    """

    kinds: Kinds
    areas: RegionAreas
    params: SummaryParams
    small: Mapping[str, str]
    missing: Mapping[str, str]
    gates: tuple[str, ...]
    statistic: str
    no_control: str
    resampling: Resampling

    def needs(self, *things: str) -> str:
        """Return which of ``tumour``, ``cd8``, ``pdl1`` the slide lacks and why."""
        reasons = {
            "tumour": missing_reason(self.missing, "s100", "sox10"),
            "cd8": missing_reason(self.missing, "cd8"),
            "pdl1": self.kinds.absent.get(("any", "positive"), ""),
        }
        return join(*(reasons[thing] for thing in things))

    def unproven(self, *markers: str) -> str:
        """Return which of these stains may have failed and why one cannot tell."""
        return join(*(self.kinds.unproven.get(marker, "") for marker in markers))

    def gate_note(self, *, pdl1: bool = True) -> str:
        """Return which automatic gates nobody confirmed, those of PD-L1 only where they matter."""
        gates = [g for g in self.gates if pdl1 or g.split("@")[0] != "pdl1"]
        return f"automatic gate not confirmed: {', '.join(gates)}" if gates else ""


def fraction_row(
    key: dict[str, Any],
    counts: tuple[int, int] | None,
    stop: str,
    note: str,
    interval: tuple[float, float, str],
    *,
    scale: float = 1.0,
    unit: str = "1",
) -> dict[str, Any]:
    """Return a row of a fraction.

    `counts` is numerator and denominator, None where a marker is missing; `stop` is why the
    fraction cannot be given, `note` what a reader should know where it can; `interval` both ends
    of it as a fraction and its method. Value and interval are printed times `scale`.
    """
    value, (low, high, method) = nan, interval
    if not stop and counts is not None:
        value = counts[0] / counts[1]
    return {
        **key,
        "value": scale * value,
        "unit": unit,
        "numerator": nan if counts is None else float(counts[0]),
        "denominator": nan if counts is None else float(counts[1]),
        "ci_low": nan if stop else scale * float(low),
        "ci_high": nan if stop else scale * float(high),
        "ci_method": "" if stop else method,
        "evaluable": not stop,
        "reason": stop or note,
    }


def number(value: Any) -> float:
    """Return a number of a table as a float, NaN where it is missing."""
    return nan if pd.isna(value) else float(value)
