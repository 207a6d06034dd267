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
from immunescape.phenotype import GateParams, parse_gate
from immunescape.pipeline import Inputs, run_slide
from immunescape.report import headline_tables
from immunescape.segment import SegmentParams
from immunescape.spatial import ContactParams, DensityParams, SummaryParams
from immunescape.study import Study, read_study

__all__ = ["run"]

# Groups of flags in --help, in the order of the work.
_SEGMENT = Group.create_ordered("Segmentation")
_MEASURE = Group.create_ordered("Measurement")
_TISSUE = Group.create_ordered("Tissue")
_GATING = Group.create_ordered("Gates")
_TUMOUR = Group.create_ordered("Derived tumour region")
_MARGIN = Group.create_ordered("Margin")
_CONTACT = Group.create_ordered("Contacts")
_DENSITY = Group.create_ordered("Densities")
_SUMMARY = Group.create_ordered("Summary")


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
    pixel_size_um: PixelSize = None,
    channel_names: ChannelNames = None,
    scene: Scene = None,
    nuclear: Nuclear = None,
    site: Site = None,
    gate: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    seed: int | None = None,
    csv: Annotated[bool, Parameter(negative=())] = False,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())] = False,
    segment: Annotated[SegmentParams, Parameter(group=_SEGMENT)] = SegmentParams(),
    measure: Annotated[MeasureParams, Parameter(group=_MEASURE)] = MeasureParams(),
    tissue: Annotated[TissueParams, Parameter(group=_TISSUE)] = TissueParams(),
    gating: Annotated[GateParams, Parameter(group=_GATING)] = GateParams(),
    tumour: Annotated[TumourParams, Parameter(group=_TUMOUR)] = TumourParams(),
    margin: Annotated[MarginParams, Parameter(group=_MARGIN)] = MarginParams(),
    contact: Annotated[ContactParams, Parameter(group=_CONTACT)] = ContactParams(),
    density: Annotated[DensityParams, Parameter(group=_DENSITY)] = DensityParams(),
    summary: Annotated[SummaryParams, Parameter(group=_SUMMARY)] = SummaryParams(),
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
    gate
        A gate of your own, such as ``pdl1@tumour=fixed:3.6`` or ``cd8=otsu``; may be repeated.
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
    own_gates = tuple(parse_gate(text) for text in gate)
    replaced = {(g.marker, g.parent) for g in own_gates}
    chosen = dataclasses.replace(
        base,
        seed=base.seed if seed is None else seed,
        slide=dataclasses.replace(
            base.slide, **{k: v for k, v in options.items() if v is not None}
        ),
        gate=tuple(g for g in base.gate if (g.marker, g.parent) not in replaced) + own_gates,
        segment=segment,
        measure=measure,
        tissue=tissue,
        gating=gating,
        tumour=tumour,
        margin=margin,
        contact=contact,
        density=density,
        summary=summary,
    )
    inputs = Inputs(slide=slide, annotations=annotations, labels=labels, calls=calls, study=study)
    with show_progress(quiet=quiet) as progress:
        result = run_slide(inputs, out, chosen, csv=csv, overwrite=overwrite, progress=progress)
    if not quiet:
        print(headline_tables({result.name: result.tables}))
        for warning in result.warnings:
            print(f"warning: {warning}")
    return 0
