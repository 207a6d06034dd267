"""Which patterns hold: on a slide, and over the slides of one timepoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from immunescape.patterns.numbers import Numbers
from immunescape.patterns.params import PatternParams
from immunescape.patterns.rules import PDL1, T_CELLS, Rule

__all__ = ["AXES", "Axis", "Held", "read_slide", "read_together"]

Held = Mapping[str, bool | None]
"""Whether each pattern holds, by its key; None where it cannot be judged."""


@dataclass(frozen=True)
class Axis:
    """Patterns of which at most one holds, and the two rows that say that none does.

    Parameters
    ----------
    name
        ``t_cells`` or ``pdl1``.
    title
        What it is about, as people read it.
    rules
        Its patterns.
    """

    name: str
    title: str
    rules: tuple[Rule, ...]

    @property
    def unnamed(self) -> str:
        """Key of the row that holds where all patterns can be judged and none holds."""
        return f"{self.name}_unnamed"

    @property
    def not_evaluable(self) -> str:
        """Key of the row that holds where none holds and one cannot be judged."""
        return f"{self.name}_not_evaluable"

    @property
    def patterns(self) -> tuple[str, ...]:
        """Keys of its patterns, without the two rows."""
        return tuple(rule.pattern for rule in self.rules)

    def short(self, held: Mapping[str, bool | None]) -> str:
        """Return what is shown, in a word or two."""
        for rule in self.rules:
            if held[rule.pattern]:
                return rule.short
        return "not evaluable" if held[self.not_evaluable] else "no pattern shown"

    def closed(self, held: Mapping[str, bool | None]) -> dict[str, bool | None]:
        """Add the two rows, so that exactly one key is True."""
        named, unknown = True in held.values(), None in held.values()
        return {
            **held,
            self.unnamed: not named and not unknown,
            self.not_evaluable: not named and unknown,
        }


AXES = (
    Axis("t_cells", "T cells", T_CELLS),
    Axis("pdl1", "PD-L1", PDL1),
)


def read_slide(numbers: Numbers, params: PatternParams) -> dict[str, bool | None]:
    """Return which patterns hold on a slide; of each axis exactly one key is True."""
    held: dict[str, bool | None] = {}
    for axis in AXES:
        held |= axis.closed({r.pattern: r.holds(numbers, params) for r in axis.rules})
    return held


def read_together(slides: Sequence[Held]) -> dict[str, bool | None]:
    """Return which patterns hold over the slides of one patient and timepoint.

    A pattern holds where more than half of the slides that can be judged show it and none of
    them shows another one. With no slide that can be judged nothing is known.
    """
    held: dict[str, bool | None] = {}
    for axis in AXES:
        judged = [slide for slide in slides if not slide[axis.not_evaluable]]
        votes = {p: sum(slide[p] is True for slide in judged) for p in axis.patterns}
        shown = sum(count > 0 for count in votes.values())
        held |= axis.closed(
            {
                p: None if not judged else (2 * count > len(judged) and shown == 1)
                for p, count in votes.items()
            }
        )
    return held
