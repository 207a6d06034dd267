"""Choosing the network that finds nuclei."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from immunescape.params import help_texts
from immunescape.segment import CELLPOSE_MODELS, SegmentParams, usable_models

if TYPE_CHECKING:
    from immunescape.napari.session import Session

__all__ = ["ModelBox", "takes_diameter"]

_OWN = "Own weights …"
_FILTER = "Weights (*.safetensors *);;All files (*)"
_TELL = {
    True: "its weights are on this machine",
    False: "its weights are downloaded when it is first used",
}


def takes_diameter(model: str) -> bool:
    """Whether a network scales the picture by the diameter of a nucleus."""
    return model != "compact" and not model.endswith(".safetensors")


class ModelBox(QComboBox):
    """The networks that can be used here, and weights of one's own.

    Parameters
    ----------
    session
        The session, whose study has the model.
    """

    def __init__(self, session: "Session", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setToolTip(help_texts(SegmentParams)["model"])
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for name, here in usable_models().items():
            self.addItem(name if here else f"{name} (downloaded first)", name)
            self.setItemData(self.count() - 1, f"{name}: {_TELL[here]}", _TIP)
        self._known = self.count()
        self.addItem(_OWN, None)
        self.setItemData(self._known, "Weights that you trained, or that Cellpose 4 wrote.", _TIP)
        self.activated.connect(self._activated)
        self.show_model()

    def show_model(self) -> None:
        """Follow the study; a network that cannot be used here stands in the list all the same."""
        model = self.session.study.segment.model
        at = self.findData(model)
        if at < 0:
            while self.count() > self._known + 1:
                self.removeItem(self._known)
            note = "" if model not in CELLPOSE_MODELS else " (not on this machine)"
            self.insertItem(self._known, f"{Path(model).name}{note}", model)
            self.setItemData(self._known, model, _TIP)
            at = self._known
        self.setCurrentIndex(at)

    def _activated(self, index: int) -> None:
        model: Any = self.itemData(index)
        if model is None:
            model, _ = QFileDialog.getOpenFileName(self, "Weights of a network", "", _FILTER)
        if model:
            params = dataclasses.replace(self.session.study.segment, model=str(model))
            self.session.set_step("segment", params)
        self.show_model()


_TIP = Qt.ItemDataRole.ToolTipRole
