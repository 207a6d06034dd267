"""Buttons and texts of the worklist; what they do is the panel's."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QWidget

from immunescape.napari.panels._cohort_run_box import RunBox
from immunescape.napari.panels._cohort_table import WorklistTable, in_words
from immunescape.napari.text import WrappedText

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immunescape.errors import SheetError
    from immunescape.napari.worklist import Looked

__all__ = ["CohortFace", "button", "row"]


class CohortFace:
    """The parts of the panel, from top to bottom.

    ``parts`` holds all of them in order; those of ``of_sheet`` are shown once there is a sheet.
    """

    def __init__(self) -> None:
        self.sheet_button = button(
            "Open sheet …", "Choose a sample sheet; one may be dropped on the window too."
        )
        self.folder_button = button(
            "Results in …", "Choose the folder of the cohort, which its results go to."
        )
        self.facts = WrappedText(name="facts")
        self.problems = WrappedText(name="problems")
        self.table = WorklistTable()
        self.previous_button = button("◀ Previous", "Open the slide before (Alt+Page Up).")
        self.open_button = button("Open", "Open the chosen slide.")
        self.next_button = button("Next ▶", "Open the next slide (Alt+Page Down).")
        self.details = WrappedText(name="details")
        self.person = QLineEdit()
        self.person.setPlaceholderText("name")
        self.person.setToolTip("Who signs.")
        self.sign_button = button(
            "Sign",
            "Stand for what is drawn, corrected and set on the chosen slide; a change of any of "
            "it withdraws the signature.",
        )
        self.withdraw_button = button("Withdraw", "Take the signature of the chosen slide back.")
        self.run_box = RunBox()
        steps = row(self.previous_button, self.open_button, self.next_button)
        signing = row(self.person, self.sign_button, self.withdraw_button)
        sheet = row(self.sheet_button, self.folder_button)
        self.of_sheet: tuple[QWidget, ...] = (
            self.facts, self.table, steps, self.details, signing, self.run_box,
        )  # fmt: skip
        self.parts = (
            sheet, self.facts, self.problems, self.table, steps, self.details, signing,
            self.run_box,
        )  # fmt: skip

    def show_sheet(self, *, there: bool) -> None:
        """Show what belongs to a sheet, or hide it."""
        for part in self.of_sheet:
            part.setVisible(there)
        self.folder_button.setVisible(there)
        self.problems.setVisible(bool(self.problems.text()))

    def show_problems(self, name: str, error: "SheetError") -> None:
        """List all that is wrong with a sheet."""
        lines = [f"{name} cannot be used:", *(f"⚠ {problem}" for problem in error.problems)]
        self.problems.setText("\n".join(lines))

    def show_chosen(self, chosen: "Looked | None") -> None:
        """Tell of the chosen slide, and offer what can be done with it."""
        self.details.setText("" if chosen is None else in_words(chosen))
        self.open_button.setEnabled(chosen is not None)
        signed = chosen is not None and chosen.entry.signature is not None
        self.sign_button.setEnabled(chosen is not None and not signed)
        self.withdraw_button.setEnabled(signed)

    def chosen(self, looked: "Sequence[Looked]") -> "Looked | None":
        """Return the slide whose row is chosen."""
        at = self.table.currentRow()
        return looked[at] if 0 <= at < len(looked) else None


def button(text: str, tip: str) -> QPushButton:
    """Return a button with a tooltip."""
    made = QPushButton(text)
    made.setToolTip(tip)
    return made


def row(*parts: QWidget) -> QWidget:
    """Return widgets side by side."""
    whole = QWidget()
    layout = QHBoxLayout(whole)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        layout.addWidget(part)
    return whole
