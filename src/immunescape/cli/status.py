"""``immunescape status``: how far a cohort is."""

from pathlib import Path

from immunescape.cohort import cohort_status

__all__ = ["status"]


def status(out: Path, /) -> int:
    """Print how far each slide of a cohort is.

    Parameters
    ----------
    out
        Folder of the cohort; it may be incomplete or still being written.
    """
    found = cohort_status(out)
    print(found.text())
    return 1 if found.count("failed") else 0
