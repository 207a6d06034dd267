"""How timepoints and groups are compared."""

from dataclasses import dataclass
from typing import Annotated, Literal

from immunescape.params import Between, Params

__all__ = ["CompareParams"]


@dataclass(frozen=True, kw_only=True)
class CompareParams(Params):
    """How timepoints and groups are compared.

    Parameters
    ----------
    exact_patients
        Up to so many patients every way to swap their timepoints is looked at, and p is exact;
        with more, swaps are drawn at random. Groups are relabelled in every way where that takes
        no more relabellings than this many patients take swaps.
    draws
        Swaps or relabellings drawn at random where not every one is looked at.
    interval
        Interval of the mean change over patients: Student's t, or a bootstrap over patients (BCa).
        The bootstrap needs five patients; with fewer it is Student's t all the same.
    mixed_model
        Whether mixed models are fitted beside; they take most of the time.
    seed
        Of what is drawn at random.
    """

    exact_patients: Annotated[int, Between(2, 16, step=1, unit="patients")] = 12
    draws: Annotated[int, Between(99, 999_999, step=100)] = 9999
    interval: Literal["student_t", "bootstrap"] = "student_t"
    mixed_model: bool = True
    seed: Annotated[int, Between(0, 2**31 - 1, step=1)] = 0
