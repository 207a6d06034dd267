"""The first half: pixels in, labels and measurements out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import BlockMap, Plane, Progress, in_threads, silent
from immunescape.errors import LabelsError
from immunescape.io.labels import LabelStore
from immunescape.margin import GridMask, analysed_tissue, tissue_mask
from immunescape.measure import clear_gaps, labels_at_gaps, measure_cells, split_rims
from immunescape.panel import require_nuclear
from immunescape.pipeline.kept import PROPOSALS, RIMS, copy_plane, packed
from immunescape.pipeline.provenance import Recorder
from immunescape.quality import assess_quality, correct_slide, looks_mixed, stain_check
from immunescape.segment import grow_cells, segment_nuclei
from immunescape.segment.corrections import Corrected

if TYPE_CHECKING:
    import pandas as pd

    from immunescape.cells import CellTable
    from immunescape.io.labels import ImportedLabels
    from immunescape.panel import Panel
    from immunescape.regions import Regions
    from immunescape.slide import Imaged, Slide
    from immunescape.study import Study

__all__ = [
    "Labelled",
    "Measured",
    "label_slide",
    "measure_labelled",
    "measure_slide",
]


@dataclass(frozen=True, eq=False)
class Labelled:
    """The label images of one slide.

    Parameters
    ----------
    store
        Where they are kept; the tissue mask will join them.
    nuclei, cells
        ``(y, x)`` int32, 0 is background; nuclei are None where only cells were imported.
    origin
        How they came about: the model and its hash, or that they were imported.
    warnings
        What was noticed.
    corrected
        What became of corrections to them.
    """

    store: LabelStore
    nuclei: Plane | None
    cells: Plane
    origin: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    corrected: Corrected = field(default_factory=Corrected)


@dataclass(frozen=True, eq=False)
class Measured:
    """Labels and measurements of one slide: all that the analysis needs of the pixels.

    Parameters
    ----------
    name
        Name of the slide.
    shape
        Height and width in pixels.
    pixel_size_um
        Edge of a pixel in µm.
    panel
        The stains that were measured.
    cells
        Measurements of every cell.
    nuclei, cell_labels
        Label images; nuclei are None where only cells were imported.
    tissue
        Tissue mask on the working grid.
    rims
        Stain of the membrane by sector, a row a cell; None where it was not measured.
    proposals
        What pixels look unfit for measurement, by kind, on the working grid.
    exclude_proposed
        Whether the proposals are left out of the analysis.
    origin
        How the labels came about.
    correction
        What was taken from the pixels before they were measured.
    warnings
        What a reader of the numbers should know; those of the labels are among them.
    label_warnings
        What was noticed while cells were found.
    corrected
        What became of corrections to the labels.
    imaged
        Where the slide has pixels; None if everywhere.
    """

    name: str
    shape: tuple[int, int]
    pixel_size_um: float
    panel: "Panel"
    cells: "CellTable"
    nuclei: Plane | None
    cell_labels: Plane
    tissue: GridMask
    rims: "pd.DataFrame | None" = None
    proposals: Mapping[str, GridMask] = field(default_factory=dict)
    exclude_proposed: bool = False
    origin: Mapping[str, Any] = field(default_factory=dict)
    correction: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    label_warnings: tuple[str, ...] = ()
    corrected: Corrected = field(default_factory=Corrected)
    imaged: "Imaged | None" = None

    @property
    def grown(self) -> bool:
        """Whether the cells are nuclei that were grown."""
        return self.nuclei is not None and bool(self.origin.get("grown", False))

    @property
    def background_subtracted(self) -> bool:
        """Whether the stored value of no light was taken from the stains."""
        return bool(self.correction.get("background_subtracted", False))

    def counted_tissue(self) -> GridMask:
        """Return the tissue less the proposals, where these are left out."""
        if not (self.exclude_proposed and self.proposals):
            return self.tissue
        out = np.logical_or.reduce([mask.mask for mask in self.proposals.values()])
        return self.tissue.with_mask(self.tissue.mask & ~out)

    def in_excluded_proposals(self) -> npt.NDArray[np.bool_]:
        """Tell for each cell whether it lies in a proposal that is left out, ``(n,)``."""
        points = self.cells.points_um
        out = np.zeros(len(points), bool)
        if self.exclude_proposed:
            for mask in self.proposals.values():
                out |= mask.at(points)
        return out

    def analysed(self, annotations: "Regions") -> GridMask:
        """Return the tissue that counts, less what a person took out of the analysis."""
        return analysed_tissue(self.counted_tissue(), annotations)


def measure_slide(
    slide: "Slide",
    panel: "Panel",
    store: LabelStore | Path,
    study: "Study",
    *,
    labels: "ImportedLabels | None" = None,
    progress: Progress = silent,
) -> Measured:
    """Segment a slide, or take imported labels, and measure every cell.

    Parameters
    ----------
    slide
        The slide; its pixels are read block by block.
    panel
        Its stains; one of them must be nuclear unless labels are given.
    store
        Where the label images and the tissue mask are written: a store, or a folder to make.
    study
        Parameters of each step.
    labels
        Masks made elsewhere, in place of the segmentation.
    progress
        Called as the work goes on.

    Returns
    -------
    Measured
        What `analyse` needs. A slide without any nucleus gives a table without rows.

    Raises
    ------
    PanelError
        If no channel shows nuclei and no labels are given.
    LabelsError
        If imported labels hold no cell at all.
    """
    if isinstance(store, Path):
        store = LabelStore.create(store, slide.pixel_size_um)
    labelled = label_slide(slide, panel, store, study, labels=labels, progress=progress)
    return measure_labelled(slide, panel, labelled, study, progress=progress)


def label_slide(
    slide: "Slide",
    panel: "Panel",
    store: LabelStore,
    study: "Study",
    *,
    labels: "ImportedLabels | None" = None,
    progress: Progress = silent,
    recorder: Recorder | None = None,
    mapper: BlockMap = in_threads,
    scratch: Path | None = None,
) -> Labelled:
    """Find the cells of a slide, or take imported ones; see `measure_slide`.

    ``mapper`` works on the tiles, and what lies between is kept in ``scratch``; see
    `immunescape.segment.segment_nuclei`.
    """
    recorder = recorder or Recorder()
    warnings: tuple[str, ...] = ()
    nuclei: Any = None
    with recorder.step("segment"):
        if labels is None:
            nuclei = store.add("nuclei", slide.shape)
            channels = tuple(s.channel for s in require_nuclear(panel, slide.name))
            found = segment_nuclei(
                slide, channels, nuclei, study.segment, progress=progress, mapper=mapper,
                scratch=scratch,
            )  # fmt: skip
            warnings = found.warnings
            origin: dict[str, Any] = {
                "labels": "segmented",
                "model": found.model,
                "model_sha256": found.model_sha256,
                "device": found.device,
                "threads": found.threads,
                "precision": found.precision,
                "tile_borders": {"crossing": found.crossing, "suspects": found.suspects},
            }
        else:
            origin = {"labels": "imported"}
            if labels.nuclei is not None:
                nuclei = store.add("nuclei", slide.shape)
                copy_plane(labels.nuclei, nuclei, progress)
        if nuclei is not None:
            clear_gaps(nuclei, slide.imaged)
        cells = store.add("cells", slide.shape)
        if labels is not None and labels.cells is not None:
            copy_plane(labels.cells, cells, progress)
        else:
            grow_cells(
                nuclei, cells, slide.pixel_size_um, study.segment.grow_um, progress=progress,
                mapper=mapper,
            )  # fmt: skip
            origin["grown"] = True
        clear_gaps(cells, slide.imaged)
    with recorder.step("pyramid"):
        for name in ("cells",) if nuclei is None else ("nuclei", "cells"):
            store.finish(name, mapper)
    return Labelled(store, nuclei, cells, origin, warnings)


def measure_labelled(
    slide: "Slide",
    panel: "Panel",
    labelled: Labelled,
    study: "Study",
    *,
    progress: Progress = silent,
    recorder: Recorder | None = None,
    mapper: BlockMap = in_threads,
    scratch: Path | None = None,
) -> Measured:
    """Measure the cells that label images show, and find the tissue; see `label_slide`."""
    recorder = recorder or Recorder()
    with recorder.step("correct"):
        corrected = correct_slide(
            slide, panel, study.correction, progress=progress, mapper=mapper
        )  # fmt: skip
    with recorder.step("tissue"):
        tissue = tissue_mask(
            slide, labelled.cells, slide.pixel_size_um, study.tissue, progress=progress,
            mapper=mapper, scratch=scratch,
        )  # fmt: skip
        kept = labelled.store.add("tissue", tissue.mask.mask.shape, tissue.mask.grid_um)
        kept[...] = tissue.mask.mask.astype("int32")
        labelled.store.finish("tissue")
    with recorder.step("quality"):
        quality = assess_quality(
            slide, panel, tissue.mask.mask, tissue.mask.grid_um, labelled.cells, study.quality,
            progress=progress, mapper=mapper,
        )  # fmt: skip
        doubts = [str(pair) for pair in looks_mixed(slide, panel)]
        doubts += [str(check) for check in stain_check(slide, panel) if not check.stained]
        flags = labelled.store.add(PROPOSALS, tissue.mask.mask.shape, tissue.mask.grid_um)
        flags[...] = packed(quality.proposals, tissue.mask.mask.shape)
        labelled.store.finish(PROPOSALS)
    # last, for the tables of cells are large
    with recorder.step("measure"):
        cells = measure_cells(
            corrected.slide, labelled.nuclei, labelled.cells, panel, study.measure,
            progress=progress, mapper=mapper,
        )  # fmt: skip
        cells, rims = split_rims(cells)
        if slide.imaged is not None:
            cut = np.isin(cells.labels, labels_at_gaps(labelled.cells, slide.imaged))
            framed = cells["touches_frame"].to_numpy(bool)
            cells = cells.with_columns({"touches_frame": framed | cut})
        labelled.store.put_table(RIMS, rims.reset_index(), RIMS)
        imported = labelled.origin.get("labels") == "imported"
        if len(cells) == 0 and imported and not labelled.corrected.outcomes:
            raise LabelsError(
                f"the labels given for {slide.name} hold no cell; pass a label image in which "
                "each cell has its own positive number"
            )
    return Measured(
        name=slide.name,
        shape=slide.shape,
        pixel_size_um=slide.pixel_size_um,
        panel=panel,
        cells=cells,
        nuclei=labelled.nuclei,
        cell_labels=labelled.cells,
        tissue=tissue.mask,
        rims=rims,
        proposals={name: tissue.mask.with_mask(mask) for name, mask in quality.proposals.items()},
        exclude_proposed=study.quality.exclude,
        origin=labelled.origin,
        correction={
            "background_subtracted": study.correction.background != "none",
            "channels": {name: dict(values) for name, values in corrected.record.items()},
            "quality": {name: dict(values) for name, values in quality.record.items()},
        },
        warnings=(
            *labelled.warnings,
            *corrected.warnings,
            *tissue.warnings,
            *quality.warnings,
            *doubts,
        ),
        label_warnings=labelled.warnings,
        corrected=labelled.corrected,
        imaged=slide.imaged,
    )
