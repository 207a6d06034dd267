"""What the columns of a table of calls mean, and what their values say, whoever wrote them."""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from immunescape.errors import CallsError
from immunescape.panel.aliases import KNOWN_COMPARTMENTS
from immunescape.panel.model import EXPECTED_MARKERS
from immunescape.panel.names import compact, read_name
from immunescape.results import PHENOTYPES

__all__ = ["SUFFIX", "Column", "Unit", "read_column", "values_of"]

SUFFIX = "_positive"
Unit = Literal["um", "px", "any"]
"""``any`` is a position whose unit the table does not say."""

_YES = ("1", "1.0", "true", "+", "yes", "positive", "pos")
_NO = ("0", "0.0", "false", "-", "no", "negative", "neg")
_EMPTY = ("", "na", "nan", "none", "null", "<na>", "n/a", "#n/a", "unclassified")

_PLACES: dict[str, tuple[str, Unit]] = {
    "cell x position": ("x", "any"),
    "cell y position": ("y", "any"),
    "xmin": ("x_min", "any"),
    "xmax": ("x_max", "any"),
    "ymin": ("y_min", "any"),
    "ymax": ("y_max", "any"),
}
_PLACE = re.compile(r"(?:centroid )?(?P<axis>[xy]) ?(?P<unit>um|px|pixels?)")
_IDS = ("cell id", "cellid", "object id", "objectid")
_MARKER = re.compile(
    r"(?P<marker>.*[^ ])(?: positive| pos| positive classification|\+)|phenotype (?P<named>.+)"
)

_NAMES = {
    "tumour": "tumour tumor melanoma tumour_cell tumor_cell tumour_cells tumor_cells sox10+ s100+",
    "cd8_t": "cd8_t cd8+ cd8_t_cell cd8_t_cells cd8+_t_cell cd8+_t_cells cytotoxic_t "
    "cytotoxic_t_cell cytotoxic_t_cells",
    "other": "other others",
    "unknown": "unknown",
}
_PHENOTYPES = {
    name.replace("_", " "): key for key, names in _NAMES.items() for name in names.split()
}


@dataclass(frozen=True)
class Column:
    """What one column holds.

    Parameters
    ----------
    kind
        ``label`` (ours), ``id`` (another program's number of the cell), ``x, y``, ``x_min,
        x_max, y_min, y_max``, ``marker``, ``phenotype`` or ``classes`` (a class that may name
        several positive markers); ``dye`` is a call of a stain that has no marker's name.
    marker
        Key of the marker that it calls.
    unit
        Unit of a position.
    """

    kind: str
    marker: str = ""
    unit: Unit = "um"

    @property
    def name(self) -> str:
        """Name that the column counts as; equal for two that say the same thing."""
        return f"{self.marker}{SUFFIX}" if self.kind == "marker" else self.kind


def read_column(name: str) -> Column | None:
    """Tell what a column holds by its name; None for one that means nothing here.

    Names in our own spelling (``label, x_um, y_um, phenotype, <marker>_positive``) are taken as
    they are. Those of inForm, QuPath and HALO are known too, and the marker within such a name is
    read like a channel's name.

    Examples
    --------
    >>> read_column("PD-L1 (Opal 520) Positive Classification").name
    'pdl1_positive'
    >>> read_column("Centroid X µm")
    Column(kind='x', marker='', unit='um')
    >>> read_column("CD8 intensity") is None
    True
    """
    own = str(name).strip().lower()
    if own in ("label", "phenotype"):
        return Column(own)
    if re.fullmatch(rf"[a-z0-9_]+{SUFFIX}", own):
        return Column("marker", own.removesuffix(SUFFIX))
    plain = re.sub(r"[\s_()\[\]]+", " ", own.replace("µ", "u").replace("μ", "u")).strip()
    if plain in _IDS:
        return Column("id")
    if plain in ("class", "classification"):
        return Column("classes")
    if plain in _PLACES:
        kind, unit = _PLACES[plain]
        return Column(kind, unit=unit)
    if match := _PLACE.fullmatch(plain):
        return Column(match["axis"], unit="um" if match["unit"] == "um" else "px")
    # The brackets of a dye beside a marker help to read it.
    spaced = re.sub(r"[\s_]+", " ", own).strip()
    if match := _MARKER.fullmatch(spaced):
        reading = read_name(match["marker"] or match["named"])
        if reading.kind == "marker" and reading.marker:
            return Column("marker", reading.marker)
        if reading.kind == "dye":
            return Column("dye")
    return None


def values_of(column: Column, text: "pd.Series[str]", file: str) -> pd.DataFrame:
    """Read the values of a column of calls.

    Parameters
    ----------
    column
        A ``marker``, ``phenotype`` or ``classes`` column.
    text
        Its values, one a row of the table.
    file
        Name of the file, for what is said about a value that cannot be read.

    Returns
    -------
    DataFrame
        ``<marker>_positive`` (nullable boolean) and ``phenotype`` as far as the column tells
        them. A class names the markers that are positive: one that is named anywhere in the
        column is negative in every other row that has a class.

    Raises
    ------
    CallsError
        If a value is none of those known.
    """
    if column.kind == "marker":
        return _booleans(column, text, file).to_frame(column.name)
    if column.kind == "phenotype":
        return _phenotypes(text, file).to_frame("phenotype")
    return _classes(text, file)


def _words(text: "pd.Series[str]") -> "pd.Series[str]":
    return text.str.strip().str.lower()


def _booleans(column: Column, text: "pd.Series[str]", file: str) -> "pd.Series[bool]":
    words = _words(text)
    named = words.str.fullmatch(r".+[+-]")
    own = words.where(~named, words.str[-1])  # CD8+ and CD8- in a column of CD8
    stems = words[named].str[:-1]
    for stem in stems.unique():
        if column.marker not in (read_name(stem).marker, compact(stem)):
            own[words.str[:-1] == stem] = "?"
    known = own.isin([*_YES, *_NO, *_EMPTY])
    if not known.all():
        row = int(np.argmin(known.to_numpy()))
        raise CallsError(
            f"{file}, row {row + 1}: {text.name} is {text.iloc[row]!r}; give 1 or 0, "
            "true or false, + or -, yes or no, or leave it empty"
        )
    result = pd.Series(pd.NA, index=text.index, dtype="boolean")
    result[own.isin(_YES)] = True
    result[own.isin(_NO)] = False
    return result


def _phenotypes(text: "pd.Series[str]", file: str) -> "pd.Series[str]":
    words = _words(text).str.replace("_", " ")
    result = words.mask(words.isin(_EMPTY), "unknown").map(_PHENOTYPES)
    if result.isna().any():
        row = int(np.argmax(result.isna().to_numpy()))
        raise CallsError(
            f"{file}, row {row + 1}: phenotype is {text.iloc[row]!r}; "
            f"give one of {', '.join(PHENOTYPES)}"
        )
    return result


def _classes(text: "pd.Series[str]", file: str) -> pd.DataFrame:
    """Read classes such as ``Tumor: PD-L1`` or ``CD8: PD-1``."""
    words = _words(text)
    meaning = {word: _class(word) for word in words.unique()}
    for word, parts in meaning.items():
        if parts is None:
            row = int(np.argmax((words == word).to_numpy()))
            raise CallsError(
                f"{file}, row {row + 1}: {text.name} is {text.iloc[row]!r}, which names neither a "
                f"phenotype ({', '.join(PHENOTYPES)}) nor markers; rename it, or remove the column"
            )
    known = {word: parts for word, parts in meaning.items() if parts is not None}
    markers = dict.fromkeys(m for _, positive in known.values() for m in positive)
    empty = words.map(lambda word: known[word] == ("", ()))
    result = pd.DataFrame(index=text.index)
    for marker in markers:
        called = words.map(lambda word, m=marker: m in known[word][1]).astype("boolean")
        result[f"{marker}{SUFFIX}"] = called.mask(empty)
    if any(phenotype for phenotype, _ in known.values()):
        result["phenotype"] = words.map(lambda word: _as_phenotype(*known[word]))
    return result


def _class(word: str) -> tuple[str, tuple[str, ...]] | None:
    """Phenotype and positive markers of a class; None if a part of it means nothing here."""
    if word in _EMPTY or word.startswith("ignore"):
        return "", ()
    phenotype, markers = "", []
    for part in (p.strip() for p in word.split(":")):
        spelt = part.replace("_", " ")
        if spelt in _PHENOTYPES and not part.endswith("+"):
            phenotype = phenotype or _PHENOTYPES[spelt]
            continue
        reading = read_name(part.removesuffix("+"))
        key = reading.marker
        known = key in EXPECTED_MARKERS or key in KNOWN_COMPARTMENTS or re.match(r"cd\d", key)
        if reading.kind != "marker" or not known:
            return None
        markers.append(key)
    return phenotype, tuple(markers)


def _as_phenotype(phenotype: str, markers: tuple[str, ...]) -> str:
    """Phenotype of a row in a column that names phenotypes in some rows and markers in others."""
    if phenotype or not markers:
        return phenotype or "unknown"
    if {"sox10", "s100"} & {*markers}:
        return "tumour"
    return "cd8_t" if "cd8" in markers else "other"
