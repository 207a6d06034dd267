"""The table of a panel: what each channel shows, what it is used for, where it is read."""

import dataclasses
from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from immunescape.errors import PanelError
from immunescape.napari.colours import marker_colours
from immunescape.panel import (
    COMPARTMENTS,
    EXPECTED_MARKERS,
    TITLES,
    Panel,
    Role,
    Stain,
    propose_panel,
    read_name,
)

__all__ = ["PanelTable"]

_COLUMNS = {
    "Channel": "Name of the channel in the file, and its colour on the screen.",
    "Shows": "The marker that the channel shows: PD-L1, CD8, S100, SOX10, or any other name.",
    "Role": "What the channel is used for.",
    "Read in": "The part of the cell in which the marker is read for its gate.",
}
_ROLES: dict[Role, tuple[str, str]] = {
    "marker": ("marker", "Measured and gated."),
    "nuclear": ("nuclei", "Nuclei are found in it; of several the brightest counts."),
    "nuclear_unused": ("spare nuclei", "Shows nuclei, and is not used."),
    "autofluorescence": ("autofluor.", "Light without stain; it can be subtracted."),
    "ignored": ("not used", "Left out of everything."),
}
_SWATCH = 12
_ROW = 26
_UNKNOWN = "#b0b0b0"
_STYLE = (
    "QComboBox { padding: 0 0 0 4px; border-radius: 0; min-height: 0 }"
    "QComboBox::drop-down { width: 16px }"
    "QLineEdit { padding: 0 }"
)


class PanelTable(QTableWidget):
    """A row a channel, corrected by hand.

    ``edited`` is emitted with the corrected stains, whether or not they make a panel; ``refused``
    with one line where they are no stains at all.
    """

    edited = Signal(object)
    refused = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_COLUMNS), parent)
        self.setHorizontalHeaderLabels(list(_COLUMNS))
        for column, tip in enumerate(_COLUMNS.values()):
            item = self.horizontalHeaderItem(column)
            if item is not None:
                item.setToolTip(tip)
        header = self.horizontalHeader()
        assert header is not None
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column, width in ((1, 78), (2, 86), (3, 92)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            self.setColumnWidth(column, width)
        rows = self.verticalHeader()
        assert rows is not None
        rows.hide()
        rows.setDefaultSectionSize(_ROW)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setIconSize(QSize(_SWATCH, _SWATCH))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._stains: list[Stain] = []

    def show_panel(self, channels: Sequence[str], panel: Panel) -> None:
        """Show a panel; channels that it leaves out stand there as not used.

        Parameters
        ----------
        channels
            Channels of the slide, in order.
        panel
            Its stains.
        """
        named = {s.channel: s for s in panel.stains}
        spare = {s.channel: s for s in propose_panel(channels).panel.stains}
        stains = [
            named.get(c) or Stain(
                channel=c, marker=spare[c].marker, compartment=spare[c].compartment, role="ignored"
            )
            for c in channels
        ]  # fmt: skip
        if stains == self._stains:
            return
        rebuilt = [s.channel for s in stains] != [s.channel for s in self._stains]
        self._stains = stains
        if rebuilt:
            self._build()
        self._draw()

    def _build(self) -> None:
        self.setRowCount(len(self._stains))
        for row, stain in enumerate(self._stains):
            item = QTableWidgetItem(stain.channel)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled)
            item.setToolTip(stain.channel)
            self.setItem(row, 0, item)
            for column, box in enumerate(
                (self._marker_box(row), self._role_box(row), self._compartment_box(row)), 1
            ):
                self.setCellWidget(row, column, box)
        header = self.horizontalHeader()
        assert header is not None
        self.setFixedHeight(header.sizeHint().height() + _ROW * len(self._stains) + 4)

    def _draw(self) -> None:
        """Let every box show its stain, without telling those who listen."""
        try:
            colours = marker_colours(Panel(tuple(self._stains)))
        except PanelError:
            colours = {}
        for row, stain in enumerate(self._stains):
            item = self.item(row, 0)
            marker, role, compartment = (self.cellWidget(row, column) for column in (1, 2, 3))
            assert item is not None
            assert isinstance(marker, QComboBox) and isinstance(role, QComboBox)
            assert isinstance(compartment, QComboBox)
            item.setIcon(_swatch(colours.get(stain.marker, _UNKNOWN)))
            with QSignalBlocker(marker), QSignalBlocker(role), QSignalBlocker(compartment):
                marker.setCurrentText(_title(stain))
                role.setCurrentIndex(role.findData(stain.role))
                compartment.setCurrentText(stain.compartment)
            line = marker.lineEdit()
            assert line is not None
            line.setCursorPosition(0)
            compartment.setEnabled(stain.role == "marker")

    def _marker_box(self, row: int) -> QComboBox:
        box = _Box()
        box.setEditable(True)
        box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        box.addItems(list(TITLES.values()))
        box.setToolTip(_COLUMNS["Shows"])
        box.activated.connect(lambda _: self._set_marker(row, box.currentText()))
        line = box.lineEdit()
        assert line is not None
        line.editingFinished.connect(lambda: self._set_marker(row, box.currentText()))
        return box

    def _role_box(self, row: int) -> QComboBox:
        box = _Box()
        for role, (title, tip) in _ROLES.items():
            box.addItem(title, role)
            box.setItemData(box.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        box.setToolTip("\n".join(f"{title}: {tip}" for title, tip in _ROLES.values()))
        box.activated.connect(lambda _: self._set(row, role=box.currentData()))
        return box

    def _compartment_box(self, row: int) -> QComboBox:
        box = _Box()
        box.addItems(COMPARTMENTS)
        box.setToolTip(_COLUMNS["Read in"])
        box.activated.connect(lambda _: self._set(row, compartment=box.currentText()))
        return box

    def _set_marker(self, row: int, text: str) -> None:
        if text == _title(self._stains[row]):
            return
        reading = read_name(text)
        expected = EXPECTED_MARKERS.get(reading.marker, reading.compartment)
        self._set(row, marker=reading.marker, compartment=expected)

    def _set(self, row: int, **changes: str) -> None:
        before = self._stains
        try:
            stain = dataclasses.replace(before[row], **changes)  # type: ignore[arg-type]
        except PanelError as error:
            self._draw()
            self.refused.emit(str(error))
            return
        if stain != before[row]:
            self.edited.emit((*before[:row], stain, *before[row + 1 :]))
        self._draw()


class _Box(QComboBox):
    """A combo box that a wheel does not change while the panel is scrolled past it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(4)
        self.setStyleSheet(_STYLE)

    def wheelEvent(self, event: object) -> None:
        """Leave the wheel to the panel."""
        event.ignore()  # type: ignore[attr-defined]


def _title(stain: Stain) -> str:
    return TITLES.get(stain.marker, stain.marker)


def _swatch(colour: str) -> QIcon:
    picture = QPixmap(_SWATCH, _SWATCH)
    picture.fill(QColor(colour))
    return QIcon(picture)
