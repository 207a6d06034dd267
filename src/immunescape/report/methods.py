"""How a slide was analysed, as a paragraph to paste, with its references; and the checklist."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunescape.report.told import Told
from immunescape.report.wording import PHENOTYPE_TITLES, marker_title
from immunescape.study import STEPS, Study

__all__ = ["CHECKLIST_SOURCES", "Item", "Setting", "checklist", "methods", "settings"]

CELLPOSE = (
    "Stringer C, Wang T, Michaelos M, Pachitariu M. Cellpose: a generalist algorithm for cellular "
    "segmentation. Nature Methods 2021;18:100-106. doi:10.1038/s41592-020-01018-x"
)
ZARETSKY = (
    "Zaretsky JM et al. Mutations associated with acquired resistance to PD-1 blockade in "
    "melanoma. N Engl J Med 2016;375:819-829."
)
CHECKLIST_SOURCES = {
    "SITC 2025": (
        "Taube JM et al. Society for Immunotherapy of Cancer: updates and best practices for "
        "multiplex immunohistochemistry (IHC) and immunofluorescence (IF) image analysis and data "
        "sharing. J Immunother Cancer 2025;13:e008875. doi:10.1136/jitc-2024-008875"
    ),
    "STORMI": (
        "Sater S et al. Society for Immunotherapy of Cancer: Standards for Reporting of Multiplex "
        "Immunohistochemistry/Immunofluorescence Assays (STORMI). J Immunother Cancer "
        "2025;13:e012280. doi:10.1136/jitc-2025-012280"
    ),
}
"""Whose abstracts name the items of the checklist."""
_NOT_HERE = "not known to this program; the laboratory has to report it"


@dataclass(frozen=True)
class Setting:
    """One parameter: its step, name, value and default."""

    step: str
    name: str
    value: str
    default: str

    @property
    def changed(self) -> bool:
        """Whether it differs from its default."""
        return self.value != self.default


def settings(study: Study) -> tuple[Setting, ...]:
    """Return every parameter of a study, in the order of the work."""
    found = []
    usual = Study()
    for step in STEPS:
        mine, default = getattr(study, step), getattr(usual, step)
        found += [
            Setting(step, f.name, _value(getattr(mine, f.name)), _value(getattr(default, f.name)))
            for f in dataclasses.fields(mine)
        ]
    found.append(Setting("", "seed", _value(study.seed), _value(usual.seed)))
    return tuple(found)


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_value(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def methods(told: Told) -> tuple[str, tuple[str, ...]]:
    """Return a paragraph that tells how the slide was analysed, and its references.

    All of it follows from the study and the provenance; what they do not know, such as the
    staining, is not in it.
    """
    study, record = told.study, told.result.provenance
    versions: dict[str, str] = dict(record.get("versions", {}))
    references = [ZARETSKY]
    stains = ", ".join(marker_title(s.marker) for s in told.panel.markers)
    sentences = [
        f"The slide ({stains}; {record.get('pixel_size_um', 0):g} µm a pixel) was analysed with "
        f"immunescape {versions.get('immunescape', '')} (Python {versions.get('python', '')}), "
        f"seed {study.seed}.",
        *_correction(record),
        _labels(record, study, references),
        _measurement(study),
        _gating(told),
        _phenotypes(study),
        *_regions(told),
        _contacts(study),
        _intervals(study),
    ]
    sentences.append("The question and its measures follow Zaretsky et al. [1].")
    return " ".join(filter(None, sentences)), tuple(references)


def _correction(record: Any) -> list[str]:
    subtracted = record.get("correction", {}).get("background_subtracted", False)
    return [f"Background was {'subtracted' if subtracted else 'not subtracted'}."]


def _labels(record: Any, study: Study, references: list[str]) -> str:
    origin = record.get("segmentation", {})
    if origin.get("labels") != "segmented":
        return "Cells were taken from label images made elsewhere."
    references.append(CELLPOSE)
    sha = str(origin.get("model_sha256", ""))[:12]
    model = f"{origin.get('model', '')}" + (f", SHA-256 {sha}…" if sha else "")
    grown = f", and grown by at most {study.segment.grow_um:g} µm, meeting neighbours half way"
    return (
        f"Nuclei were found with the network {model} by the flow representation of Cellpose [2]"
        f"{grown if origin.get('grown') else ''}."
    )


def _measurement(study: Study) -> str:
    return (
        f"Membrane markers were read on a rim {study.measure.membrane_width_um:g} µm wide, "
        "by the statistic that stands with each gate."
    )


def _gating(told: Told) -> str:
    parts = []
    for row in told.tables["gates"].to_dict("records"):
        parent = "" if row["parent"] == "all" else f"@{row['parent']}"
        name = marker_title(str(row["marker"]) + parent)
        if pd.isna(row["threshold"]):
            parts.append(f"{name} {_origin(str(row['source']))}")
            continue
        ends = ""
        if pd.notna(row["gate_low"]) and pd.notna(row["gate_high"]):
            ends = f", range {row['gate_low']:.4g} to {row['gate_high']:.4g}"
        how = _METHODS.get(str(row["method"]), str(row["method"]))
        statistic = str(row["statistic"]).removeprefix(f"{row['marker']}_").replace("_", " ")
        origin = _origin(str(row["source"]))
        parts.append(f"{name} {statistic} > {row['threshold']:.4g} ({how}, {origin}{ends})")
    return f"Gates: {'; '.join(parts)}." if parts else "No gate was used."


_METHODS = {
    "gmm": "Gaussian mixture on log intensity",
    "otsu": "Otsu's threshold",
    "tail": "tail above the negative mode",
    "fixed": "set",
    "imported": "imported",
}
_ORIGINS = {
    "fixed": "in the study",
    "file": "in a table of gates",
    "imported": "calls made elsewhere",
    "missing": "missing",
}
_OF = {"slide": "this slide", "patient": "the patient's slides", "batch": "the batch's slides"}


def _origin(source: str) -> str:
    """Return in words where a threshold comes from.

    Examples
    --------
    >>> _origin("patient:non_tumour"), _origin("slide:all"), _origin("fixed")
    ("non-tumour cells of the patient's slides", 'all cells of this slide', 'in the study')
    """
    where, _, cells = source.partition(":")
    if not cells:
        return _ORIGINS.get(source, source)
    return f"{cells.replace('_', '-')} cells of {_OF.get(where, where)}"


def _phenotypes(study: Study) -> str:
    texts = []
    for rule in study.rule:
        signs = [f"{marker_title(m)}+" for m in rule.positive]
        signs += [f"{marker_title(m)}−" for m in rule.negative]
        where = "" if rule.place == "anywhere" else f" within the {rule.place}"
        unless = ", ".join(marker_title(m) for m in rule.unless)
        texts.append(
            f"{PHENOTYPE_TITLES[rule.phenotype]} = {' '.join(signs)}{where}"
            + (f" unless the panel has {unless}" if unless else "")
        )
    return f"Phenotypes by priority: {'; '.join(texts)}; all others are other cells."


def _regions(told: Told) -> list[str]:
    sources = told.tables["summary"]["tumour_source"].dropna().unique()
    source = str(sources[0]) if len(sources) else ""
    if not source:
        return ["There was no tumour region."]
    how = {
        "drawn": "drawn by hand", "imported": "imported from annotations",
        "derived": "derived from the density of tumour cells",
    }.get(source, source)  # fmt: skip
    width = told.study.margin.width_um
    return [
        f"The tumour region was {how}; the margin was {width:g} µm to each side of its interface "
        f"with analysed tissue ({told.interface_mm:.2f} mm)."
    ]


def _contacts(study: Study) -> str:
    c = study.contact
    return (
        f"Two cells touched if their labels shared at least {c.min_contact_um:g} µm of border "
        f"across a gap of at most {c.gap_um:g} µm."
    )


def _intervals(study: Study) -> str:
    summary, density = study.summary, study.density
    return (
        "Intervals are 95 %: a bootstrap over 100 µm blocks of tissue, or with too few blocks "
        "those of Garwood for densities and of Wilson for fractions; the p value of induction by "
        "contact comes from relabelling CD8 T cells among non-tumour cells within 50 µm blocks. "
        f"Regions under {density.min_area_mm2:g} mm² and fractions of fewer than "
        f"{summary.min_cells} cells were not evaluated."
    )


# The checklist


@dataclass(frozen=True)
class Item:
    """One topic that guidance names: where it is named, and what this result says of it."""

    topic: str
    source: str
    answer: str
    known: bool


def checklist(told: Told) -> tuple[Item, ...]:
    """Return what the abstracts of the guidance name, with what this result says of each.

    The abstracts alone were read. The full checklist has more and has to be filled in from it.
    """
    record, study = told.result.provenance, told.study
    origin = record.get("segmentation", {})
    quality = record.get("segmentation_quality", {}).get("figures", {})
    mixed = [w for w in told.result.warnings if "mixed" in w]
    model = "label images made elsewhere"
    if origin.get("labels") == "segmented":
        model = f"network {origin.get('model')}, SHA-256 {str(origin.get('model_sha256'))[:12]}…"
    judged = f"; {quality['tiles_flagged']} of {quality['tiles_judged']} tiles stand out" if (
        quality.get("tiles_judged")
    ) else ""  # fmt: skip
    pooled = told.tables["gates"]["source"].astype(str).str.startswith(("patient", "batch")).any()
    shared = "gates fitted on the pooled cells of slides stained alike" if pooled else (
        "gates of this slide alone, or set by hand: see the gates"
    )  # fmt: skip
    form = f"{record.get('format', '')}, {record.get('pixel_size_um', 0):g} µm a pixel, "
    shape = " x ".join(str(n) for n in reversed(record.get("shape_px", [])))
    return (
        Item("analytical validation", "STORMI", _NOT_HERE, False),
        Item("image acquisition", "SITC 2025, STORMI",
             f"{form}{shape} pixels; exposure and microscope are {_NOT_HERE}", False),
        Item("image selection", "STORMI",
             f"one image, tissue found by: {study.tissue.method}; why this field: {_NOT_HERE}",
             False),
        Item("image registration", "STORMI",
             f"no registration was done here; if images were registered before, it is {_NOT_HERE}",
             False),
        Item("colour deconvolution and spectral unmixing", "SITC 2025",
             mixed[0] if mixed else f"none was done here; that before is {_NOT_HERE}", False),
        Item("tissue segmentation", "SITC 2025",
             f"method {study.tissue.method}, smoothed at {study.tissue.smooth_um:g} µm", True),
        Item("cell segmentation", "SITC 2025", f"{model}{judged}", True),
        Item("phenotyping", "SITC 2025", "gates with their ranges and rules by priority: see the "
             "gates and the methods", True),
        Item("cell clustering", "STORMI", "none: phenotypes follow from gates", True),
        Item("algorithm verification", "SITC 2025",
             "the segmentation page of this result, corrections and review by hand: "
             + (f"reviewed by {study.reviewed_by}" if study.reviewed_by else "no reviewer named"),
             bool(study.reviewed_by)),
        Item("batch-to-batch correction", "SITC 2025", shared, bool(pooled)),
        Item("quality control of assembled images", "SITC 2025",
             "saturation, folds, blur, pigment and debris were looked for: see quality", True),
        Item("spatial analysis strategies", "STORMI",
             "contact of cells, regions by signed distance to the interface, spatial intervals: "
             "see the methods", True),
        Item("sharing of processed results", "SITC 2025",
             "the tables beside this page: cells, regions, bands, contacts, summary, gates", True),
        Item("sharing of programs and source code", "SITC 2025",
             f"immunescape {record.get('versions', {}).get('immunescape', '')}, BSD-3-Clause; "
             "study.toml repeats the result", True),
        Item("sharing of raw outputs", "SITC 2025",
             f"the slide itself, SHA-256 {record.get('input', {}).get('sha256', '')[:12]}…; where "
             f"it is kept is {_NOT_HERE}", False),
        Item("representative photomicrographs", "SITC 2025",
             "the pictures of this page, kept in the slide's own units" if told.result.pictures
             else "no picture was kept with this result", bool(told.result.pictures)),
    )  # fmt: skip
