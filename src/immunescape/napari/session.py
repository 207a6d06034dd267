"""What the panels share: one slide on the workbench, its files, its study and its result."""

import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from immunescape.errors import OutputError
from immunescape.io.output import atomic_path, check_folder_name, writing
from immunescape.napari.command import command_of
from immunescape.napari.history import History
from immunescape.napari.kept import read_settings
from immunescape.napari.preferences import read_preferences
from immunescape.napari.remedies import for_window
from immunescape.napari.showing import prepare_result
from immunescape.panel import propose_panel
from immunescape.pipeline import Inputs
from immunescape.pipeline.finished import Finished, load_finished
from immunescape.pipeline.job import open_job
from immunescape.pipeline.run import run_slide
from immunescape.regions import Regions
from immunescape.study import Study, write_study

if TYPE_CHECKING:
    from immunescape.blocks import Progress
    from immunescape.napari.arrival import Arrivals
    from immunescape.napari.autosave import Autosave
    from immunescape.panel import Panel
    from immunescape.slide import Slide

__all__ = ["Session", "default_out", "finish", "new_study"]


class Session:
    """One slide on the workbench. Nothing here is global: each window has its own.

    What a person draws, corrects and sets lies in ``OUT/<slide name>.session/``, which the
    command line takes as it is; results lie in ``OUT/<slide name>/``.

    Parameters
    ----------
    viewer
        The napari viewer whose layers are shown.
    out
        Folder for the results; chosen beside the slide where absent.
    """

    slide_changed = Signal()
    """Another slide, or the same with another pixel size or another folder for its results."""
    study_changed = Signal(object)
    """The new ``Study``."""
    annotations_changed = Signal()
    """Something was drawn, accepted or removed."""
    edits_changed = Signal()
    """A correction was made or taken back."""
    finished_changed = Signal()
    """A result was loaded or made, or the one shown is gone."""
    saving = Signal()
    """The session's files are about to be read: whoever holds something unsaved writes it now."""
    message = Signal(str)
    """One line for the foot of the workbench."""

    def __init__(self, viewer: Any, out: Path | None = None) -> None:
        self.viewer = viewer
        self.slide: Slide | None = None
        self.panel: Panel | None = None
        self.study = Study()
        self.finished: Finished | None = None
        self.drawing: History[Regions] = History(Regions())  # what is drawn, in µm, with undo
        self.drawing.changed.connect(lambda _: self.annotations_changed.emit())
        self.origin_um = (0.0, 0.0)  # where x and y of the slide's origin lie in the viewer
        self.arrivals: Arrivals | None = None  # the slides of the viewer, to choose from
        self.autosave: Autosave | None = None  # writes what is drawn and set
        self._inputs: Inputs | None = None
        self._out = self._usual_out = out

    @property
    def path(self) -> Path:
        """File of the slide."""
        assert self._inputs is not None
        return self._inputs.slide

    @property
    def out(self) -> Path:
        """Folder that holds one folder a slide."""
        return self._out or default_out(self.path)

    def set_out(self, out: Path) -> None:
        """Put results elsewhere; what was drawn moves along."""
        self.saving.emit()
        before = self.kept if self.slide is not None else None
        self._out = out
        if before is not None and before.is_dir() and before != self.kept:
            self.kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(before, self.kept, dirs_exist_ok=True)
        if self.slide is not None:
            self.finished = None
            self.slide_changed.emit()

    @property
    def folder(self) -> Path:
        """Folder of the result."""
        assert self.slide is not None
        named = self._inputs.name if self._inputs is not None else ""
        return self.out / check_folder_name(named or self.slide.name)

    @property
    def kept(self) -> Path:
        """Folder of what a person drew, corrected and set."""
        return self.folder.with_name(f"{self.folder.name}.session")

    @property
    def annotations_path(self) -> Path:
        """GeoJSON of what was drawn, in pixels of the slide, as QuPath reads and writes it."""
        return self.kept / "annotations.geojson"

    @property
    def edits_path(self) -> Path:
        """Table of corrections."""
        return self.kept / "edits.csv"

    @property
    def study_path(self) -> Path:
        """The study as it was last saved."""
        return self.kept / "study.toml"

    def open(
        self,
        slide: "Slide",
        path: Path,
        *,
        study: Study | None = None,
        out: Path | None = None,
        origin_um: tuple[float, float] = (0.0, 0.0),
        **files: Any,
    ) -> None:
        """Take up a slide that was opened.

        Parameters
        ----------
        slide
            The slide, lazily.
        path
            Its file.
        study
            Its study; the one that was saved for it where absent, else a new one, which runs as
            the preferences say.
        out
            Folder for its results; where absent, the session's, else one beside the slide.
        origin_um
            Where x and y of the slide's origin are shown in the viewer.
        **files
            Further fields of ``Inputs``, such as ``calls`` or ``labels``.
        """
        self.slide = slide
        self._inputs = Inputs(slide=path, **files)
        self._out = out if out is not None else self._usual_out
        self.origin_um = origin_um
        self.finished = None
        if study is None:
            study = read_settings(self) or new_study()
        self.study = dataclasses.replace(study, input=())
        self.panel = self.study_panel()
        self.slide_changed.emit()
        self.study_changed.emit(self.study)

    def close(self) -> None:
        """Put the slide away; nothing is on the workbench then."""
        self.slide = self.panel = self.finished = self._inputs = None
        self.study = Study()
        self.slide_changed.emit()
        self.study_changed.emit(self.study)

    def replace_slide(self, slide: "Slide", study: Study) -> None:
        """Go on with the same slide opened as a study says, such as with another pixel size."""
        self.slide, self.study = slide, study
        self.finished = None
        self.panel = self.study_panel()
        self.slide_changed.emit()
        self.study_changed.emit(study)

    def own_files(self) -> dict[str, Any]:
        """Return the fields of ``Inputs`` that were given, beside the slide."""
        if self._inputs is None:
            return {}
        named = {f.name: getattr(self._inputs, f.name) for f in dataclasses.fields(self._inputs)}
        return {name: value for name, value in named.items() if name != "slide" and value}

    def set_files(self, **files: Any) -> None:
        """Replace fields of ``Inputs``, such as ``labels``; the slide stays."""
        assert self._inputs is not None
        self._inputs = dataclasses.replace(self._inputs, **files)

    def study_panel(self) -> "Panel":
        """Return the panel: that of the study, or what the channel names propose."""
        from immunescape.panel import Panel

        assert self.slide is not None
        if self.study.panel:
            return Panel(self.study.panel)
        nuclear = self.study.slide.nuclear
        return propose_panel(self.slide.channels, nuclear=nuclear, slide_name=self.slide.name).panel

    def set_study(self, study: Study) -> None:
        """Replace the study; the same study again is no change."""
        if study == self.study:
            return
        self.study = study
        if self.slide is not None:
            self.panel = self.study_panel()
        self.study_changed.emit(study)

    def set_step(self, step: str, params: Any) -> None:
        """Replace the parameters of one step, by the name of its table in the study."""
        self.set_study(dataclasses.replace(self.study, **{step: params}))

    @property
    def inputs(self) -> Inputs:
        """The files of a run: the slide, and what lies in the session's folder."""
        assert self._inputs is not None
        self.saving.emit()
        found: dict[str, Any] = {}
        if self.annotations_path.is_file():
            found["annotations"] = self.annotations_path
        if self.edits_path.is_file():
            found["edits"] = self.edits_path
        return dataclasses.replace(self._inputs, **found)

    def save_study(self) -> Path:
        """Write the study beside what was drawn; the command line repeats the numbers with it."""
        with writing(self.kept):
            self.kept.mkdir(parents=True, exist_ok=True)
            with atomic_path(self.study_path) as beside:
                write_study(beside, dataclasses.replace(self.study, input=()))
        self.message.emit(f"study saved in {self.kept.name}")
        return self.study_path

    def command(self) -> str:
        """Return the command line that repeats the numbers, to be run beside the slide."""
        return command_of(self.inputs, self.out, self.study_path)

    def set_finished(self, finished: Finished | None) -> None:
        """Show another result; that of a slide no longer on the workbench is passed over."""
        if finished is not None:
            made_of = finished.job.opened.slide.name, finished.job.inputs.slide
            if self.slide is None or made_of != (self.slide.name, self.path):
                return
        self.finished = finished
        self.finished_changed.emit()


def finish(
    inputs: Inputs, out: Path, study: Study, *, run: bool = True, progress: "Progress"
) -> Finished | None:
    """Run a slide and load what was made, or only load it; for another thread.

    Parameters
    ----------
    inputs, out, study
        As for `run_slide`.
    run
        Whether to run; otherwise an earlier result is loaded if it still fits, None if not.
    progress
        Called as the work goes on.
    """
    try:
        if run:
            run_slide(inputs, out, study, progress=progress)
        else:
            # corrections made since wait: the result stands with those it was made with
            inputs = dataclasses.replace(inputs, edits=None)
        progress("load", 0, 1)
        finished = load_finished(open_job(inputs, out, study))
    except OutputError as error:
        raise for_window(error) from error
    if finished is not None:
        prepare_result(finished)
    progress("load", 1, 1)
    return finished


def default_out(slide: Path) -> Path:
    """Return where results go by default: beside the slide.

    At home where that folder is read-only, or is the one in which the sample patient came.
    """
    import os

    from immunescape.cli.demo import sample_folder

    beside = slide.resolve().parent
    shipped = (beside / "samples.csv").is_file() and beside == sample_folder().resolve()
    if os.access(beside, os.W_OK) and not shipped:
        return beside / "immunescape-results"
    return Path.home() / "immunescape-results"


def new_study() -> Study:
    """Return the usual settings, on the device and in the tiles that a person prefers."""
    try:
        return read_preferences().applied(Study())
    except KeyError:  # napari knows nothing of this plugin, as where it runs from a checkout
        return Study()
