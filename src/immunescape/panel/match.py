"""Matching the channels of a slide to a panel."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from immunescape.errors import PanelError
from immunescape.panel.model import EXPECTED_MARKERS, TITLES, Panel, Role, Stain
from immunescape.panel.names import Reading, compact, read_name

__all__ = ["PanelMatch", "match_panel", "missing_costs", "propose_panel", "require_nuclear"]

_COST = {
    "s100": "tumour cells are called without S100",
    "sox10": "tumour cells are called without SOX10",
    "cd8": "no cell is called a CD8 T cell; CD8 densities, contacts and touching are not evaluable",
    "pdl1": "PD-L1 status, its fractions and scores are not evaluable",
}


@dataclass(frozen=True)
class PanelMatch:
    """A panel read from channel names, and what a user should know about it.

    Parameters
    ----------
    panel
        One stain a channel, in channel order.
    warnings
        Markers that are missing and what that costs, names that hold only a dye, nuclear stains
        left unused.
    """

    panel: Panel
    warnings: tuple[str, ...] = ()


def match_panel(
    channels: Sequence[str], *, nuclear: tuple[str, ...] = (), slide_name: str = "slide"
) -> PanelMatch:
    """Match channel names to markers.

    Parameters
    ----------
    channels
        Names as the slide gives them, in order.
    nuclear
        Channels to use as nuclear stain, by their name (case and punctuation do not matter);
        several are combined. Empty takes the first that is named like one.
    slide_name
        Named in messages.

    Returns
    -------
    PanelMatch
        No channel is left out: one that is no marker of the question keeps a key made of its own
        name. A panel without nuclear stain is returned as it is, because imported masks need
        none; :func:`require_nuclear` refuses it.

    Raises
    ------
    PanelError
        If two channels show the same marker of the question, or ``nuclear`` names no channel.

    Examples
    --------
    >>> panel = match_panel(["DAPI", "PD-L1 (Opal 520)", "CD80"]).panel
    >>> [(s.marker, s.role) for s in panel.stains]
    [('dapi', 'nuclear'), ('pdl1', 'marker'), ('cd80', 'marker')]
    """
    readings = [read_name(channel) for channel in channels]
    for _, problem in _ambiguities(channels, readings, slide_name):
        raise PanelError(problem)
    return _matched(channels, readings, nuclear, slide_name)


def propose_panel(
    channels: Sequence[str], *, nuclear: tuple[str, ...] = (), slide_name: str = "slide"
) -> PanelMatch:
    """Match channel names to markers for a person who will correct the panel.

    As `match_panel`, but two channels that show the same marker of the question are not refused:
    the first is taken, the role of the others is ``ignored``, and the warnings begin with what
    was to be refused.

    Examples
    --------
    >>> match = propose_panel(["DAPI", "CD8", "CD8a"])
    >>> [(s.marker, s.role) for s in match.panel.stains]
    [('dapi', 'nuclear'), ('cd8', 'marker'), ('cd8a', 'ignored')]
    """
    readings = [read_name(channel) for channel in channels]
    doubts = _ambiguities(channels, readings, slide_name)
    others = {name for names, _ in doubts for name in names[1:]}
    match = _matched(
        channels,
        [
            dataclasses.replace(r, marker=r.full) if c in others else r
            for c, r in zip(channels, readings, strict=True)
        ],
        nuclear,
        slide_name,
    )
    stains = tuple(
        dataclasses.replace(s, role="ignored") if s.channel in others else s
        for s in match.panel.stains
    )
    return PanelMatch(Panel(stains), (*(text for _, text in doubts), *match.warnings))


def _matched(
    channels: Sequence[str], readings: list[Reading], nuclear: tuple[str, ...], slide_name: str
) -> PanelMatch:
    stained = [i for i, reading in enumerate(readings) if reading.kind == "nuclear"]
    used = _chosen(channels, nuclear, slide_name) if nuclear else stained[:1]
    keys = _keys(readings, used)
    stains = tuple(
        Stain(
            channel=channel,
            marker=keys[i],
            compartment="nucleus" if i in used else readings[i].compartment,
            role=_role(readings[i], i in used),
        )
        for i, channel in enumerate(channels)
    )
    panel = Panel(stains)
    return PanelMatch(panel, tuple(_warnings(panel, readings, slide_name)))


def require_nuclear(panel: Panel, slide_name: str = "slide") -> tuple[Stain, ...]:
    """Return the nuclear stains in use.

    Raises
    ------
    PanelError
        If there is none; the message lists the channels and the two remedies.
    """
    if not panel.nuclear:
        listed = ", ".join(stain.channel for stain in panel.stains)
        raise PanelError(
            f"{slide_name} has no channel named like a nuclear stain (channels: {listed}); "
            "pass --nuclear NAME, or --labels with existing masks"
        )
    return panel.nuclear


def missing_costs(panel: Panel, slide_name: str = "slide") -> tuple[str, ...]:
    """Return what each marker of the question that no channel shows costs, one sentence each."""
    return tuple(
        f"{slide_name} has no {TITLES[m]} channel: unless calls are given, {_COST[m]}"
        for m in panel.missing
    )


def _ambiguities(
    channels: Sequence[str], readings: list[Reading], slide_name: str
) -> list[tuple[list[str], str]]:
    """Return the channels that show the same marker of the question, with what to do about it."""
    sides: dict[str, list[str]] = defaultdict(list)
    for channel, reading in zip(channels, readings, strict=True):
        if reading.kind == "marker" and reading.marker in (*EXPECTED_MARKERS, "s100_sox10"):
            sides[reading.marker].append(channel)
    found = []
    for marker, names in sides.items():
        if len(names) > 1:
            listed = " and ".join(repr(name) for name in names)
            title = TITLES.get(marker, "S100 with SOX10")
            text = (
                f"{slide_name}: the channels {listed} all show {title}; "
                "name the one to use in the study's panel and set the others' role to 'ignored'"
            )
            found.append((names, text))
    return found


def _chosen(channels: Sequence[str], nuclear: tuple[str, ...], slide_name: str) -> list[int]:
    chosen = []
    for name in nuclear:
        exact = [i for i, channel in enumerate(channels) if channel == name]
        alike = exact or [i for i, c in enumerate(channels) if compact(c) == compact(name)]
        if len(alike) != 1:
            problem = "no channel" if not alike else "several channels"
            raise PanelError(
                f"{slide_name} has {problem} {name!r}; "
                f"pass --nuclear with one of {', '.join(channels)}"
            )
        chosen += alike
    return sorted(set(chosen))


def _keys(readings: list[Reading], used: list[int]) -> list[str]:
    """Give each channel a key of its own; nuclear stains in use are counted before the others."""
    keys = [reading.marker for reading in readings]
    nuclear = [i for i, r in enumerate(readings) if r.kind == "nuclear"]
    ordered = [i for i in used if i in nuclear] + [i for i in nuclear if i not in used]
    for group in (ordered, [i for i, r in enumerate(readings) if r.kind == "autofluorescence"]):
        for place, i in enumerate(group):
            keys[i] = readings[i].marker + (f"_{place + 1}" if place else "")
    often = Counter(keys)
    keys = [readings[i].full if often[key] > 1 else key for i, key in enumerate(keys)]
    taken: set[str] = set()
    for i, key in enumerate(keys):
        unique, place = key or f"channel_{i + 1}", 2
        while unique in taken or (unique != key and unique in keys):
            unique, place = f"{key or 'channel'}_{place}", place + 1
        taken.add(unique)
        keys[i] = unique
    return keys


def _role(reading: Reading, used: bool) -> Role:
    if used:
        return "nuclear"
    if reading.kind == "nuclear":
        return "nuclear_unused"
    return "autofluorescence" if reading.kind == "autofluorescence" else "marker"


def _warnings(panel: Panel, readings: list[Reading], slide_name: str) -> list[str]:
    notes = []
    unused = [s.channel for s in panel.stains if s.role == "nuclear_unused"]
    if unused and panel.nuclear:
        in_use = " + ".join(s.channel for s in panel.nuclear)
        notes.append(
            f"{slide_name}: {in_use} is used as nuclear stain, {', '.join(unused)} is not; "
            "--nuclear chooses one or combines several"
        )
    for stain, reading in zip(panel.stains, readings, strict=True):
        if stain.role == "nuclear" and reading.kind == "marker":
            notes.append(f"{slide_name}: {stain.channel} is a nuclear stain, not a marker")
    dyes = [
        stain.channel
        for stain, reading in zip(panel.stains, readings, strict=True)
        if stain.role == "marker" and reading.kind == "dye"
    ]
    if dyes:
        notes.append(
            f"{slide_name}: {', '.join(dyes)} name{'s' * (len(dyes) == 1)} a dye or a number, no "
            "marker; give the markers in the study's panel or with --channel-names"
        )
    return [*notes, *missing_costs(panel, slide_name)]
