"""What makes the numbers of a slide adequate, and what does not: one line each."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from immunescape.report.grid import three_digits
from immunescape.report.html.page import Card, Check
from immunescape.report.plots_parts import shortened
from immunescape.report.told import Told
from immunescape.report.wording import (
    gates_text,
    interval_text,
    marker_title,
    n_text,
    unconfirmed,
    value_text,
)

__all__ = ["adequacy", "arguments", "headline_cards"]

HEADLINE = "pdl1_negative_fraction_touching_cd8"
_LINE = 150
_OUTLINE_TOLD = "of the tumour outline is margin"


def headline_cards(told: Told) -> tuple[Card, ...]:
    """Return the three numbers that are seen first, each with n and interval."""
    return (_headline(told), _margin_to_centre(told), _touching(told))


def _headline(told: Told) -> Card:
    row = told.row(HEADLINE, "tumour")
    gates, _ = unconfirmed(row)
    more = [n_text(row), _interval(row)]
    if gates_text(row):
        more.append(f"at both ends of the PD-L1 gate: {gates_text(row)}")
    apart = told.row("pdl1_negative_fraction_not_touching_cd8", "tumour")
    if pd.notna(apart["value"]):
        more.append(f"of those not touching: {value_text(apart)}")
    return _card("PD-L1-negative of the tumour cells touching CD8", row, more, gates)


def _margin_to_centre(told: Told) -> Card:
    row = told.row("cd8_margin_to_centre_ratio", "cd8_t")
    more = []
    for region in ("margin", "centre"):
        density = told.row("cd8_density", "cd8_t", region)
        if pd.notna(density["value"]):
            text = f"{three_digits(density['value'])} per mm²"
            ends = _interval(density).removeprefix("95 % interval ").replace(" per mm²", "")
            more.append(f"{region}: {text} ({ends}; n = {density['numerator']:.0f})")
        else:
            more.append(f"{region}: not evaluable: {density['reason']}")
    width = told.study.margin.width_um
    what = f"CD8 T cells per mm², margin (±{width:g} µm) / centre"
    return _card(what, row, [_interval(row), *more], unconfirmed(row)[0])


def _touching(told: Told) -> Card:
    row = told.row("touching_cd8_fraction", "tumour")
    return _card(
        "Tumour cells touching a CD8 T cell", row, [n_text(row), _interval(row)],
        unconfirmed(row)[0],
    )  # fmt: skip


def _card(what: str, row: dict[Any, Any], more: list[str], gates: tuple[str, ...]) -> Card:
    lines = tuple(shortened(line, _LINE) for line in more if line)
    if pd.isna(row["value"]):
        lines = (
            shortened(str(row["reason"]), _LINE),
            *(line for line in lines if not line.startswith("95 %")),
        )
        return Card(what=what, value="not evaluable", more=lines, known=False)
    doubt = "gates not confirmed by a person" if gates else ""
    return Card(what=what, value=value_text(row).replace(" ", "\u00a0"), more=lines, doubt=doubt)


def _interval(row: dict[Any, Any]) -> str:
    text = interval_text(row)
    return f"95 % interval {text}" if text else ""


def adequacy(told: Told) -> tuple[Check, ...]:
    """Return what the numbers rest on, and where they rest on little."""
    return tuple(_checks(told))


def _checks(told: Told) -> Iterator[Check]:
    tables = told.tables
    area = told.row("area", "any")
    cells = told.row("cell_count", "any")
    size = f"{three_digits(area['value'])} mm² of tissue" if pd.notna(area["value"]) else ""
    number = f"{cells['value']:.0f} cells" if pd.notna(cells["value"]) else "no cells counted"
    yield Check(state="good" if size else "doubt", text=", ".join(filter(None, (size, number))))
    yield _margin(told)
    yield _control(told)
    yield _gates(tables["gates"])
    reviewers = [str(r) for r in tables["summary"]["reviewed_by"].dropna().unique() if str(r)]
    if reviewers:
        yield Check(state="good", text=f"reviewed by {', '.join(reviewers)}")
    else:
        yield Check(state="doubt", text="nobody is named who reviewed annotations and gates")
    yield _source(told)
    yield from _segmentation(told)
    yield from _proposals(told)


def _margin(told: Told) -> Check:
    length = told.interface_mm
    if not length:
        return Check(state="doubt", text="the tumour has no interface with analysed tissue")
    told_of = [w for w in told.result.warnings if _OUTLINE_TOLD in w]
    text = f"{three_digits(length)} mm of margin"
    if told_of:
        return Check(state="doubt", text=f"{text}: {told_of[0]}")
    return Check(state="good", text=text)


def _control(told: Told) -> Check:
    """Tell whether the slide, or a control slide, shows that PD-L1 and CD8 were stained."""
    least = told.study.summary.min_control_cells
    regions = told.tables["regions"]
    here = regions[regions["region"] == "tissue"]
    pdl1 = _counted(here, ("cd8_t", "other"), "positive")
    cd8 = _counted(here, ("cd8_t",), "any")
    text = f"stain control: {pdl1} PD-L1-positive non-tumour cells and {cd8} CD8 T cells"
    if any(i.role == "control" for i in told.study.input):
        return Check(state="good", text=f"{text}, and a control slide")
    if min(pdl1, cd8) < least:
        return Check(state="doubt", text=f"{text}, {least} of each needed")
    return Check(state="good", text=text)


def _counted(regions: pd.DataFrame, phenotypes: tuple[str, ...], pdl1: str) -> int:
    mine = regions[regions["phenotype"].isin(phenotypes) & (regions["pdl1"] == pdl1)]
    return int(mine["count"].fillna(0).sum())


def _gates(gates: pd.DataFrame) -> Check:
    open_ = gates[~gates["confirmed"].astype(bool) & gates["threshold"].notna()]
    if gates.empty:
        return Check(state="none", text="no gates: calls were made elsewhere")
    if gates["threshold"].isna().all():
        return Check(state="doubt", text="no marker has a gate on this slide")
    if open_.empty:
        return Check(state="good", text="gates set or confirmed by a person")
    names = [
        marker_title(marker if parent == "all" else f"{marker}@{parent}")
        for marker, parent in zip(
            open_["marker"].astype(str), open_["parent"].astype(str), strict=True
        )
    ]
    return Check(state="doubt", text=f"automatic gates that nobody confirmed: {', '.join(names)}")


def _source(told: Told) -> Check:
    sources = told.tables["summary"]["tumour_source"].dropna().unique()
    source = str(sources[0]) if len(sources) else ""
    site = told.study.slide.site
    where = f"; site: {site.replace('_', ' ')}" if site else ""
    if source in ("drawn", "imported"):
        return Check(state="good", text=f"tumour region {source}{where}")
    if source == "derived":
        return Check(state="doubt", text=f"tumour region derived from the tumour cells{where}")
    return Check(state="doubt", text=f"no tumour region{where}")


def _segmentation(told: Told) -> Iterator[Check]:
    quality = told.result.provenance.get("segmentation_quality", {})
    figures = quality.get("figures", {})
    if figures.get("tiles_judged"):
        flagged, judged = int(figures["tiles_flagged"]), int(figures["tiles_judged"])
        state = "doubt" if quality.get("warnings") else "good"
        text = f"nuclei: {flagged} of {judged} tiles stand out"
        yield Check(state=state, text=text)  # type: ignore[arg-type]
    else:
        yield Check(state="none", text="the segmentation was not judged")


def _proposals(told: Told) -> Iterator[Check]:
    quality = told.tables.get("quality")
    if quality is None or quality.empty:
        return
    row = quality[(quality["issue"] == "all") & (quality["region"] == "tissue")]
    if row.empty or not int(row.iloc[0]["cells"]):
        return
    first = row.iloc[0]
    done = "left out" if bool(first["applied"]) else "proposed to be left out, and counted"
    text = f"{int(first['cells'])} cells on folds, blur, pigment or debris: {done}"
    yield Check(state="none" if bool(first["applied"]) else "doubt", text=text)


def arguments(told: Told) -> tuple[str, ...]:
    """Return what argues against the headline: its own doubts, then warnings.

    Those that speak of the headline go first.
    """
    _, rest = unconfirmed(told.row(HEADLINE, "tumour"))
    texts = [part for part in rest.split("; ") if part]
    warnings = sorted(told.result.warnings, key=lambda text: "headline" not in text)
    return tuple(dict.fromkeys((*texts, *warnings)))
