"""Calls that slides make together: of one patient or one batch, or of one slide by itself."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immunescape.pipeline.alternatives import called_otherwise
from immunescape.pipeline.calling import Called, ToCall, call_cells

if TYPE_CHECKING:
    from immunescape.phenotype import Gate
    from immunescape.study import Study

__all__ = ["MAIN", "UNCORRECTED", "Shared", "call_together"]

MAIN = ("main", "")
"""Under this name stand the gates that the result was made with."""
UNCORRECTED = ("edits", "without corrections")
"""Under this name stand the gates that were fitted with none of the corrections made by hand."""


@dataclass(frozen=True, eq=False)
class Shared:
    """What one slide got when its cells were called together with those of others.

    Parameters
    ----------
    called
        Its calls and gates.
    otherwise
        Its calls by gates found in other ways, by kind and variant; none where gates are fixed on
        a statistic, which no other way changes.
    gates
        All gates by kind and variant; those of the slide itself under ``MAIN``.
    uncorrected
        Its calls with none of the corrections made by hand; None where there are none.
    """

    called: Called
    otherwise: Mapping[tuple[str, str], Called] = field(default_factory=dict)
    gates: "Mapping[tuple[str, str], tuple[Gate, ...]]" = field(default_factory=dict)
    uncorrected: Called | None = None


def call_together(
    slides: Sequence[ToCall],
    study: "Study",
    known: "Mapping[tuple[str, str], tuple[Gate, ...]] | None" = None,
) -> tuple[Shared, ...]:
    """Call the cells of slides that were stained alike.

    Parameters
    ----------
    slides
        One slide or several.
    study
        Gates, rules and parameters; its ``sensitivity`` decides whether other ways to gate
        are tried too.
    known
        Gates that a single slide is known to have, as ``Shared.gates``; they are not fitted.

    Returns
    -------
    tuple
        One for each slide, in order.
    """
    called = call_cells(slides, study, (known or {}).get(MAIN))
    if study.sensitivity.tables == "none":
        return tuple(Shared(c, gates={MAIN: c.gates}) for c in called)
    others = called_otherwise(slides, study, known)
    before = _uncorrected(slides, called, study, known)
    return tuple(
        Shared(
            c,
            {way: o for way, o in other.items() if _thresholds(o) != _thresholds(c)},
            {MAIN: c.gates, **{way: o.gates for way, o in other.items()}}
            | ({UNCORRECTED: b.gates} if b is not None else {}),
            b,
        )
        for c, other, b in zip(called, others, before, strict=True)
    )


def _uncorrected(
    slides: Sequence[ToCall],
    called: Sequence[Called],
    study: "Study",
    known: "Mapping[tuple[str, str], tuple[Gate, ...]] | None",
) -> tuple[Called | None, ...]:
    """Call each slide that was corrected as if it had not been; None for the others."""
    plain = [slide.uncorrected() for slide in slides]
    if any(slide.unedited is not None for slide in slides):
        # other cells, other gates; their range is of no interest
        gating = dataclasses.replace(study.gating, bootstrap_draws=0)
        study = dataclasses.replace(study, gating=gating)
        found = call_cells(plain, study, (known or {}).get(UNCORRECTED))
    else:
        found = tuple(
            call_cells([one], study, c.gates)[0] if slide.corrected else c
            for slide, one, c in zip(slides, plain, called, strict=True)
        )
    return tuple(one if slide.corrected else None for slide, one in zip(slides, found, strict=True))


def _thresholds(called: Called) -> list[tuple[str, str, str, float | None]]:
    """Return what decides the calls: a way that moves none of it is no other way."""
    return [(g.marker, g.parent, g.statistic, g.threshold) for g in called.gates]
