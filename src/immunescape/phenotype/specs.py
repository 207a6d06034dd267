"""What a study says about its gates: the automatic method, and gates set by hand."""

import math
import re
from dataclasses import dataclass
from typing import Annotated, Literal

from immunescape.errors import StudyError
from immunescape.params import Between, Params
from immunescape.phenotype.methods import Automatic, Fixed, GaussianMixture, Otsu, Tail

__all__ = [
    "PARENTS",
    "GateMethod",
    "GateParams",
    "GateSpec",
    "Parent",
    "find_spec",
    "parse_gate",
]

Parent = Literal["all", "tumour", "non_tumour"]
PARENTS: tuple[Parent, ...] = ("all", "tumour", "non_tumour")
GateMethod = Literal["gmm", "otsu", "tail", "fixed"]
_METHODS: tuple[GateMethod, ...] = ("gmm", "otsu", "tail", "fixed")
_FORM = "write MARKER[@PARENT]=METHOD[:VALUE], such as pdl1@tumour=fixed:3.6 or cd8=otsu"


@dataclass(frozen=True, kw_only=True)
class GateParams(Params):
    """How the threshold of a marker is found where the study does not set it.

    Parameters
    ----------
    method
        ``gmm``: two normal populations on log intensity. ``otsu``: Otsu's threshold on log
        intensity, once two populations are there. ``tail``: the gap above the negative cells,
        for positive cells that are rare; also used where the other two find nothing.
    membrane_statistic
        What membrane markers are gated on: ``unshared``, the mean of the brightest quarter of the
        part of the rim that no brighter neighbour shares; ``mean`` of the whole rim; ``p35``, its
        35th percentile.
    positive_rim_fraction
        Share of its own rim from which a cell counts as positive where the positive part of the
        rim is looked at; partial staining counts.
    share
        Slides that share a gate, fitted on their pooled cells: those of a ``patient`` or of a
        ``batch``. With ``slide`` each has its own, and others are asked only where it has none.
    min_cells
        Fewest cells of a parent phenotype from which its own gate is taken.
    min_population_cells
        Fewest cells that make a second population.
    min_separation
        Smallest distance of the two populations, in units of their mean spread (Ashman's D),
        at which they are believed to be two.
    bootstrap_draws
        Draws of blocks of tissue from which a gate's range is read; 0 gives no range.
    """

    method: Literal["gmm", "otsu", "tail"] = "gmm"
    membrane_statistic: Literal["unshared", "mean", "p35"] = "unshared"
    positive_rim_fraction: Annotated[float, Between(0.05, 1.0, step=0.05)] = 0.25
    share: Literal["patient", "batch", "slide"] = "patient"
    min_cells: Annotated[int, Between(10, 100_000, step=10)] = 50
    min_population_cells: Annotated[int, Between(3, 10_000, step=1)] = 5
    min_separation: Annotated[float, Between(1.0, 6.0, step=0.1)] = 2.0
    bootstrap_draws: Annotated[int, Between(0, 10_000, step=50)] = 100

    def automatic(self, method: GateMethod) -> Automatic:
        """Return the automatic method of that name with these settings."""
        kinds = {"tail": Tail, "otsu": Otsu}
        return kinds.get(method, GaussianMixture)(
            min_cells=self.min_cells,
            min_population_cells=self.min_population_cells,
            min_separation=self.min_separation,
        )


@dataclass(frozen=True)
class GateSpec:
    """A gate that the study sets: one marker, on the cells of one parent.

    Parameters
    ----------
    marker
        Key of the marker, such as ``pdl1``.
    parent
        Cells it holds for: ``tumour``, ``non_tumour``, or ``all`` for every parent that has no
        gate of its own.
    method
        ``gmm``, ``otsu``, ``tail`` or ``fixed``.
    value
        The threshold of a ``fixed`` gate in the marker's own units. With another method: what is
        used when neither these cells nor the slide's others show a second population.
    statistic
        Column of the cell table that the marker is gated on, such as ``pdl1_membrane_mean``;
        empty leaves the choice to the parameters.
    gate_low, gate_high
        Range of a fixed threshold, if it is known.
    confirmed
        Whether a person has looked at the gate. A value given in a study was.
    source
        ``study``, or ``file`` for a gate that was read from a table of gates.

    Raises
    ------
    StudyError
        If marker, parent, method, value, statistic or range are none of these.
    """

    marker: str
    parent: Parent = "all"
    method: GateMethod = "gmm"
    value: float | None = None
    statistic: str = ""
    gate_low: float | None = None
    gate_high: float | None = None
    confirmed: bool = False
    source: Literal["study", "file"] = "study"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9_]+", self.marker):
            raise StudyError(
                f"the gate's marker is {self.marker!r}; give its key in lower-case letters, "
                "digits and underscores, such as pdl1"
            )
        if self.parent not in PARENTS:
            raise StudyError(
                f"the gate of {self.marker} has the parent {self.parent!r}; "
                f"give one of {', '.join(PARENTS)}"
            )
        if self.method not in _METHODS:
            raise StudyError(
                f"the gate of {self.marker} has the method {self.method!r}; "
                "give gmm, otsu, tail or fixed:VALUE"
            )
        if self.method == "fixed" and self.value is None:
            raise StudyError(
                f"the fixed gate of {self.marker} has no value; give one, such as "
                f"{self.marker}@{self.parent}=fixed:3.6"
            )
        if self.value is not None and not math.isfinite(self.value):
            raise StudyError(f"the gate of {self.marker} has the value {self.value}; give a number")
        if self.statistic and not re.fullmatch(rf"{self.marker}_[a-z0-9_]+", self.statistic):
            raise StudyError(
                f"the gate of {self.marker} has the statistic {self.statistic!r}; give a column "
                f"of its own, such as {self.marker}_membrane_mean"
            )
        ends = [end for end in (self.gate_low, self.value, self.gate_high) if end is not None]
        if not all(map(math.isfinite, ends)) or (self.method == "fixed" and ends != sorted(ends)):
            raise StudyError(
                f"the gate of {self.marker} has the range {self.gate_low} to {self.gate_high}; "
                "give numbers with the threshold between them"
            )

    def fixed(self) -> Fixed | None:
        """Return the threshold that a person gave, if there is one."""
        return None if self.value is None else Fixed(float(self.value))


def parse_gate(text: str) -> GateSpec:
    """Read a gate as it is written on the command line.

    Parameters
    ----------
    text
        ``MARKER[@PARENT]=METHOD[:VALUE]``; space around the parts is ignored, and capitals count
        as small letters.

    Raises
    ------
    StudyError
        If it is not of that form, or a part is unknown.

    Examples
    --------
    >>> gate = parse_gate("pdl1@tumour=fixed:3.6")
    >>> gate.marker, gate.parent, gate.method, gate.value
    ('pdl1', 'tumour', 'fixed', 3.6)
    >>> parse_gate("cd8=otsu").method
    'otsu'
    """
    match = re.fullmatch(
        r"\s*(?P<marker>[^@=:\s]+)\s*(?:@\s*(?P<parent>[^@=:\s]+)\s*)?"
        r"=\s*(?P<method>[^@=:\s]+)\s*(?::\s*(?P<value>[^@=:\s]+)\s*)?",
        text,
    )
    if match is None:
        raise StudyError(f"the gate {text!r} cannot be read; {_FORM}")
    value: float | None = None
    if match["value"] is not None:
        try:
            value = float(match["value"])
        except ValueError:
            raise StudyError(
                f"the gate {text!r} has the value {match['value']!r}, which is no number; {_FORM}"
            ) from None
    return GateSpec(
        marker=match["marker"].lower(),
        parent=(match["parent"] or "all").lower(),  # type: ignore[arg-type]  # GateSpec checks it
        method=match["method"].lower(),  # type: ignore[arg-type]
        value=value,
    )


def find_spec(
    specs: tuple[GateSpec, ...], marker: str, parent: Parent, params: GateParams
) -> GateSpec:
    """Return what holds for a marker on the cells of a parent.

    The last gate set for exactly this parent wins, then the last one for ``all``, then the
    automatic method.

    Parameters
    ----------
    specs
        Gates that the study sets.
    marker, parent
        What is to be gated, on which cells.
    params
        Holds the automatic method.
    """
    for wanted in (parent, "all"):
        for spec in reversed(specs):
            if spec.marker == marker and spec.parent == wanted:
                return spec
    return GateSpec(marker, parent, params.method)
