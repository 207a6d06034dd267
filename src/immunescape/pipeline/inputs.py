"""The files that go into one run: found, opened, checked and hashed before any work starts."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import shapely

from immunescape.errors import (
    AnnotationError,
    CallsError,
    ImmunescapeError,
    LabelsError,
    PanelError,
    StudyError,
)
from immunescape.io import fingerprint, open_slide
from immunescape.io.edits import Edits
from immunescape.io.geojson import read_annotations
from immunescape.io.labels import ImportedLabels, read_imported_labels
from immunescape.io.output import check_folder_name
from immunescape.panel import Panel, match_panel, require_nuclear
from immunescape.pipeline.control import ControlSlide, read_control
from immunescape.pipeline.given import GivenEdits, find_edits
from immunescape.quality import PROPOSED
from immunescape.regions import Regions
from immunescape.segment import CELLPOSE_MODELS
from immunescape.slide import Slide
from immunescape.study import Input, Study

__all__ = ["Inputs", "Opened", "open_inputs", "panel_of", "with_model_found"]


_LENT = ("annotations", "labels", "calls", "edits", "control")


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The files of one run.

    Parameters
    ----------
    slide
        The slide file or OME-Zarr folder.
    annotations
        GeoJSON with regions drawn by hand.
    labels
        One label image, or nuclei and cells.
    calls
        Table of imported calls.
    edits
        Corrections made by hand; those of the result folder where none are given.
    control
        Result folder of a control slide of the same stain run, or its ``gates.csv``.
    study
        The study file, if there is one: files that it names are looked for beside it too.
    """

    slide: Path
    annotations: Path | None = None
    labels: tuple[Path, ...] = ()
    calls: Path | None = None
    edits: Path | None = None
    control: Path | None = None
    study: Path | None = None


@dataclass(frozen=True, eq=False)
class Opened:
    """What was found in the inputs.

    Parameters
    ----------
    slide
        The slide, lazily.
    panel
        Its stains.
    annotations
        Regions drawn by hand, in µm; empty without a file.
    labels
        Masks made elsewhere, their numbers not yet checked; None without a file.
    calls
        Path of the imported calls; they are matched once the cells are known.
    control
        The control slide; None without one.
    files
        Name, size and hash of every file; the slide comes first.
    warnings
        What a user should know.
    given
        Corrections made by hand.
    """

    slide: Slide
    panel: Panel
    annotations: Regions
    labels: ImportedLabels | None
    calls: Path | None
    control: ControlSlide | None
    files: tuple[Input, ...]
    warnings: tuple[str, ...]
    given: GivenEdits = field(default_factory=GivenEdits)

    @property
    def edits(self) -> Edits:
        """Corrections made by hand."""
        return self.given.edits


def open_inputs(
    inputs: Inputs, study: Study, out: Path | None = None, name: str = ""
) -> Opened:  # fmt: skip
    """Open every input of a run, so that whatever is wrong is said before any work starts.

    Parameters
    ----------
    inputs, study
        The files, and how they are read.
    out
        Folder that holds one folder a slide; corrections may lie there.
    name
        Name of that folder, where it is not the slide's.

    Raises
    ------
    ImmunescapeError
        One line that names the file, the thing and the remedy.
    """
    options = study.slide
    slide = open_slide(
        inputs.slide,
        pixel_size_um=options.pixel_size_um,
        channel_names=options.channel_names or None,
        scene=options.scene,
    )
    slide_file = _hashed("slide", inputs.slide)
    folder = None if out is None else out / check_folder_name(name or slide.name)
    inputs, warnings, named_edits = _with_named_by_study(inputs, study, slide_file)
    given, edits_warnings = find_edits(
        inputs.edits, named_edits, folder, _places(inputs), slide_file.sha256
    )
    warnings += edits_warnings
    panel, panel_warnings = panel_of(slide, study)
    labels = None
    if inputs.labels:
        for path in inputs.labels:
            _must_exist(path, LabelsError, "--labels")
        if len(inputs.labels) > 2:
            raise LabelsError("--labels takes one label image, or two: nuclei and cells")
        first, *second = inputs.labels
        labels = read_imported_labels(
            (first, second[0]) if second else first,
            slide,
            are=options.labels_are,
            check_pixels=False,
        )
    else:
        require_nuclear(panel, slide.name)
    if labels is not None and labels.nuclei is None:
        panel, without_nuclei = _read_in_cells(panel)
        warnings += without_nuclei
    if inputs.calls is not None:
        _must_exist(inputs.calls, CallsError, "--calls")
    annotations = Regions()
    if inputs.annotations is not None:
        _must_exist(inputs.annotations, AnnotationError, "--annotations")
        annotations = read_annotations(
            inputs.annotations,
            pixel_size_um=slide.pixel_size_um,
            slide_name=slide.name,
            shape=slide.shape,
        )
        warnings += _unused(inputs.annotations, annotations)
        warnings += _off_slide(inputs.annotations, annotations, slide)
    control = None
    if inputs.control is not None:
        control = read_control(inputs.control, slide_file.sha256)
    roles = [("annotations", inputs.annotations)]
    roles += [("labels", path) for path in inputs.labels] + [("calls", inputs.calls)]
    files = tuple(_hashed(role, path) for role, path in roles if path is not None)
    if control is not None:
        files += (dataclasses.replace(_hashed("control", control.file), file=control.within),)
    files = (slide_file, *files, *given.file)
    for named in study.input:
        same = [f for f in files if f.role == named.role and f.file == named.file]
        if same and same[0].sha256 != named.sha256:
            warnings.append(f"{named.file} is not the file that the study was made with")
    return Opened(
        slide=slide,
        panel=panel,
        annotations=annotations,
        labels=labels,
        calls=inputs.calls,
        control=control,
        files=files,
        warnings=(*slide.warnings, *panel_warnings, *warnings),
        given=given,
    )


def with_model_found(inputs: Inputs, study: Study) -> Study:
    """Return the study with the path of its own weights, which may lie beside it or the slide."""
    name = study.segment.model
    if name in ("compact", *CELLPOSE_MODELS) or Path(name).expanduser().exists():
        return study
    for folder in _places(inputs):
        if (folder / name).is_file():
            segment = dataclasses.replace(study.segment, model=str(folder / name))
            return dataclasses.replace(study, segment=segment)
    return study  # loading it names what is wrong


def _places(inputs: Inputs) -> tuple[Path, ...]:
    # a control slide lies beside the folder of the result that names it
    beside_study = () if inputs.study is None else (inputs.study.parent, inputs.study.parent.parent)
    return (*beside_study, inputs.slide.parent, Path())


def _with_named_by_study(
    inputs: Inputs, study: Study, slide: Input
) -> tuple[Inputs, list[str], Input | None]:
    """Add the files that a study names for this slide and that the caller did not give.

    What it says of corrections comes apart: several files may be meant.

    A study made from another slide lends its settings, never that slide's annotations, labels or
    calls: they would lie on this one as if they had been drawn there.
    """
    made_from = [i for i in study.input if i.role == "slide"]
    if made_from and all(
        i.file != slide.file and i.sha256 != slide.sha256 for i in made_from
    ):  # fmt: skip
        given = {role: getattr(inputs, role) for role in _LENT}
        told = [
            f"the study was made from {made_from[0].file}: its {named.role} {named.file} are not "
            f"used for {slide.file}; pass --{named.role} if there are some for this slide"
            for named in study.input
            if named.role != "slide" and not given[named.role]
        ]
        return inputs, told, None

    def look(role: str) -> tuple[Path, ...]:
        found = []
        for named in (i for i in study.input if i.role == role):
            there = [f / named.file for f in _places(inputs) if (f / named.file).exists()]
            if not there:
                raise StudyError(
                    f"the study names {named.file} as {role}, which lies neither beside it nor "
                    f"beside the slide; pass --{role}"
                )
            # another file may have its name: a result writes regions too
            same = (p for p in there if fingerprint(p).sha256 == named.sha256)
            found.append(there[0] if len(there) == 1 else next(same, there[0]))
        return tuple(found)

    with_named = dataclasses.replace(
        inputs,
        annotations=inputs.annotations or next(iter(look("annotations")), None),
        calls=inputs.calls or next(iter(look("calls")), None),
        control=inputs.control or next(iter(look("control")), None),
        labels=inputs.labels or look("labels"),
    )
    return with_named, [], next((i for i in study.input if i.role == "edits"), None)


def panel_of(slide: Slide, study: Study) -> tuple[Panel, tuple[str, ...]]:
    """Return the study's panel where it has one, else what the channel names tell.

    Raises
    ------
    PanelError
        If the study's panel does not fit the slide, or channel names leave a decision.
    """
    if not study.panel:
        match = match_panel(slide.channels, nuclear=study.slide.nuclear, slide_name=slide.name)
        return match.panel, match.warnings
    absent = [s.channel for s in study.panel if s.channel not in slide.channels]
    if absent:
        raise PanelError(
            f"the study's panel names the channel {absent[0]!r}, but {slide.name} has "
            f"{', '.join(slide.channels)}; correct the panel or pass --channel-names"
        )
    stains = study.panel
    if study.slide.nuclear:
        known = [s.channel for s in stains]
        for name in study.slide.nuclear:
            if name not in known:
                raise PanelError(
                    f"--nuclear names {name!r}, which is not in the study's panel; "
                    f"it has {', '.join(known)}"
                )
        chosen = set(study.slide.nuclear)
        stains = tuple(
            dataclasses.replace(s, role="nuclear")
            if s.channel in chosen
            else dataclasses.replace(s, role="nuclear_unused")
            if s.role == "nuclear"
            else s
            for s in stains
        )
    panel = Panel(stains)
    named = {s.channel for s in stains}
    left = [c for c in slide.channels if c not in named]
    warnings = [f"the study's panel leaves out the channel {c!r}; it is not measured" for c in left]
    warnings += [
        f"no channel shows {m}; metrics that need it are not evaluable" for m in panel.missing
    ]
    return panel, tuple(warnings)


def _read_in_cells(panel: Panel) -> tuple[Panel, list[str]]:
    """Read nuclear markers over the whole cell where no nuclei are known."""
    moved = [s.marker for s in panel.markers if s.compartment == "nucleus"]
    stains = tuple(
        dataclasses.replace(s, compartment="cell") if s.marker in moved else s for s in panel.stains
    )
    warnings = [
        f"the labels show cells and no nuclei: {marker} is read over the whole cell"
        for marker in moved
    ]
    return Panel(stains), warnings


def _unused(path: Path, annotations: Regions) -> list[str]:
    lines = []
    for name, count in annotations.unknown.items():
        line = (
            f"{path.name}: {count} object(s) of class {name!r} mean nothing here and are not used"
        )
        if name.startswith(PROPOSED):
            line += (
                "; change the class to Ignore* to leave the place out, or pass --quality.exclude"
            )
        lines.append(line)
    return lines


def _off_slide(path: Path, annotations: Regions, slide: Slide) -> list[str]:
    """Tell which classes were drawn, and all of it beyond the frame: their numbers will be 0."""
    height, width = (n * slide.pixel_size_um for n in slide.shape)
    frame = shapely.box(0, 0, width, height)
    return [
        f"{path.name}: what is drawn as {role.replace('_', ' ')} lies wholly outside the slide"
        for role in annotations
        if not frame.intersects(annotations[role])
    ]


def _must_exist(path: Path, error: type[ImmunescapeError], flag: str) -> None:
    if not path.exists():
        raise error(f"{path.name} does not exist; pass an existing file with {flag}")


def _hashed(role: str, path: Path) -> Input:
    found = fingerprint(path)
    return Input(
        role=role,  # type: ignore[arg-type]
        file=path.name,
        size_bytes=found.size_bytes,
        sha256=found.sha256,
    )
