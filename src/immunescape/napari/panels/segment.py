"""The third panel: find nuclei and cells, first in the visible field, then on the slide."""

import dataclasses
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QWidget,
)
from superqt import QCollapsible

from immunescape.errors import ImmunescapeError
from immunescape.napari.panels._segment_model import ModelBox, takes_diameter
from immunescape.napari.panels._segment_preview import (
    PreviewMaker,
    preview_text,
    remove_preview,
    show_preview,
    visible_block,
)
from immunescape.napari.panels._segment_quality import QualityView
from immunescape.napari.session import finish
from immunescape.napari.step_widget import StepWidget, tell_error
from immunescape.napari.text import WrappedText
from immunescape.napari.work import Work
from immunescape.params import help_texts
from immunescape.study import SlideOptions

__all__ = ["SegmentPanel"]

_MAIN = ("min_area_um2", "cellprob_threshold", "grow_um")
_FOLDED = ("flow_threshold", "tile_px", "device", "precision")

STEP_WORDS = {
    "network": "loading the network",
    "levels": "reading black and white",
    "flows": "looking for nuclei",
    "nuclei": "outlining nuclei",
    "write nuclei": "writing nuclei",
    "grow": "growing cells",
    "import labels": "reading labels",
    "background": "background",
    "measure": "measuring cells",
    "tissue": "finding tissue",
    "quality": "looking for folds and blur",
    "contacts": "finding contacts",
    "segmentation quality": "judging the nuclei",
    "load": "reading the result",
}
"""What the steps of a run are called on the screen."""


class SegmentPanel(StepWidget):
    """Choose a network, look at what it finds here, then let it find all cells."""

    key = "segment"
    title = "Segment and measure"
    hint = "Look at a preview where cells are crowded, then run the slide."

    def __init__(self, session: Any, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.maker = PreviewMaker()
        self.warming: Work | None = None
        self._make_labels()
        self._make_forms()
        self._make_preview()
        self.run_button = QPushButton("Segment and measure")
        self.run_button.setStyleSheet("font-weight: bold")
        self.run_button.setToolTip(
            "Find and measure all cells, call them, and write the result; what an earlier run "
            "left unchanged is taken over."
        )
        self.run_button.clicked.connect(self.run)
        self.body.addWidget(_line())
        self.body.addWidget(self.run_button)
        self.quality = QualityView(session)
        self.body.addWidget(self.quality)
        self._refresh()

    # Parts

    def _make_labels(self) -> None:
        self.source = QComboBox()
        self.source.addItem("found by a network", "network")
        self.source.addItem("from label images …", "labels")
        self.source.setToolTip(
            "Let a network find the nuclei, or take masks that were made elsewhere: one label "
            "image, or two for nuclei and cells."
        )
        self.source.activated.connect(self._choose_source)
        self.labels_are = QComboBox()
        self.labels_are.addItems(["cells", "nuclei"])
        self.labels_are.setToolTip(help_texts(SlideOptions)["labels_are"])
        self.labels_are.activated.connect(self._set_labels_are)
        self.labels_text = WrappedText()
        form = QFormLayout()
        form.addRow("Nuclei", self.source)
        form.addRow("They show", self.labels_are)
        self.source_form = form
        self.body.addLayout(form)
        self.body.addWidget(self.labels_text)

    def _make_forms(self) -> None:
        self.model = ModelBox(self.session)
        form = QFormLayout()
        form.addRow("Network", self.model)
        self.model_form = form
        self.body.addLayout(form)
        self.diameter_form = self.add_form("segment", ("diameter_um",))
        self.main_form = self.add_form("segment", _MAIN)
        self.more = QCollapsible("More settings")
        self.more.setDuration(0)
        self.folded_form = self.add_form("segment", _FOLDED)
        self.more.addWidget(self.folded_form.native)
        self.body.addWidget(self.more)

    def _make_preview(self) -> None:
        row = QHBoxLayout()
        self.preview_button = QPushButton("Preview visible field")
        self.preview_button.setToolTip(
            "Find the nuclei of what the window shows, as the run will find them; of a large "
            "field the middle."
        )
        self.preview_button.clicked.connect(self.preview)
        self.clear_button = QPushButton("Clear")
        self.clear_button.setToolTip("Take the preview out of the window.")
        self.clear_button.clicked.connect(self._clear)
        row.addWidget(self.preview_button, 1)
        row.addWidget(self.clear_button)
        self.body.addLayout(row)
        self.preview_text = WrappedText()
        self.body.addWidget(self.preview_text)

    # What the session shows

    def refresh(self) -> None:
        """Follow slide and result."""
        self.follow_study()
        self.quality.show_result()
        made = self.session.finished is not None
        self.run_button.setText("Segment and measure again" if made else "Segment and measure")

    def follow_study(self) -> None:
        """Follow the network and where the nuclei come from."""
        self.model.show_model()
        files = self.session.own_files().get("labels", ())
        imported = bool(files)
        self.source.setCurrentIndex(int(imported))
        self.labels_are.setCurrentText(self.session.study.slide.labels_are)
        self.source_form.setRowVisible(1, len(files) == 1)
        self.labels_text.setText("Labels: " + ", ".join(path.name for path in files))
        self.labels_text.setVisible(imported)
        self.model_form.setRowVisible(0, not imported)
        model = self.session.study.segment.model
        self.diameter_form.native.setVisible(not imported and takes_diameter(model))
        for name in ("min_area_um2", "cellprob_threshold"):
            self.main_form[name].visible = not imported
        self.more.setVisible(not imported)
        for part in (self.preview_button, self.clear_button):
            part.setVisible(not imported)

    def showEvent(self, event: Any) -> None:
        """Load the shipped network meanwhile, so that the first preview need not wait for it."""
        super().showEvent(event)
        params = self.session.study.segment
        if self.warming is None and self.session.slide is not None and params.model == "compact":
            self.warming = Work(self.maker.warm_up, params, tells=False)
            self.warming.title = "loading the network"
            self.warming.start()

    def close_work(self, seconds: float = 60.0) -> None:
        """Stop the work and wait for its end, before the window goes."""
        super().close_work(seconds)
        if self.warming is not None:
            self.warming.wait(seconds)

    # What a person does

    def preview(self) -> None:
        """Find the nuclei of the visible field."""
        try:
            slide, channels, block = visible_block(self.session)
        except ImmunescapeError as error:
            tell_error(error)
            return

        def done(found: Any) -> None:
            if self.session.slide is slide:
                show_preview(self.session, slide, found)
                self.preview_text.setText(preview_text(slide, found, self.maker.seconds))

        params = self.session.study.segment
        self.start(self.maker, slide, channels, block, params, done=done)

    def run(self) -> None:
        """Segment the slide, measure and call its cells, and write the result."""

        def done(finished: Any) -> None:
            self._clear()
            self.session.set_finished(finished)

        session = self.session
        self.start(finish, session.inputs, session.out, session.study, done=done)

    def _clear(self) -> None:
        remove_preview(self.session.viewer)
        self.preview_text.setText("")

    def _choose_source(self, index: int) -> None:
        if self.source.itemData(index) == "network":
            self.import_labels(())
            return
        names, _ = QFileDialog.getOpenFileNames(
            self, "One label image, or nuclei and cells", "", "Label images (*.tif *.tiff);;All (*)"
        )
        self.import_labels(_nuclei_first(tuple(Path(name) for name in names)))

    def import_labels(self, files: tuple[Path, ...]) -> None:
        """Take masks that were made elsewhere; none lets a network find the nuclei."""
        if self.session.slide is not None:
            self.session.set_files(labels=files)
        self.follow_study()

    def _set_labels_are(self) -> None:
        study = self.session.study
        options = dataclasses.replace(study.slide, labels_are=self.labels_are.currentText())
        self.session.set_study(dataclasses.replace(study, slide=options))

    def _tell(self, step: str, done: int, total: int) -> None:
        super()._tell(STEP_WORDS.get(step, step), done, total)


def _nuclei_first(files: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return two label images in the order in which they are read, whichever was chosen first."""
    return tuple(sorted(files, key=lambda path: "nucle" not in path.name.casefold()))


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    return line
