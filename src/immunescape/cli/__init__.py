"""The command line: ``immunescape run, cohort, status, info, init, demo, gui, simulate, train``."""

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments
        Words after ``immunescape``; None takes those of this process.

    Returns
    -------
    int
        0 done, 1 failed in a way nobody foresaw, 2 unusable input or arguments, 130 interrupted.
    """
    from immunescape.cli.app import execute

    code = execute(list(sys.argv[1:] if arguments is None else arguments))
    if arguments is None:
        sys.exit(code)
    return code
