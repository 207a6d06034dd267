"""A control slide: tissue stained beside the others whose known positive cells vouch for them."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from immunescape.errors import ControlError

__all__ = ["ControlSlide", "read_control"]


@dataclass(frozen=True)
class ControlSlide:
    """What a control slide shows.

    Parameters
    ----------
    name
        Name of its result folder.
    file
        Its table of gates.
    positive
        Number of positive cells by marker.
    """

    name: str
    file: Path
    positive: dict[str, int]

    @property
    def within(self) -> str:
        """Its file as a study names it: in its folder, wherever that lies."""
        return f"{self.name}/{self.file.name}"

    def vouches(self, markers: tuple[str, ...], least: int) -> bool:
        """Tell whether it holds enough positive cells for each marker."""
        return all(self.positive.get(marker, 0) >= least for marker in markers)


def read_control(path: Path, slide_sha256: str = "") -> ControlSlide:
    """Read the result of a control slide, made by this program in the same stain run.

    Parameters
    ----------
    path
        Its result folder, or the ``gates.csv`` within.
    slide_sha256
        Hash of the slide that is to be vouched for.

    Raises
    ------
    ControlError
        If there is no such table, it lacks its columns, or it is of that slide itself.
    """
    path = path.resolve()  # a folder given as "." has a name too
    file = path / "gates.csv" if path.is_dir() else path
    if not file.is_file():
        raise ControlError(
            f"{path.name} holds no gates.csv; pass the result folder of the control slide"
        )
    try:
        table = pd.read_csv(file)
        counts = table.groupby("marker")["positive"].sum()
        positive = {str(marker): int(count) for marker, count in counts.items()}
    except (OSError, ValueError, KeyError) as error:
        raise ControlError(
            f"{file.name} of the control slide {file.parent.name} has no columns marker and "
            "positive; pass the result folder of the control slide"
        ) from error
    if slide_sha256 and _made_from(file.parent) == slide_sha256:
        raise ControlError(
            f"the control slide {file.parent.name} is the slide itself, which cannot vouch for its "
            "own stains; pass the result folder of another slide"
        )
    return ControlSlide(file.parent.name, file, positive)


def _made_from(folder: Path) -> str:
    """Return the hash of the slide of a result; empty where it is not told."""
    try:
        told = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        return str(told["input"]["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
