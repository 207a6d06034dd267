"""Mixed model of a number over timepoints: every specimen counts, patients differ by themselves."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from scipy import special

__all__ = ["NOT_FITTED", "Mixed", "fit_mixed"]

_OPTIMISER = "powell"
"""It needs no slope, which is lost where patients do not differ."""


@dataclass(frozen=True)
class Mixed:
    """Effect of a timepoint with its interval, and what is to be said of the fit."""

    effect: float
    low: float
    high: float
    note: str


NOT_FITTED = Mixed(nan, nan, nan, "no mixed model: not asked for")


def fit_mixed(values: Sequence[float], later: Sequence[bool], patients: Sequence[str]) -> Mixed:
    """Fit a number by timepoint, each patient with an intercept of its own (REML).

    Parameters
    ----------
    values
        The number of each specimen, on the scale of its change.
    later
        Whether each specimen is of the later timepoint.
    patients
        Whose each specimen is.

    Returns
    -------
    Mixed
        Later minus earlier with its 95 % interval: the standard error times Student's t of as
        many degrees of freedom as there are specimens less patients less 1, which for one
        specimen at each timepoint is that of the paired t. NaN, and the note says why, where the
        model cannot be fitted.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM

    y, x = np.asarray(values, np.float64), np.asarray(later, np.float64)
    people = len(set(patients))
    of = f"{len(y)} specimens of {people} patient{'s' if people != 1 else ''}"
    if people < 3:
        return _none(f"no mixed model: {of}, three patients needed")
    if x.min() == x.max() or len(y) < people + 2:
        return _none(f"no mixed model: {of} leave nothing to tell patients from chance by")
    spread = float(y.std())
    if spread == 0:
        return _none("no mixed model: every specimen has the same value")
    each = np.unique(patients, return_inverse=True)[1][:, None] == np.arange(people)
    whole = np.column_stack([each, x])
    left = y - whole @ np.linalg.lstsq(whole, y)[0]
    if float(left.std()) < 1e-9 * spread:
        return _none(f"no mixed model: {of} leave nothing over that is chance")
    freedom = len(y) - people - 1
    # Numbers about 1 are what optimisers are made for.
    design = np.column_stack([np.ones_like(x), x])
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            model = MixedLM((y - y.mean()) / spread, design, groups=np.asarray(patients))
            fit = model.fit(method=_OPTIMISER)
            effect = float(fit.params[1]) * spread
            half = float(fit.bse[1]) * spread * float(special.stdtrit(freedom, 0.975))
            between = float(np.asarray(fit.cov_re).reshape(-1)[0])
    except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
        return _none(f"no mixed model: {type(error).__name__} while fitting {of}")
    if not fit.converged or not np.isfinite([effect, half]).all():
        return _none(f"no mixed model: the fit to {of} does not converge")
    notes = [f"t interval of {freedom} degrees of freedom, {of}"]
    if between < 1e-6 or any("boundary" in str(one.message) for one in heard):
        notes.append("patients are found to differ by no more than chance")
    return Mixed(effect, effect - half, effect + half, "; ".join(notes))


def _none(note: str) -> Mixed:
    return Mixed(nan, nan, nan, note)
