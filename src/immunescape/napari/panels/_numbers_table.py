"""The summary as a table: every number with its unit, n and interval, or why there is none."""

from typing import TYPE_CHECKING, Any

import pandas as pd
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHeaderView,
    QLabel,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from immunescape.report.wording import (
    METRIC_TITLES,
    gates_text,
    interval_text,
    n_text,
    p_text,
    region_title,
    row_title,
    unbroken,
    value_text,
)
from immunescape.results import REGION_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SummaryModel", "SummaryTable"]

_COLUMNS = ("what", "value", "95 % interval; n")
_WHAT, _VALUE, _REST = range(len(_COLUMNS))
_WIDTHS = (None, 92, 112)


class SummaryModel(QAbstractTableModel):
    """Rows of the summary that pass the filters, in words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[tuple[tuple[str, ...], str]] = []

    def show_rows(self, table: pd.DataFrame, *, region: bool = False) -> None:
        """Show other rows, with the name of their region where it is not the same for all."""
        self.beginResetModel()
        self._rows = [_shown(row, region=region) for row in table.to_dict("records")]
        self.endResetModel()

    def rowCount(self, parent: Any = QModelIndex()) -> int:
        """Return the number of rows."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Any = QModelIndex()) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else len(_COLUMNS)

    def data(self, index: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        texts, whole = self._rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return texts[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return whole
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() >= _VALUE:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(
        self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return the name of a column."""
        if role != Qt.ItemDataRole.DisplayRole or orientation != Qt.Orientation.Horizontal:
            return None
        return _COLUMNS[section]


class SummaryTable(QWidget):
    """The table with its filters."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._summary: pd.DataFrame | None = None
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        self.metric_box = QComboBox()
        self.metric_box.setToolTip("Which metric the table shows.")
        self.region_box = QComboBox()
        self.region_box.setToolTip("Which region the table shows.")
        self.metric_box.addItem("all metrics", "")
        for metric, title in METRIC_TITLES.items():
            self.metric_box.addItem(title, metric)
        self.region_box.addItem("all regions", "")
        for region in REGION_NAMES[::-1]:
            self.region_box.addItem(region_title(region), region)
        self.region_box.setCurrentIndex(1)
        for k, (name, combo) in enumerate(
            (("Metric:", self.metric_box), ("Region:", self.region_box))
        ):
            grid.addWidget(QLabel(name), k, 0)
            grid.addWidget(combo, k, 1)
            combo.currentIndexChanged.connect(self._filter)
            combo.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
        self.radii = QCheckBox("other definitions of near, too")
        self.radii.setToolTip(
            "Show the fractions by distance of centroids beside those by contact."
        )
        self.radii.toggled.connect(self._filter)
        grid.addWidget(self.radii, 2, 1)
        box.addLayout(grid)
        self.model = SummaryModel(self)
        self.view = QTableView()
        self.view.setModel(self.model)
        self.view.setToolTip("Point at a row for all that belongs to it.")
        self.view.setMinimumHeight(300)
        self.view.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.view.setWordWrap(True)
        self.view.verticalHeader().hide()
        header = self.view.horizontalHeader()
        header.setSectionResizeMode(_WHAT, QHeaderView.ResizeMode.Stretch)
        for k, width in enumerate(_WIDTHS):
            if width is not None:
                self.view.setColumnWidth(k, width)
        lines = 3 * self.view.fontMetrics().lineSpacing() + 6
        self.view.verticalHeader().setDefaultSectionSize(lines)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        box.addWidget(self.view)

    def show_summary(self, summary: pd.DataFrame | None) -> None:
        """Show the summary of a result; None empties the table."""
        self._summary = summary
        self._filter()

    def _filter(self, *_: Any) -> None:
        table = self._summary
        if table is None:
            self.model.show_rows(pd.DataFrame())
            return
        if metric := self.metric_box.currentData():
            table = table[table["metric"] == metric]
        region = self.region_box.currentData()
        if region:
            table = table[table["region"] == region]
        if not self.radii.isChecked():
            near = table["neighbourhood"]
            table = table[near.isna() | near.isin(["", "contact"])]
        self.model.show_rows(table, region=not region)


def _shown(row: "Mapping[Any, Any]", *, region: bool) -> tuple[tuple[str, ...], str]:
    """Return what a row shows by column, and all of it in lines."""
    where, what = region_title(str(row["region"])), row_title(row)
    value, interval, n = value_text(row), interval_text(row), n_text(row)
    near = "\n".join(filter(None, (interval, n)))
    lines = [f"{what}, {where}: {value}", n]
    if interval:
        lines.append(f"95 % interval {interval} ({str(row['ci_method']).replace('_', ' ')})")
    if gates := gates_text(row):
        lines.append(f"at both ends of the PD-L1 gate {gates}")
    lines.append(p_text(row))
    reason = row["reason"]
    lines.append("" if reason != reason else str(reason))
    name = f"{what}, {where}" if region else what
    texts = unbroken(name), unbroken(value), unbroken(near)
    return texts, "\n".join(filter(None, lines))
