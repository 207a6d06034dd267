"""A control slide: tissue stained beside the others whose known positive cells vouch for them."""

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


def read_control(path: Path) -> ControlSlide:
    """Read the result of a control slide, made by this program in the same stain run.

    Parameters
    ----------
    path
        Its result folder, or the ``gates.csv`` within.

    Raises
    ------
    ControlError
        If there is no such table, or it lacks its columns.
    """
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
    return ControlSlide(file.parent.name, file, positive)
