"""Calls that slides make together: of one patient or one batch, or of one slide by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immunescape.pipeline.alternatives import called_otherwise
from immunescape.pipeline.calling import Called, ToCall, call_cells

if TYPE_CHECKING:
    from immunescape.phenotype import Gate
    from immunescape.study import Study

__all__ = ["MAIN", "Shared", "call_together"]

MAIN = ("main", "")
"""Under this name stand the gates that the result was made with."""


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
    """

    called: Called
    otherwise: Mapping[tuple[str, str], Called] = field(default_factory=dict)
    gates: "Mapping[tuple[str, str], tuple[Gate, ...]]" = field(default_factory=dict)


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
    return tuple(
        Shared(
            c,
            {way: o for way, o in other.items() if _thresholds(o) != _thresholds(c)},
            {MAIN: c.gates, **{way: o.gates for way, o in other.items()}},
        )
        for c, other in zip(called, others, strict=True)
    )


def _thresholds(called: Called) -> list[tuple[str, str, str, float | None]]:
    """Return what decides the calls: a way that moves none of it is no other way."""
    return [(g.marker, g.parent, g.statistic, g.threshold) for g in called.gates]
