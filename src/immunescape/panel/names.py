"""Reading one channel name: what is left of it once dyes, cycles and hosts are taken away."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from immunescape.panel.aliases import (
    AUTOFLUORESCENCE,
    BARE_WAVELENGTH,
    CLONE,
    COCKTAIL_WORDS,
    CYCLE,
    DYE,
    FILLERS,
    KNOWN_COMPARTMENTS,
    MARKER_ALIASES,
    NUCLEAR,
)
from immunescape.panel.model import EXPECTED_MARKERS, Compartment

__all__ = ["Reading", "compact", "read_name"]

_GREEK = {"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "κ": "kappa", "ε": "epsilon"}
_CD = re.compile(r"cd\d+(?:[a-z]|r[abo])?")
_COUNTER = re.compile(r"(?:(?<=[a-z0-9])[_. #]+0*(\d{1,3}))$")
_LEADING_COUNTER = re.compile(r"^0*\d{1,3}[_. #:-]+(?=\S)")
_ANY = {alias: marker for marker, names in MARKER_ALIASES.items() for alias in names}

Kind = Literal["nuclear", "autofluorescence", "marker", "dye"]


@dataclass(frozen=True)
class Reading:
    """What one channel name says.

    Parameters
    ----------
    kind
        ``dye`` is a name that holds a fluorophore or a counter and nothing else.
    marker
        Key for columns; for a marker of the question its own key.
    compartment
        Where such a marker is usually read.
    full
        Key made of the whole name, dye included; tells two channels of one marker apart.
    """

    kind: Kind
    marker: str
    compartment: Compartment
    full: str


def compact(text: str) -> str:
    """Return the letters and digits of a name in lower case, Greek letters spelt out.

    >>> compact("PD-L1"), compact("CD8 α")
    ('pdl1', 'cd8alpha')
    """
    return re.sub(r"[^a-z0-9]+", "", _plain(text))


def read_name(channel: str) -> Reading:
    """Read a channel name.

    Aliases are compared with the whole name, with what is left once dyes, cycles, clones and
    hosts are removed, and with that less a counter set apart by a space, dot or underscore. A
    hyphen is part of a name: ``DAPI_3`` is a third DAPI, ``CD8-6`` is not a sixth CD8.

    Examples
    --------
    >>> read_name("PD-L1 (Opal 520)").marker
    'pdl1'
    >>> read_name("S100A8").marker
    's100a8'
    >>> read_name("Opal 520").kind
    'dye'
    """
    plain = _plain(channel)
    full = _slug(plain)
    stripped = _without_tags(plain)
    for candidate in _candidates(plain):
        if (found := _meaning(candidate)) is not None:
            return Reading(*found, full=full)
    bare = BARE_WAVELENGTH.sub(" ", stripped)
    if not re.search(r"[a-z]", bare):
        return Reading("dye", full, "cell", full)
    key, compartment = _own_key(_slug(bare.strip(" -_/()[]")))
    return Reading("marker", key, compartment, full)


def _own_key(slug: str) -> tuple[str, Compartment]:
    """Return the key of a marker that is none of the question, and where it is usually read."""
    for name, counter in (slug, ""), slug.rpartition("_")[::2]:
        key = name.replace("_", "")
        suffix = f"_{counter}" if counter else ""
        if (counter and not counter.isdigit()) or re.search(r"\d_\d", name):
            continue
        if key in KNOWN_COMPARTMENTS:
            return key + suffix, KNOWN_COMPARTMENTS[key]
        if _CD.fullmatch(key):
            return key + suffix, "membrane"
    return slug, "cell"


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold()
    text = "".join(_GREEK.get(letter, letter) for letter in text)
    text = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in text if not unicodedata.combining(letter)).strip()


def _slug(plain: str) -> str:
    plain = re.sub(r"(?<=[a-z0-9])-(?=[a-z0-9])", "", plain)
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def _words(plain: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", plain)


def _without_tags(plain: str) -> str:
    """Remove dyes, cycles and antibody words; hyphens and slashes that remain are kept."""
    spaced = re.sub(r"[^a-z0-9]", " ", plain)
    keep = list(plain)
    flat = re.sub(r" +", " ", spaced)
    position = [i for i, s in enumerate(spaced) if s != " " or i == 0 or spaced[i - 1] != " "]
    for pattern in (DYE, CLONE, CYCLE):
        for hit in pattern.finditer(flat):
            for at in range(position[hit.start()], position[hit.end() - 1] + 1):
                keep[at] = " "
    left = "".join(keep)
    left = re.sub(r"[a-z0-9]+", lambda w: " " if w.group() in FILLERS else w.group(), left)
    return re.sub(r"^[^a-z0-9]+|[^a-z0-9]+$", "", left)


def _candidates(plain: str) -> list[list[str]]:
    """Return the lists of words to compare with the aliases, the fullest first."""
    stripped = _without_tags(plain)
    if not _words(stripped):
        return [_words(plain)]
    counted = _LEADING_COUNTER.sub("", stripped)
    texts = [plain, stripped, counted, _COUNTER.sub("", stripped), _COUNTER.sub("", counted)]
    texts.append(BARE_WAVELENGTH.sub(" ", stripped))
    return [words for text in texts if (words := _words(text))]


def _meaning(words: list[str]) -> tuple[Kind, str, Compartment] | None:
    found = _segment(tuple(words))
    if found is None:
        found = _segment(tuple(w for w in words if w not in COCKTAIL_WORDS))
        if found is not None and len(found) < 2:
            found = None
    if found is None:
        return None
    if found == {"nuclear"}:
        return "nuclear", "dapi", "nucleus"
    if found == {"autofluorescence"}:
        return "autofluorescence", "autofluorescence", "cell"
    if found == {"s100", "sox10"}:
        return "marker", "s100_sox10", "cell"
    if len(found) == 1:
        (marker,) = found
        return "marker", marker, EXPECTED_MARKERS[marker]
    return None


def _segment(words: tuple[str, ...]) -> set[str] | None:
    """Read words as a row of aliases, each made of one or more words; None if any is left over."""
    if not words:
        return None
    ways: list[set[str] | None] = [set()] + [None] * len(words)
    for end in range(1, len(words) + 1):
        for start in range(end):
            before = ways[start]
            name = _named("".join(words[start:end]))
            if before is not None and name is not None:
                ways[end] = before | {name}
                break
    return ways[-1]


def _named(word: str) -> str | None:
    if NUCLEAR.fullmatch(word):
        return "nuclear"
    if AUTOFLUORESCENCE.fullmatch(word):
        return "autofluorescence"
    return _ANY.get(word)
