"""The panel: which channel shows which marker, and where in the cell the marker is read."""

import re
from dataclasses import dataclass
from typing import Literal

from immunescape.errors import PanelError

__all__ = ["COMPARTMENTS", "EXPECTED_MARKERS", "TITLES", "Compartment", "Panel", "Role", "Stain"]

Compartment = Literal["nucleus", "cytoplasm", "membrane", "cell"]
COMPARTMENTS: tuple[Compartment, ...] = ("nucleus", "cytoplasm", "membrane", "cell")

Role = Literal["nuclear", "nuclear_unused", "marker", "autofluorescence", "ignored"]
"""``nuclear`` stains are segmented; a second one that nobody asked for is ``nuclear_unused``."""

EXPECTED_MARKERS: dict[str, Compartment] = {
    "s100": "cell",
    "sox10": "nucleus",
    "cd8": "membrane",
    "pdl1": "membrane",
}
"""Markers of the question and the compartment each is read in unless a study says otherwise."""

TITLES = {"s100": "S100", "sox10": "SOX10", "cd8": "CD8", "pdl1": "PD-L1"}
"""How those markers are written in messages."""


@dataclass(frozen=True, kw_only=True)
class Stain:
    """One channel of a panel.

    Parameters
    ----------
    channel
        Name of the channel in the slide file.
    marker
        Key used in columns: lower-case letters, digits and underscores, such as ``pdl1``.
        One channel that stains S100 and SOX10 together has the key ``s100_sox10``.
    compartment
        Where the marker is read for its gate.
    role
        What the channel is used for.

    Raises
    ------
    PanelError
        If the key holds anything else.
    """

    channel: str
    marker: str
    compartment: Compartment
    role: Role = "marker"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9_]+", self.marker):
            raise PanelError(
                f"the channel {self.channel!r} has the marker {self.marker!r}; write it in "
                "lower-case letters, digits and underscores, such as pdl1"
            )


@dataclass(frozen=True)
class Panel:
    """The stains of a slide in channel order; marker keys of stains not ignored are unique.

    Raises
    ------
    PanelError
        If two stains that are not ignored have the same marker key.
    """

    stains: tuple[Stain, ...]

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for stain in (s for s in self.stains if s.role != "ignored"):
            if (other := seen.get(stain.marker)) is not None:
                raise PanelError(
                    f"the channels {other!r} and {stain.channel!r} both show {stain.marker}; "
                    "name one of them in the study's panel and set the other's role to 'ignored'"
                )
            seen[stain.marker] = stain.channel

    def __contains__(self, marker: str) -> bool:
        return any(s.marker == marker for s in self.markers)

    def __getitem__(self, marker: str) -> Stain:
        for stain in self.stains:
            if stain.marker == marker and stain.role != "ignored":
                return stain
        raise KeyError(marker)

    @property
    def nuclear(self) -> tuple[Stain, ...]:
        """Stains that show nuclei and are used for segmentation."""
        return tuple(s for s in self.stains if s.role == "nuclear")

    @property
    def markers(self) -> tuple[Stain, ...]:
        """Stains that are gated: neither nuclear, nor autofluorescence, nor ignored."""
        return tuple(s for s in self.stains if s.role == "marker")

    @property
    def measured(self) -> tuple[Stain, ...]:
        """Stains measured per cell: the markers and the nuclear stains in use."""
        return tuple(s for s in self.stains if s.role in ("nuclear", "marker"))

    @property
    def missing(self) -> tuple[str, ...]:
        """Expected markers that no channel shows; a cocktail stands for both of its markers."""
        return tuple(m for m in EXPECTED_MARKERS if self.standing_for(m) is None)

    def standing_for(self, marker: str) -> Stain | None:
        """Return the stain that shows a marker, alone or in a cocktail; None if there is none."""
        for stain in self.markers:
            if stain.marker == marker:
                return stain
        for stain in self.markers:
            if stain.marker == "s100_sox10" and marker in ("s100", "sox10"):
                return stain
        return None
