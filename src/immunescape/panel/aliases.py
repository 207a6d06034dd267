"""What channels are called: aliases of markers, words and dyes that are no part of a name.

All entries are compact: lower case, letters and digits only. An alias matches a whole name,
never its beginning, therefore ``cd8`` says nothing about ``cd80``.
"""

import re

from immunescape.panel.model import Compartment

__all__ = [
    "AUTOFLUORESCENCE",
    "BARE_WAVELENGTH",
    "CLONE",
    "COCKTAIL_WORDS",
    "CYCLE",
    "DYE",
    "FILLERS",
    "KNOWN_COMPARTMENTS",
    "MARKER_ALIASES",
    "NUCLEAR",
]

MARKER_ALIASES: dict[str, frozenset[str]] = {
    "s100": frozenset({"s100", "s100b", "s100beta", "s100bprotein", "s100protein", "pans100"}),
    "sox10": frozenset({"sox10"}),
    "cd8": frozenset({"cd8", "cd8a", "cd8alpha"}),
    "pdl1": frozenset({"pdl1", "cd274", "b7h1", "b7homolog1", "programmeddeathligand1"}),
}
"""The markers of the question."""

NUCLEAR = re.compile(
    r"(?:dapi|hoechst(?:33258|33342|34580)?|dna|draq[57]|syto(?:1[0-9]|8[0-5])|sytox"
    r"|propidiumiodide|7aad|nuclei|nuclear|nucleus|nuclearstain|histoneh3|hh3)"
    r"(?:0*\d{1,2})?"
)
"""A whole name that shows nuclei; a counter may be glued to it (``DNA1``, ``DAPI03``)."""

AUTOFLUORESCENCE = re.compile(
    r"(?:sample)?(?:af|autofl|autofluor|autofluorescence|autofluorescent|autofluo)"
    r"(?:signal|channel)?\d{0,2}|(?:blank|background|bkg)\d{0,3}|unstained\d{0,2}|empty\d{0,3}"
)
"""A whole name of a channel that shows no stain; it is never a marker."""

_WAVELENGTH = (
    "350|400|405|421|425|430|450|480|488|490|500|510|514|515|520|532|540|546|550|555|561|565|568|"
    "570|580|590|594|605|610|620|630|632|633|635|640|647|650|655|660|665|670|680|690|700|705|711|"
    "725|740|747|750|755|770|780|785|786|790|800"
)
_LANTHANIDE = "la|ce|pr|nd|sm|eu|gd|tb|dy|ho|er|tm|yb|lu|ir|pt"

DYE = re.compile(
    r"\b(?:"
    rf"(?:opal|polaris|opalpolaris|opal polaris|alexa|alexafluor|alexa fluor|alexa fluor plus|af|a"
    r"|atto|dylight|dy|cf|irdye|vivid|iflour|ifluor|qdot|qd|bv|buv|bb|tsa|tyramide|tsa vivid"
    rf"|efluor|ef|superbright|starbright) ?(?:{_WAVELENGTH})(?:cw|r|nm)?"
    r"|cy ?[2357](?: ?5)?b?|fitc|tritc|texas ?red|txred|rhodamine|rrx|tamra|pe(?: cy ?[57](?: 5)?)?"
    r"|r phycoerythrin|phycoerythrin|apc(?: cy ?7)?|percp(?: cy ?5 5)?|pacific ?blue|bodipy"
    r"|coumarin|aqua|fam|spectrum ?(?:aqua|green|orange|red|gold)"
    rf"|(?:{_WAVELENGTH}) ?nm|(?:{_LANTHANIDE}) ?(?:1[3-9]\d|20\d)(?:di)?"
    rf"|(?:1[3-9]\d|20\d)(?:{_LANTHANIDE})(?:di)?"
    r")\b"
)
"""Fluorophores and mass tags, in names whose punctuation has become single spaces."""

BARE_WAVELENGTH = re.compile(rf"\b(?:{_WAVELENGTH})\b")
"""A number that is a dye only beside a name."""

CYCLE = re.compile(
    r"\b(?:cyc|cycle|cycles|round|rnd|rd|hyb|reg|ch|channel) ?0*\d{1,3}\b"
    r"|\b[cr]0*\d{1,3}\b|\bcyc0*\d{1,3}ch0*\d{1,3}\b|\bch0*\d{1,3}cy0*\d{1,3}\b"
)
"""Imaging rounds and channel counters: ``cyc03``, ``c1``, ``r2``, ``round 4``, ``ch2``."""

FILLERS: frozenset[str] = frozenset(
    "anti antibody ab mab pab monoclonal polyclonal rabbit mouse rat goat donkey sheep human hu ms "
    "rb gt opal tsa tyramide alexa fluor polaris protein stain staining marker antigen unmixed "
    "dye".split()
)
"""Words of antibodies, hosts and dyes that may stand beside a marker."""

CLONE = re.compile(
    r"\b(?:clone )?(?:28 8|73 10|22 ?c3|e1l3n|sp ?142|sp ?263|zr3|c8 144b|4b11|sp16|4b5|bs7)\b"
    r"|\bclone [a-z0-9]+\b"
)
"""Antibody clones: after the word, or well-known ones of the markers of the question."""

COCKTAIL_WORDS: frozenset[str] = frozenset(
    "cocktail mix mixture combo combined combination melanoma tumor tumour and plus with".split()
)

_NUCLEAR_PROTEINS = (
    "foxp3 ki67 sox2 sox9 sox11 sox17 mitf pax8 pax5 pcna tbet tbx21 eomes tcf1 tcf7 tox gata3 p53 "
    "irf4 irf8 bcl6 ttf1 er pr ar phh3 gh2ax h2ax pstat1 pstat3 prb nfatc1 cyclind1 mum1 runx3"
)
_MEMBRANE_PROTEINS = (
    "pd1 pdl2 lag3 tim3 tigit vista ctla4 icos ox40 41bb gitr hla hladr hlaa hlaabc hlae mhc1 mhci "
    "mhc2 mhcii b2m ecadherin egfr her2 epcam ngfr axl nkp46 nkg2d nkg2a icam1 vcam1 "
    "nakatpase"
)
KNOWN_COMPARTMENTS: dict[str, Compartment] = {
    **dict.fromkeys(_NUCLEAR_PROTEINS.split(), "nucleus"),
    **dict.fromkeys(_MEMBRANE_PROTEINS.split(), "membrane"),
    "cd68": "cytoplasm",
    "cd206": "membrane",
    "granzymeb": "cytoplasm",
    "gzmb": "cytoplasm",
    "perforin": "cytoplasm",
    "mart1": "cytoplasm",
    "melana": "cytoplasm",
    "hmb45": "cytoplasm",
    "gp100": "cytoplasm",
    "pmel": "cytoplasm",
    "tyrosinase": "cytoplasm",
    "vimentin": "cytoplasm",
    "panck": "cytoplasm",
    "pancytokeratin": "cytoplasm",
    "cytokeratin": "cytoplasm",
    "ck": "cytoplasm",
    "sma": "cytoplasm",
    "asma": "cytoplasm",
}
"""Where well-known proteins sit; any other ``CD`` number is read at the membrane."""
