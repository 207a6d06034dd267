"""The headline and the warnings, as a person reads them first."""

import html
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from immunescape.report.wording import (
    gates_text,
    interval_text,
    n_text,
    region_title,
    unbroken,
    unconfirmed,
    value_text,
)
from immunescape.results import REGION_NAMES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HeadlineCard", "WarningsBox", "region_box"]

_METRIC = "pdl1_negative_fraction_touching_cd8"
_DOUBT = "#e69f00"


def region_box() -> QComboBox:
    """Return a box to choose one of the seven regions, all analysed tissue first."""
    box = QComboBox()
    for name in ("tissue", *REGION_NAMES[:-1]):
        box.addItem(region_title(name), name)
    box.setToolTip("Where the cells are that are counted; margin and tumour are sums.")
    return box


class HeadlineCard(QFrame):
    """The one number, with all that it rests on; a box chooses the region.

    Attributes
    ----------
    region_changed
        Emitted with the name of the region.
    """

    region_changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._summary: pd.DataFrame | None = None
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 2, 0, 2)
        box.setSpacing(2)
        top = QHBoxLayout()
        top.addWidget(QLabel("Where:"))
        self.region_box = region_box()
        self.region_box.currentIndexChanged.connect(self._choose)
        top.addWidget(self.region_box, 1)
        box.addLayout(top)
        self.value = _label(box)
        self.value.setToolTip(
            "Of the tumour cells that touch a CD8 T cell and whose PD-L1 is known: the share that "
            "is PD-L1-negative."
        )
        self.basis = _label(box)
        self.doubt = _label(box)

    @property
    def region(self) -> str:
        """Name of the region."""
        return str(self.region_box.currentData())

    def show_summary(self, summary: "pd.DataFrame | None") -> None:
        """Show the headline of a result; None empties the card."""
        self._summary = summary
        for label in (self.value, self.basis, self.doubt):
            label.clear()
        if summary is None:
            return
        row = self.row()
        where = _html(region_title(self.region))
        shown = _html(value_text(row))
        what = "of the tumour cells touching CD8 are PD-L1-negative"
        if row["value"] != row["value"]:
            what = "PD-L1-negative fraction of the tumour cells touching CD8"
        self.value.setText(
            f"<span style='font-size:20pt; font-weight:600'>{shown}</span><br>"
            f"{_html(what)}, {where}"
        )
        parts = [n_text(row)]
        if interval := interval_text(row):
            parts.append(f"95 % interval {interval}")
        if gates := gates_text(row):
            parts.append(f"at the ends of the PD-L1 gate {gates}")
        width = row["margin_width_um"]
        source = row["tumour_source"]
        parts.append(
            f"margin {width:g} µm each side" if width == width else "no margin on this slide"
        )
        parts.append(f"tumour region {source}" if source == source else "no tumour region")
        self.basis.setText(_html("; ".join(filter(None, parts))) + ".")
        self.doubt.setText(self._doubts(row))

    def row(self) -> dict[Any, Any]:
        """Return the row of the summary that is shown."""
        assert self._summary is not None
        table = self._summary
        mine = table[
            (table["metric"] == _METRIC)
            & (table["phenotype"] == "tumour")
            & (table["region"] == self.region)
            & (table["neighbourhood"] == "contact")
        ]
        return dict(mine.to_dict("records")[0])

    def _doubts(self, row: dict[Any, Any]) -> str:
        gates, rest = unconfirmed(row)
        lines = []
        if not bool(row["evaluable"]):
            lines.append(f"<b>Not evaluable:</b> {_html(rest)}.")
            rest = ""
        who = row["reviewed_by"]
        if gates:
            lines.append(f"<b>Gates nobody confirmed:</b> {_html(', '.join(gates))}.")
        elif who == who and who:
            lines.append(f"Gates confirmed by {_html(str(who))}.")
        if rest:
            lines.append(_html(rest) + ".")
        marked = f"border-left: 3px solid {_DOUBT}; padding-left: 6px"
        self.doubt.setStyleSheet(marked if gates or not bool(row["evaluable"]) else "")
        self.doubt.setVisible(bool(lines))
        return "<br>".join(lines)

    def _choose(self, _: int) -> None:
        if self._summary is not None:
            self.show_summary(self._summary)
        self.region_changed.emit(self.region)


class WarningsBox(QFrame):
    """What a reader of the numbers should know: all of it, in full."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        box = QVBoxLayout(self)
        box.setContentsMargins(8, 2, 0, 2)
        self.text = _label(box)
        self.setObjectName("warnings")
        self.setStyleSheet(f"#warnings {{ border-left: 3px solid {_DOUBT}; }}")

    def show_warnings(self, warnings: tuple[str, ...]) -> None:
        """Show the warnings of a result; without any the box is hidden."""
        lines = "".join(f"<li>{_html(text)}</li>" for text in warnings)
        title = f"{len(warnings)} warning{'s' if len(warnings) != 1 else ''}"
        style = "margin:0; -qt-list-indent:0; margin-left:12px"
        self.text.setText(f"<b>{title}</b><ul style='{style}'>{lines}</ul>")
        self.setVisible(bool(warnings))


def _html(text: str) -> str:
    """Return text for a label: regions in words, a number and its unit on one line."""
    for name in REGION_NAMES:
        text = text.replace(name, name.replace("_", " "))
    return html.escape(unbroken(text))


def _label(box: QVBoxLayout) -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.MinimumExpanding)
    box.addWidget(label)
    return label
