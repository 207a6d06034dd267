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
)
from immunescape.io import fingerprint, open_slide
from immunescape.io.edits import Edits
from immunescape.io.geojson import read_annotations
from immunescape.io.labels import ImportedLabels, read_imported_labels
from immunescape.io.output import check_folder_name
from immunescape.io.slides import named_path
from immunescape.panel import Panel, require_nuclear
from immunescape.pipeline.control import ControlSlide, read_control
from immunescape.pipeline.given import GivenEdits, find_edits
from immunescape.pipeline.named_files import places, with_named_by_study
from immunescape.pipeline.slide_panel import panel_of, read_in_cells
from immunescape.quality import PROPOSED
from immunescape.regions import Regions
from immunescape.slide import Slide
from immunescape.study import Input, Study

__all__ = ["Inputs", "Opened", "open_inputs"]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The files of one run.

    Parameters
    ----------
    slide
        The slide file, or the folder of an OME-Zarr or of tiles; given as ``.`` or ``..`` it is
        called by its name.
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
    name
        Name of the result's folder, where it is not the slide's.
    """

    slide: Path
    annotations: Path | None = None
    labels: tuple[Path, ...] = ()
    calls: Path | None = None
    edits: Path | None = None
    control: Path | None = None
    study: Path | None = None
    name: str = ""

    def __post_init__(self) -> None:
        """Find the name of the slide, by which studies and messages know it."""
        object.__setattr__(self, "slide", named_path(self.slide))


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
    inputs, warnings, named_edits = with_named_by_study(inputs, study, slide_file)
    given, edits_warnings = find_edits(
        inputs.edits, named_edits, folder, places(inputs), slide_file.sha256
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
        panel, without_nuclei = read_in_cells(panel)
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
