"""Flags of the commands that analyse slides: all that decides the numbers, declared once."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from immunescape.margin import MarginParams, TissueParams, TumourParams
from immunescape.measure import MeasureParams
from immunescape.phenotype import GateFile, GateParams, GateSpec, load_gates, parse_gate
from immunescape.pipeline import parse_sweep
from immunescape.quality import CorrectionParams, QualityParams, SegmentationQualityParams
from immunescape.segment import SegmentParams
from immunescape.spatial import ContactParams, DensityParams, SensitivityParams, SummaryParams
from immunescape.study import STEPS, Study, read_study

if TYPE_CHECKING:
    from immunescape.pipeline.sweep import Sweep

__all__ = ["Chosen", "StudyFlags"]

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

_Several = Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)]


@dataclass(frozen=True)
class Chosen:
    """What the flags come to.

    Parameters
    ----------
    study
        Everything that decides the numbers.
    sweeps
        Parameters to vary.
    notes
        What was noticed while the files were read.
    """

    study: Study
    sweeps: "tuple[Sweep, ...]"
    notes: tuple[str, ...]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class StudyFlags:
    """What decides the numbers, as flags.

    Parameters
    ----------
    study
        Study file with panel, gates and parameters; flags given here go before it.
    gate
        A gate of your own, such as ``pdl1@tumour=fixed:3.6`` or ``cd8=otsu``; may be repeated.
    gates
        Table of gates, such as the ``gates.csv`` of a result after a person looked at it: its
        thresholds are used as they stand. Those of ``--gate`` go before them.
    reviewed_by
        Who looked at annotations and gates; stands beside every number.
    sweep
        A parameter and its values, such as ``margin.width_um=40,100,360,500`` or
        ``pdl1@tumour=2,3.6,5``: the summaries go to ``sweep.csv``; may be repeated.
    seed
        Seed of everything that involves chance [default: 0].
    """

    study: Path | None = None
    pixel_size_um: PixelSize = None
    channel_names: ChannelNames = None
    scene: Scene = None
    nuclear: Nuclear = None
    site: Site = None
    labels_are: LabelsAre = None
    gate: _Several = ()
    gates: Path | None = None
    reviewed_by: str | None = None
    sweep: _Several = ()
    seed: int | None = None
    correction: Annotated[CorrectionParams, Parameter(group=_CORRECTION)] = field(
        default_factory=CorrectionParams
    )
    segment: Annotated[SegmentParams, Parameter(group=_SEGMENT)] = field(
        default_factory=SegmentParams
    )
    measure: Annotated[MeasureParams, Parameter(group=_MEASURE)] = field(
        default_factory=MeasureParams
    )
    tissue: Annotated[TissueParams, Parameter(group=_TISSUE)] = field(default_factory=TissueParams)
    quality: Annotated[QualityParams, Parameter(group=_QUALITY)] = field(
        default_factory=QualityParams
    )
    segmentation_quality: Annotated[
        SegmentationQualityParams, Parameter(group=_SEGMENTATION_QUALITY)
    ] = field(default_factory=SegmentationQualityParams)
    gating: Annotated[GateParams, Parameter(group=_GATING)] = field(default_factory=GateParams)
    tumour: Annotated[TumourParams, Parameter(group=_TUMOUR)] = field(default_factory=TumourParams)
    margin: Annotated[MarginParams, Parameter(group=_MARGIN)] = field(default_factory=MarginParams)
    contact: Annotated[ContactParams, Parameter(group=_CONTACT)] = field(
        default_factory=ContactParams
    )
    density: Annotated[DensityParams, Parameter(group=_DENSITY)] = field(
        default_factory=DensityParams
    )
    summary: Annotated[SummaryParams, Parameter(group=_SUMMARY)] = field(
        default_factory=SummaryParams
    )
    sensitivity: Annotated[SensitivityParams, Parameter(group=_SENSITIVITY)] = field(
        default_factory=SensitivityParams
    )

    def chosen(self) -> Chosen:
        """Read the files that the flags name and return the study that they come to.

        Raises
        ------
        StudyError
            Naming the file or the flag, and the remedy.
        """
        base = read_study(self.study) if self.study else Study()
        options: dict[str, Any] = {
            "pixel_size_um": self.pixel_size_um,
            "channel_names": split_names(self.channel_names),
            "scene": self.scene,
            "nuclear": split_names(self.nuclear),
            "site": self.site,
            "labels_are": self.labels_are,
        }
        from_file = load_gates(self.gates) if self.gates else GateFile(())
        own_gates = _merged(from_file.specs, tuple(parse_gate(text) for text in self.gate))
        study = dataclasses.replace(
            base,
            seed=base.seed if self.seed is None else self.seed,
            slide=dataclasses.replace(
                base.slide, **{k: v for k, v in options.items() if v is not None}
            ),
            reviewed_by=base.reviewed_by if self.reviewed_by is None else self.reviewed_by,
            gate=_merged(base.gate, own_gates),
            **{step: getattr(self, step) for step in STEPS},
        )
        sweeps = tuple(parse_sweep(text, study) for text in self.sweep)
        return Chosen(study, sweeps, from_file.notes)


def _merged(base: tuple[GateSpec, ...], own: tuple[GateSpec, ...]) -> tuple[GateSpec, ...]:
    """Return gates of two sources; those of the second go before.

    A gate of the second for all cells of a marker replaces those of the first for some of them.
    """
    replaced = {(g.marker, g.parent) for g in own}
    whole = {g.marker for g in own if g.parent == "all"}
    kept = (g for g in base if g.marker not in whole and (g.marker, g.parent) not in replaced)
    return (*kept, *own)
