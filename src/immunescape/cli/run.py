"""``immunescape run``: one slide in, its tables out."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from immunescape.cli.options import (
    ChannelNames,
    LabelsAre,
    Nuclear,
    PixelSize,
    Scene,
    Site,
    split_names,
)
from immunescape.cli.progress import show_progress
from immunescape.margin import MarginParams, TissueParams, TumourParams
from immunescape.measure import MeasureParams
from immunescape.phenotype import GateFile, GateParams, GateSpec, load_gates, parse_gate
from immunescape.pipeline import Inputs, parse_sweep, run_slide
from immunescape.quality import CorrectionParams, QualityParams, SegmentationQualityParams
from immunescape.report import headline_tables
from immunescape.segment import SegmentParams
from immunescape.spatial import ContactParams, DensityParams, SensitivityParams, SummaryParams
from immunescape.study import Study, read_study

__all__ = ["run"]

# Groups of flags in --help, in the order of the work.
_CORRECTION = Group.create_ordered("Correction of the stains")
_SEGMENT = Group.create_ordered("Segmentation")
_MEASURE = Group.create_ordered("Measurement")
_TISSUE = Group.create_ordered("Tissue")
_QUALITY = Group.create_ordered("Quality")
_SEGMENTATION_QUALITY = Group.create_ordered("Quality of the segmentation")
_GATING = Group.create_ordered("Gates")
_TUMOUR = Group.create_ordered("Derived tumour region")
_MARGIN = Group.create_ordered("Margin")
_CONTACT = Group.create_ordered("Contacts")
_DENSITY = Group.create_ordered("Densities")
_SUMMARY = Group.create_ordered("Summary")
_SENSITIVITY = Group.create_ordered("Sensitivity")


def run(
    slide: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    study: Path | None = None,
    annotations: Path | None = None,
    labels: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative=())] = (),
    labels_are: LabelsAre = None,
    calls: Path | None = None,
    edits: Path | None = None,
    pixel_size_um: PixelSize = None,
    channel_names: ChannelNames = None,
    scene: Scene = None,
    nuclear: Nuclear = None,
    site: Site = None,
    gate: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    gates: Path | None = None,
    control: Path | None = None,
    reviewed_by: str | None = None,
    sweep: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    seed: int | None = None,
    csv: Annotated[bool, Parameter(negative=())] = False,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())] = False,
    correction: Annotated[CorrectionParams, Parameter(group=_CORRECTION)] = CorrectionParams(),
    segment: Annotated[SegmentParams, Parameter(group=_SEGMENT)] = SegmentParams(),
    measure: Annotated[MeasureParams, Parameter(group=_MEASURE)] = MeasureParams(),
    tissue: Annotated[TissueParams, Parameter(group=_TISSUE)] = TissueParams(),
    quality: Annotated[QualityParams, Parameter(group=_QUALITY)] = QualityParams(),
    segmentation_quality: Annotated[
        SegmentationQualityParams, Parameter(group=_SEGMENTATION_QUALITY)
    ] = SegmentationQualityParams(),
    gating: Annotated[GateParams, Parameter(group=_GATING)] = GateParams(),
    tumour: Annotated[TumourParams, Parameter(group=_TUMOUR)] = TumourParams(),
    margin: Annotated[MarginParams, Parameter(group=_MARGIN)] = MarginParams(),
    contact: Annotated[ContactParams, Parameter(group=_CONTACT)] = ContactParams(),
    density: Annotated[DensityParams, Parameter(group=_DENSITY)] = DensityParams(),
    summary: Annotated[SummaryParams, Parameter(group=_SUMMARY)] = SummaryParams(),
    sensitivity: Annotated[SensitivityParams, Parameter(group=_SENSITIVITY)] = SensitivityParams(),
) -> int:
    """Analyse one slide: cells, gates, tumour margin, contacts and the headline numbers.

    Parameters
    ----------
    slide
        OME-TIFF, QPTIFF, inForm component data, OME-Zarr, ImageJ or plain TIFF stack.
    out
        Folder that holds one folder a slide.
    study
        Study file with panel, gates and parameters; flags given here go before it.
    annotations
        GeoJSON with the tumour and other regions, as QuPath exports it; without it the tumour
        region is derived from the tumour cells.
    labels
        Masks made elsewhere, in place of the segmentation: one label image, or a pair of nuclei
        and cells.
    calls
        Table of calls made elsewhere, in place of the gates.
    edits
        Corrections made by hand, as ``edits.csv`` of a result holds them: calls of single cells,
        cells merged, cut or removed. Without it those in the folder of the result are replayed.
    gate
        A gate of your own, such as ``pdl1@tumour=fixed:3.6`` or ``cd8=otsu``; may be repeated.
    gates
        Table of gates, such as the ``gates.csv`` of a result after a person looked at it: its
        thresholds are used as they stand. Those of ``--gate`` go before them.
    control
        Result folder of a control slide from the same stain run; it vouches for the stains where
        this slide cannot.
    reviewed_by
        Who looked at annotations and gates; stands beside every number.
    sweep
        A parameter and its values, such as ``margin.width_um=40,100,360,500`` or
        ``pdl1@tumour=2,3.6,5``: the summaries go to ``sweep.csv``; may be repeated.
    seed
        Seed of everything that involves chance [default: 0].
    csv
        Write the cells as CSV in place of parquet.
    overwrite
        Make everything again, even over the result of another slide; files of your own stay.
    quiet
        Show no progress and print no tables.
    """
    base = read_study(study) if study else Study()
    options: dict[str, Any] = {
        "pixel_size_um": pixel_size_um,
        "channel_names": split_names(channel_names),
        "scene": scene,
        "nuclear": split_names(nuclear),
        "site": site,
        "labels_are": labels_are,
    }
    from_file = load_gates(gates) if gates else GateFile(())
    own_gates = _merged(from_file.specs, tuple(parse_gate(text) for text in gate))
    chosen = dataclasses.replace(
        base,
        seed=base.seed if seed is None else seed,
        slide=dataclasses.replace(
            base.slide, **{k: v for k, v in options.items() if v is not None}
        ),
        reviewed_by=base.reviewed_by if reviewed_by is None else reviewed_by,
        gate=_merged(base.gate, own_gates),
        correction=correction,
        segment=segment,
        measure=measure,
        tissue=tissue,
        quality=quality,
        segmentation_quality=segmentation_quality,
        gating=gating,
        tumour=tumour,
        margin=margin,
        contact=contact,
        density=density,
        summary=summary,
        sensitivity=sensitivity,
    )
    sweeps = tuple(parse_sweep(text, chosen) for text in sweep)
    inputs = Inputs(
        slide=slide, annotations=annotations, labels=labels, calls=calls, edits=edits,
        control=control, study=study,
    )  # fmt: skip
    with show_progress(quiet=quiet) as progress:
        result = run_slide(
            inputs, out, chosen, csv=csv, overwrite=overwrite, sweeps=sweeps,
            notes=from_file.notes, progress=progress,
        )  # fmt: skip
    if not quiet:
        print(headline_tables({result.name: result.tables}))
        for warning in result.warnings:
            print(f"warning: {warning}")
    return 0


def _merged(base: tuple[GateSpec, ...], own: tuple[GateSpec, ...]) -> tuple[GateSpec, ...]:
    """Return gates of two sources; those of the second go before.

    A gate of the second for all cells of a marker replaces those of the first for some of them.
    """
    replaced = {(g.marker, g.parent) for g in own}
    whole = {g.marker for g in own if g.parent == "all"}
    kept = (g for g in base if g.marker not in whole and (g.marker, g.parent) not in replaced)
    return (*kept, *own)
