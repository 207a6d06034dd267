"""Two networks on the same annotated fields: what each found, and which is better."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Progress, silent
from immunescape.segment.engine import SegmentParams, segment_nuclei
from immunescape.segment.learning.annotated import NOT_ANNOTATED, AnnotatedField
from immunescape.segment.levels import slide_levels
from immunescape.segment.models import Model
from immunescape.segment.score import Match, Overlap, label_centroids
from immunescape.slide import Slide

__all__ = ["METRICS", "Comparison", "Score", "Unit", "compare", "found_nuclei", "score_field"]

METRICS: dict[str, tuple[float, Callable[[Match], float]]] = {
    "AP@0.5": (0.5, lambda match: match.average_precision),
    "AP@0.75": (0.75, lambda match: match.average_precision),
    "F1@0.5": (0.5, lambda match: match.f1),
    "count error": (0.5, lambda match: match.count_error),
}
"""Each number of a comparison, with the overlap at which a nucleus counts as found."""

_OVERLAPS = (0.5, 0.75)
_LEAST_UNITS = 5
_SECTIONS = 10
_NUCLEI_A_SECTION = 5
_DRAWS = 2000
_CHANNEL = "nuclei"


@dataclass(frozen=True)
class Unit:
    """What a network found in one field, or in one section of it.

    Parameters
    ----------
    name
        Name of the field.
    section
        Number of the section from 1; 0 for a whole field.
    matches
        Counts at each overlap of ``(0.5, 0.75)``.
    """

    name: str
    section: int
    matches: tuple[Match, ...]


@dataclass(frozen=True)
class Score:
    """One number before and after.

    Parameters
    ----------
    metric
        A key of ``METRICS``.
    before, after
        Its value under each network, NaN where it has none.
    before_interval, after_interval, change_interval
        95 % intervals of both and of the difference; NaN with fewer than five units.
    """

    metric: str
    before: float
    after: float
    before_interval: tuple[float, float]
    after_interval: tuple[float, float]
    change_interval: tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """Two networks on the same fields.

    Parameters
    ----------
    units
        What the intervals are drawn over: ``pictures``, or ``sections`` of them.
    before, after
        What each network found, unit by unit.
    scores
        One a metric, in the order of ``METRICS``.
    """

    units: Literal["pictures", "sections"]
    before: tuple[Unit, ...]
    after: tuple[Unit, ...]
    scores: tuple[Score, ...]

    def __getitem__(self, metric: str) -> Score:
        return next(score for score in self.scores if score.metric == metric)

    @property
    def drawn(self) -> int:
        """Number of nuclei drawn."""
        return sum(u.matches[0].hits + u.matches[0].missed for u in self.after)

    @property
    def found(self) -> tuple[int, int]:
        """Number of nuclei found before and after."""
        before, after = (
            sum(u.matches[0].hits + u.matches[0].extra for u in units)
            for units in (self.before, self.after)
        )
        return before, after

    @property
    def verdict(self) -> Literal["better", "not shown to be better", "worse"]:
        """What became of AP@0.5: ``better`` or ``worse`` only where its interval leaves out 0."""
        low, high = self["AP@0.5"].change_interval
        return "better" if low > 0 else "worse" if high < 0 else "not shown to be better"


def compare(
    before: Model,
    after: Model,
    fields: Sequence[AnnotatedField],
    seed: int = 0,
    progress: Progress = silent,
) -> Comparison:
    """Score two networks on the same annotated fields.

    Parameters
    ----------
    before, after
        Networks.
    fields
        Fields that neither should have been trained on.
    seed
        Of the bootstrap of the intervals.
    progress
        Told the fields done.

    Returns
    -------
    Comparison
        Its units are the fields if there are five or more; otherwise sections of them with five
        nuclei or more, up to ten a field. Intervals are percentiles of 2000 bootstrap samples of
        the units; both networks are weighed on the same samples.
    """
    results: list[tuple[Unit, ...]] = []
    whole = len(fields) >= _LEAST_UNITS
    for step, model in (("score before", before), ("score after", after)):
        units: list[Unit] = []
        for number, field in enumerate(fields, start=1):
            sections = 1 if whole else min(max(field.nuclei // _NUCLEI_A_SECTION, 1), _SECTIONS)
            units += score_field(field, found_nuclei(field, model), sections)
            progress(step, number, len(fields))
        results.append(tuple(units))
    return Comparison(
        "pictures" if whole else "sections",
        results[0],
        results[1],
        _scores(results[0], results[1], seed),
    )


def found_nuclei(field: AnnotatedField, model: Model) -> npt.NDArray[np.int32]:
    """Return the nuclei that ``segment_nuclei`` finds in a field with its usual parameters.

    Returns
    -------
    numpy.ndarray
        ``(y, x)`` int32 of the field's shape, 0 is background.

    Notes
    -----
    Black and white stay those of the whole picture, although the field may be a part of it: what
    ``segment_nuclei`` would take from the part is undone before the network sees it.
    """
    slide = Slide(field.name, (field.picture[None],), (_CHANNEL,), field.pixel_um)
    levels = slide_levels(slide, _CHANNEL)
    low, contrast = np.float32(levels.low), np.float32(levels.high - levels.low)

    def predict(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return model.predict(image * contrast + low)

    found = np.zeros(slide.shape, dtype=np.int32)
    whole = (float(low), float(contrast)) == (0.0, 1.0)
    seeing = model if whole else replace(model, predict=predict)
    segment_nuclei(slide, (_CHANNEL,), found, SegmentParams(), model=seeing)
    return found


def score_field(
    field: AnnotatedField, found: npt.NDArray[Any], sections: int = 1
) -> tuple[Unit, ...]:
    """Count the nuclei of a field that were found.

    Parameters
    ----------
    field
        With its drawn nuclei.
    found
        ``(y, x)`` integers, 0 is background. Where the field was not annotated, they do not
        count: a nucleus with more than half of its pixels there is left out, of any other what
        lies there.
    sections
        How many strips of about equally many drawn nuclei the field is cut into along its longer
        side. A nucleus belongs to where its middle lies, a found one with a partner to its
        partner's.

    Returns
    -------
    tuple of Unit
        One a section.
    """
    drawn = np.maximum(field.labels, 0)
    overlap = Overlap.of(drawn, found := _judged(field.labels, np.asarray(found)))
    place, other = label_centroids(drawn), label_centroids(found)
    axis = 0 if drawn.shape[1] >= drawn.shape[0] else 1
    edges = np.quantile(place[:, axis], np.linspace(0, 1, sections + 1)[1:-1])
    drawn_in, found_in = (np.searchsorted(edges, p[:, axis]) for p in (place, other))
    union = overlap.drawn_area[overlap.drawn] + overlap.found_area[overlap.found] - overlap.shared
    counts = []
    for iou in _OVERLAPS:
        hit = overlap.shared > iou * union
        missed = np.delete(drawn_in, overlap.drawn[hit])
        extra = np.delete(found_in, overlap.found[hit])
        counts.append(
            [
                np.bincount(where, minlength=sections).tolist()
                for where in (drawn_in[overlap.drawn[hit]], missed, extra)
            ]
        )
    return tuple(
        Unit(
            field.name,
            k + 1 if sections > 1 else 0,
            tuple(Match(*(kind[k] for kind in count)) for count in counts),
        )
        for k in range(sections)
    )


def _judged(labels: npt.NDArray[np.int32], found: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return found nuclei without what lies where nobody annotated."""
    unknown = labels == NOT_ANNOTATED
    if not unknown.any():
        return found
    area = np.bincount(found.ravel())
    beyond = np.bincount(found[unknown], minlength=len(area))
    kept = 2 * beyond <= area
    kept[0] = False
    return np.where(kept[found] & ~unknown, found, 0)


def _scores(before: Sequence[Unit], after: Sequence[Unit], seed: int) -> tuple[Score, ...]:
    tables = [np.array([[_counts(m) for m in u.matches] for u in units], dtype=np.int64)
              for units in (before, after)]  # fmt: skip
    count = len(before)
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), _DRAWS)
    drawn = [np.einsum("du,uoc->doc", weights, table) for table in tables]
    scores = []
    for metric, (iou, value) in METRICS.items():
        k = _OVERLAPS.index(iou)
        one, two = (value(Match(*t[:, k].sum(axis=0).tolist())) for t in tables)
        many = [np.array([value(Match(*row)) for row in table[:, k].tolist()]) for table in drawn]
        intervals = [_interval(values, count) for values in (many[0], many[1], many[1] - many[0])]
        scores.append(Score(metric, one, two, intervals[0], intervals[1], intervals[2]))
    return tuple(scores)


def _counts(match: Match) -> tuple[int, int, int]:
    return match.hits, match.missed, match.extra


def _interval(values: npt.NDArray[np.float64], units: int) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if units < _LEAST_UNITS or not values.size:
        return float("nan"), float("nan")
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)
