"""One cell after the other: the PD-L1-negative tumour cells that touch a CD8 T cell."""

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from immunescape.napari.panels._numbers_chosen import CHOSEN, LISTED, T_CELL
from immunescape.napari.view import go_to
from immunescape.report.grid import three_digits
from immunescape.report.picks import Pick, touching_labels
from immunescape.report.wording import region_title, unbroken

if TYPE_CHECKING:
    import numpy.typing as npt

    from immunescape.napari.panels._numbers_chosen import ChosenCells
    from immunescape.napari.session import Session
    from immunescape.report.picks import Picker

__all__ = ["ESCAPED", "CellSteps"]

ESCAPED = {"phenotype": "tumour", "pdl1": "negative", "touching": True}
"""The cells of the headline's numerator."""
_AROUND_UM = 35.0
_KEYS = {",": -1, ".": 1}


class CellSteps(QWidget):
    """Goes from cell to cell; the panel passes the keys ``.`` and ``,`` on.

    Parameters
    ----------
    session
        The slide on the workbench and its result.
    chosen
        Outlines in the viewer.
    """

    def __init__(
        self, session: "Session", chosen: "ChosenCells", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._chosen = session, chosen
        self.labels: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self.at = -1
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(3)
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.told.setMinimumHeight(3 * self.told.fontMetrics().lineSpacing() + 2)
        self.told.setAlignment(Qt.AlignmentFlag.AlignTop)
        row = QHBoxLayout()
        self.back_button = self._button(row, "◀ Previous  ( , )", -1)
        self.count = QLabel()
        self.count.setAlignment(Qt.AlignmentFlag.AlignCenter)
        row.addWidget(self.count, 1)
        self.next_button = self._button(row, "Next  ( . ) ▶", 1)
        box.addLayout(row)
        box.addWidget(self.told)

    def take_key(self, event: Any) -> bool:
        """Step where a key means it; tell whether it did."""
        held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        by = _KEYS.get(event.text())
        if by is None or held != Qt.KeyboardModifier.NoModifier or not len(self.labels):
            return False
        self.step(by)
        return True

    def _button(self, row: QHBoxLayout, text: str, by: int) -> QPushButton:
        button = QPushButton(text)
        way = "next" if by > 0 else "previous"
        key = next(k for k, step in _KEYS.items() if step == by)
        button.setToolTip(
            f"Go to the {way} PD-L1-negative tumour cell that touches a CD8 T cell; key {key}"
        )
        button.clicked.connect(lambda: self.step(by))
        row.addWidget(button)
        return button

    def show_cells(self, picker: "Picker | None", region: str) -> None:
        """Take up the cells of a result in a region; None has none."""
        self.at = -1
        if picker is None:
            self.labels = np.zeros(0, np.int64)
        else:
            self.labels = picker.in_order(Pick(region=region, **ESCAPED))  # type: ignore[arg-type]
        for button in (self.back_button, self.next_button):
            button.setEnabled(len(self.labels) > 0)
        n = len(self.labels)
        where = region_title(region)
        if picker is None:
            self.count.setText("")
            self.told.setText("The cells are being read …")
            return
        self.count.setText(f"{n} cells" if n != 1 else "1 cell")
        self.told.setText(
            f"PD-L1-negative tumour cells that touch a CD8 T cell, {where}: Next shows them one "
            "by one, each white, its CD8 T cells yellow."
            if n
            else f"No PD-L1-negative tumour cell touches a CD8 T cell, {where}."
        )

    def step(self, by: int) -> None:
        """Go forward or back, from the last to the first and round again."""
        finished = self._session.finished
        n = len(self.labels)
        if finished is None or n == 0:
            return
        self.at = (self.at + by) % n if self.at >= 0 else (0 if by > 0 else n - 1)
        label = int(self.labels[self.at])
        cell: Any = finished.cells.frame.loc[label]
        beside = touching_labels(finished.touching.contacts, label)
        phenotypes = finished.cells.frame["phenotype"].reindex(beside)
        t_cells = beside[(phenotypes == "cd8_t").to_numpy(bool)]
        self._chosen.bare()
        self._chosen.show({LISTED: self.labels, T_CELL: t_cells, CHOSEN: [label]})
        x, y = (float(cell[c]) for c in ("x_um", "y_um"))
        around = (x - _AROUND_UM, y - _AROUND_UM, x + _AROUND_UM, y + _AROUND_UM)
        go_to(self._session.viewer, around, self._session.origin_um)
        self.count.setText(f"<b>{self.at + 1}</b> of {n}")
        self.told.setText(unbroken(self._words(label, cell, len(t_cells))))

    def _words(self, label: int, cell: Any, n_t_cells: int) -> str:
        finished = self._session.finished
        assert finished is not None
        gates = finished.tables["gates"]
        gate = gates[(gates["marker"] == "pdl1") & (gates["parent"].isin(["tumour", "all"]))]
        parts = [f"Cell {label}, {region_title(str(cell['region']))}"]
        distance = float(cell.get("distance_to_margin_um", np.nan))
        if np.isfinite(distance):
            side = "inside" if distance < 0 else "outside"
            parts[0] += f", {abs(distance):.0f} µm {side} the margin's line"
        if len(gate):
            row = gate.to_dict("records")[0]
            value, threshold = float(cell[row["statistic"]]), float(row["threshold"])
            parts.append(f"PD-L1 {three_digits(value)}, gate {three_digits(threshold)}")
        parts.append(f"touches {n_t_cells} CD8 T cell{'s' if n_t_cells != 1 else ''}")
        if bool(cell.get("edge_censored", False)):
            parts.append("nearer to the frame than to the interface")
        if bool(cell.get("edited", False)):
            parts.append("corrected by hand")
        return "; ".join(parts) + "."
