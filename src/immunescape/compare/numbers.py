"""One number of one specimen: what its slides give together, and what that is worth."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from typing import Any

from immunescape.compare.metrics import Bounds, Key, Metric, Parts, metric_of
from immunescape.compare.reasons import join, least_area_mm2, least_cells, only_short, unproven
from immunescape.compare.slides import Slide

__all__ = ["Choice", "Number", "number_of"]

_MEDIAN = (
    "the median of the cells of several slides is not to be had from their medians; "
    "each slide has its own"
)


@dataclass(frozen=True)
class Number:
    """A number of a specimen.

    Parameters
    ----------
    value, unit, numerator, denominator, bounds
        As in ``specimens.csv``.
    evaluable, reason
        Whether it can be judged, and why not or what should be known.
    n_slides, n_cells
        Slides and cells that it rests on.
    effect, effect_bounds
        The number and its interval on the scale on which changes are told; NaN where it is not
        evaluable or has no such value.
    """

    value: float
    unit: str
    numerator: float
    denominator: float
    bounds: Bounds
    evaluable: bool
    reason: str
    n_slides: int
    n_cells: float
    effect: float = nan
    effect_bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True, eq=False)
class Choice:
    """Which slides of a specimen one number is made of.

    Parameters
    ----------
    slides
        All slides of the specimen.
    used
        Whether each is summed: it can be judged, or only holds too little.
    judged
        Whether any can be judged by itself.
    """

    slides: tuple[Slide, ...]
    used: tuple[bool, ...]
    judged: bool

    @classmethod
    def of(cls, key: Key, slides: Sequence[Slide]) -> "Choice":
        """Choose slides for a number.

        A slide that holds too few positive cells to show that its stain worked is summed where
        a slide of the same batch shows it.
        """
        rows = [slide.rows.get(key) for slide in slides]
        judged = [bool(row and row["evaluable"]) for row in rows]
        batches = {s.sample.batch for s, ok in zip(slides, judged, strict=True) if ok}
        used = [
            ok or (
                row is not None
                and only_short(row["reason"])
                and (not batches or not unproven(row["reason"]) or slide.sample.batch in batches)
            )
            for slide, row, ok in zip(slides, rows, judged, strict=True)
        ]  # fmt: skip
        return cls(tuple(slides), tuple(used), any(judged))

    @property
    def summed(self) -> tuple[Slide, ...]:
        """The slides that are summed."""
        return tuple(slide for slide, use in zip(self.slides, self.used, strict=True) if use)

    def left_out(self, key: Key) -> str:
        """Return which slides are not summed and why."""
        out = []
        for slide, use in zip(self.slides, self.used, strict=True):
            if not use:
                why = slide.rows[key]["reason"] if key in slide.rows else "it has no such number"
                out.append(f"{slide.sample.sample_id} left out ({why})")
        return join(*out)


def number_of(key: Key, choice: Choice, bounds: Bounds | None) -> Number:
    """Return the number that some slides of one specimen give together.

    Parameters
    ----------
    key
        Which number.
    choice
        Slides that it is made of.
    bounds
        Its interval by blocks of these slides, of the density for a count; None without one.
    """
    if len(choice.slides) == 1:
        return _carried(key, choice.slides[0])
    metric, used = metric_of(key.metric), choice.summed
    first = next(slide.rows[key] for slide in choice.slides if key in slide.rows)
    if not used or metric.kind == "median":
        why = _MEDIAN if metric.kind == "median" else choice.left_out(key)
        return _not(first["unit"], why, max(len(used), 1))
    rows = [slide.rows[key] for slide in used]
    each = [metric.parts(key, slide.rows) for slide in used]
    parts: Parts = tuple(sum(column) for column in zip(*each, strict=True))
    numerator, denominator = (
        sum(_float(row[name]) for row in rows) for name in ("numerator", "denominator")
    )
    cells, value = metric.cells(parts, denominator), metric.value(parts)
    stop = "" if choice.judged else _still_short(key, used, metric, parts, cells)
    if not stop and isnan(value):
        stop = "nothing to divide by"
    if stop:
        why = join(stop, choice.left_out(key))
        return _not(first["unit"], why, len(used), numerator, denominator, cells)
    bounds = bounds or metric.plain_bounds(parts)
    notes = (row["reason"] for row in rows if row["evaluable"])
    return Number(
        value=value,
        unit=first["unit"],
        numerator=numerator,
        denominator=denominator,
        bounds=Bounds() if metric.kind == "count" else bounds,
        evaluable=True,
        reason=join(f"{len(used)} slides summed", choice.left_out(key), *notes),
        n_slides=len(used),
        n_cells=cells,
        effect=metric.on_scale(value, parts),
        effect_bounds=metric.bounds_on_scale(bounds),
    )


def _still_short(
    key: Key, used: Sequence[Slide], metric: Metric, parts: Parts, cells: float
) -> str:
    """Return why slides that each hold too little hold too little together; empty if not."""
    reasons = [slide.rows[key]["reason"] for slide in used]
    together = f"{len(used)} slides together: " if len(used) > 1 else ""
    if any(unproven(reason) for reason in reasons):
        return join(*reasons)
    least, area = least_cells(reasons), least_area_mm2(reasons)
    groups = (sum(parts[:2]), sum(parts[2:])) if metric.kind == "odds" else (cells,)
    few = small = ""
    if min(groups) < least:
        counted = " and ".join(f"{n:.0f}" for n in groups)
        few = f"{together}{counted} cells, {least} needed"
    regions = ("margin", "centre") if metric.kind == "ratio" else (key.region,)
    for region in regions:
        held = sum(_area(slide, region) for slide in used)
        if held < area:
            small = f"{together}area of {held:.4g} mm² is under {area:g} mm²"
    return join(small, few)


def _carried(key: Key, slide: Slide) -> Number:
    """Return the number of a specimen of one slide: as the slide has it."""
    metric, row = metric_of(key.metric), slide.rows[key]
    parts = metric.parts(key, slide.rows)
    value, numerator, denominator, low, high = (
        _float(row[name]) for name in ("value", "numerator", "denominator", "ci_low", "ci_high")
    )
    cells = metric.cells(parts, denominator)
    if not row["evaluable"]:
        return _not(row["unit"], row["reason"], 1, numerator, denominator, cells)
    bounds = Bounds(low, high, row["ci_method"])
    of_effect = bounds
    if key.metric == "cell_count":
        of_effect = slide.densities.get((key.phenotype, key.region), Bounds())
    return Number(
        value=value,
        unit=row["unit"],
        numerator=numerator,
        denominator=denominator,
        bounds=bounds,
        evaluable=True,
        reason=row["reason"],
        n_slides=1,
        n_cells=cells,
        effect=metric.on_scale(value, parts),
        effect_bounds=metric.bounds_on_scale(of_effect),
    )


def _not(
    unit: str,
    reason: str,
    slides: int,
    numerator: float = nan,
    denominator: float = nan,
    cells: float = nan,
) -> Number:
    return Number(nan, unit, numerator, denominator, Bounds(), False, reason, slides, cells)


def _area(slide: Slide, region: str) -> float:
    row = slide.rows.get(Key("area", "any", region))
    return nan if row is None else _float(row["numerator"])


def _float(value: Any) -> float:
    return nan if value is None else float(value)
