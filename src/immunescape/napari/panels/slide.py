"""The first panel: which channel shows what, and how the file is read."""

import dataclasses
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_error, show_warning
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMessageBox, QPushButton, QWidget

from immunescape.errors import ImmunescapeError, PanelError
from immunescape.napari.opening import ask, layers_of_lost_slide, layers_of_path, open_with
from immunescape.napari.panels._slide_face import Chooser, ReadForm
from immunescape.napari.panels._slide_table import PanelTable
from immunescape.napari.session import new_study
from immunescape.napari.showing import insert
from immunescape.napari.step_widget import StepWidget, tell_error
from immunescape.napari.text import WrappedText, listed
from immunescape.panel import Panel, match_panel, missing_costs, propose_panel, require_nuclear
from immunescape.pipeline.reopening import Reopened, reopen_study
from immunescape.pipeline.slide_panel import panel_of
from immunescape.study import SlideOptions, Study

__all__ = ["SlidePanel"]

_FILTER = "Slides (*.tif *.tiff *.qptiff *.btf);;All files (*)"
_WAITS = "Drop a slide or a result folder on the window, or open one here."


class SlidePanel(StepWidget):
    """Choose the slide, correct its panel, and say what the file does not."""

    key = "slide"
    title = "Slide and panel"
    hint = "Check what each channel shows; the numbers rest on it."

    def __init__(self, session: Any, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.chooser = Chooser()
        self.chooser.chosen.connect(self._choose)
        self.chooser.file_wanted.connect(self._open_file)
        self.chooser.folder_wanted.connect(self._open_folder)
        self.facts = WrappedText()
        self.doubts = WrappedText(name="doubts")
        self.table = PanelTable()
        self.table.edited.connect(self._edited)
        self.table.refused.connect(show_error)
        self.costs = WrappedText(name="costs")
        self.use_button = QPushButton("Use this panel")
        self.use_button.setToolTip("Settle the panel as the table shows it.")
        self.use_button.clicked.connect(self.use_panel)
        self.form = ReadForm()
        self.form.pixel_size_set.connect(self._set_pixel_size)
        self.form.file_size_wanted.connect(lambda: self._reopen(pixel_size_um=None))
        self.form.site_set.connect(self._set_site)
        self.form.folder_wanted.connect(self._choose_out)
        self.find_button = QPushButton("Find its slide …")
        self.find_button.setToolTip("Choose the slide that the result was made from.")
        self.find_button.clicked.connect(self._find)
        self.of_slide = (
            self.facts, self.doubts, self.table, self.costs, self.use_button, self.form,
            self._make_study_row(),
        )  # fmt: skip
        for part in (self.chooser, self.find_button, *self.of_slide):
            self.body.addWidget(part)
        if session.arrivals is not None:
            session.arrivals.changed.connect(self._refresh)
        self._refresh()

    def _make_study_row(self) -> QWidget:
        buttons = QWidget()
        row = QHBoxLayout(buttons)
        row.setContentsMargins(0, 0, 0, 0)
        for text, tip, act in (
            ("New study", "Begin again with the usual settings.", self._new_study),
            ("Load study …", "Take settings, panel and gates from a study.toml.", self._load_study),
        ):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(act)
            row.addWidget(button)
        return buttons

    # What the session shows

    def needs(self) -> str:
        """Return nothing: a slide can always be opened here."""
        return ""

    def refresh(self) -> None:
        """Show the slide on the workbench."""
        self._list_slides()
        slide, panel = self.session.slide, self.session.panel
        for part in self.of_slide:
            part.setVisible(slide is not None)
        arrivals = self.session.arrivals
        lost = arrivals.without_slide() if arrivals is not None else []
        self.find_button.setVisible(bool(lost))
        self.find_button.setText(f"Find the slide of {lost[0].name} …" if lost else "")
        if slide is None or panel is None:
            self.waiting.setText(_WAITS)
            self.waiting.show()
            return
        height, width = slide.shape
        levels = len(slide.arrays)
        self.facts.setText(
            f"{slide.format}, {width} x {height} px, {slide.dtype}, "
            + ("no pyramid" if levels == 1 else f"{levels} levels")
        )
        given = self.session.study.slide.pixel_size_um is not None
        self.form.show_pixel_size(slide.pixel_size_um, given)
        self.form.show_out(self.session.out)
        self.follow_study()

    def follow_study(self) -> None:
        """Show the panel, the site and what is missing."""
        if self.session.slide is not None:
            self.form.show_site(self.session.study.slide.site)
            self._show_panel()

    def _show_panel(self) -> None:
        slide, panel = self.session.slide, self.session.panel
        assert slide is not None and panel is not None
        self.table.show_panel(slide.channels, panel)
        notes = list(slide.warnings)
        undecided = False
        if not self.session.study.panel:
            nuclear = self.session.study.slide.nuclear
            match = propose_panel(slide.channels, nuclear=nuclear, slide_name=slide.name)
            notes += match.warnings[: len(match.warnings) - len(panel.missing)]
            try:
                match_panel(slide.channels, nuclear=nuclear, slide_name=slide.name)
            except PanelError:
                undecided = True
        try:
            require_nuclear(panel, slide.name)
        except PanelError as error:
            notes.append(str(error))
        self.use_button.setVisible(undecided)
        self.doubts.setText(listed("⚠", notes))
        self.doubts.setVisible(bool(notes))
        costs = missing_costs(panel, slide.name)
        complete = "All four markers of the question have a channel."
        self.costs.setText(listed("⚠", costs) or complete)

    def _list_slides(self) -> None:
        arrivals = self.session.arrivals
        if arrivals is not None:
            now = arrivals.current
            at = arrivals.slides.index(now) if now is not None and now in arrivals.slides else -1
            self.chooser.show_slides([a.slide.name for a in arrivals.slides], at)

    # What a person does

    def _choose(self, index: int) -> None:
        arrivals = self.session.arrivals
        if arrivals is not None and arrivals.slides[index] is not arrivals.current:
            arrivals.choose(arrivals.slides[index])

    def _open_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a slide", "", _FILTER)
        if path:
            self.open_path(Path(path))

    def _open_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open a result folder or an OME-Zarr")
        if path:
            self.open_path(Path(path))

    def _find(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, self.find_button.text(), "", _FILTER)
        if path:
            self.find_slide(Path(path))

    def find_slide(self, path: Path) -> None:
        """Open the slide of a result that was opened without it."""
        arrivals = self.session.arrivals
        lost = arrivals.without_slide() if arrivals is not None else []
        if lost:
            self.start(
                layers_of_lost_slide, lost[0], path, tells=False,
                done=lambda layers: insert(self.session.viewer, layers),
            )  # fmt: skip

    def open_path(self, path: Path, options: SlideOptions | None = None) -> None:
        """Open a slide or a result folder; what the file leaves open is asked.

        Parameters
        ----------
        path
            The file or folder.
        options
            How to read it.
        """
        options = options or SlideOptions()

        def failed(error: Exception) -> None:
            given = ask(error, options, self)
            if given is not None:
                self.open_path(path, given)
            else:
                tell_error(error)

        self.start(
            layers_of_path, path, options, tells=False, failed=failed,
            done=lambda layers: insert(self.session.viewer, layers),
        )  # fmt: skip

    def _edited(self, stains: Any) -> None:
        try:
            Panel(stains)
        except PanelError as error:
            show_error(str(error))
            return
        self._settle(stains)

    def use_panel(self) -> None:
        """Settle the panel that was proposed."""
        assert self.session.panel is not None
        self._settle(self.session.panel.stains)

    def _settle(self, stains: Any) -> None:
        study = self.session.study
        options = dataclasses.replace(study.slide, nuclear=())
        self.session.set_study(dataclasses.replace(study, panel=stains, slide=options))

    def _set_pixel_size(self, value: float) -> None:
        slide = self.session.slide
        if slide is not None and abs(value - slide.pixel_size_um) > 1e-9:
            self._reopen(pixel_size_um=value)

    def _reopen(self, **changes: Any) -> None:
        study = self.session.study
        options = dataclasses.replace(study.slide, **changes)
        self._go_on(dataclasses.replace(study, slide=options))

    def _go_on(self, study: Study) -> None:
        """Take over a study; where it reads the file otherwise, the slide is opened again."""
        slide, arrivals = self.session.slide, self.session.arrivals
        assert slide is not None
        if arrivals is None or _reading(study) == _reading(self.session.study):
            if self._fits(slide, study):
                self.session.set_study(study)
            return

        def done(opened: Any) -> None:
            if opened.shape != slide.shape or len(opened.channels) != len(slide.channels):
                show_warning(
                    f"{slide.name}: the study reads another scene; open the file again to choose it"
                )
                return
            if self._fits(opened, study):
                arrivals.replace(opened, study)

        def failed(error: Exception) -> None:
            tell_error(error)
            self._refresh()

        self.start(open_with, self.session.path, study.slide, tells=False, done=done, failed=failed)

    def _fits(self, slide: Any, study: Study) -> bool:
        if not study.panel:
            return True
        try:
            panel_of(slide, study)
        except ImmunescapeError as error:
            show_error(str(error))
            self._refresh()
            return False
        return True

    def _set_site(self, site: str) -> None:
        study = self.session.study
        options = dataclasses.replace(study.slide, site=site)
        self.session.set_study(dataclasses.replace(study, slide=options))

    def _choose_out(self) -> None:
        folder = QFileDialog.getExistingDirectory(
            self, "Folder for the results", str(self.session.out.parent)
        )
        if folder:
            self.session.set_out(Path(folder))

    def _new_study(self) -> None:
        options = SlideOptions(
            pixel_size_um=self.session.study.slide.pixel_size_um,
            channel_names=self.session.study.slide.channel_names,
            scene=self.session.study.slide.scene,
        )
        fresh = dataclasses.replace(new_study(), slide=options)
        if fresh == self.session.study:
            return
        sure = QMessageBox.question(
            self, "New study", "Put back panel, gates and all settings to the usual ones? What "
            "was drawn and corrected stays.",
        )  # fmt: skip
        if sure == QMessageBox.StandardButton.Yes:
            self.session.set_study(fresh)

    def _load_study(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load a study", "", "Studies (*.toml)")
        if path:
            self.load_study(Path(path))

    def load_study(self, path: Path) -> None:
        """Take settings, panel and gates from a study file.

        Parameters
        ----------
        path
            The study; files that it names for this slide are used where they are found.
        """

        def done(again: Reopened) -> None:
            for text in again.missing:
                show_warning(text)
            if again.files:
                self.session.set_files(**again.files)
            self._go_on(again.study)

        self.start(reopen_study, path, self.session.path, tells=False, done=done)


def _reading(study: Study) -> tuple[Any, ...]:
    """Return what decides how a slide file is read."""
    options = study.slide
    return options.pixel_size_um, options.channel_names, options.scene
