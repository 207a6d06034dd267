"""What a person can do in a window, where an error names what the command line can."""

from immunescape.errors import OutputError

__all__ = ["AGAIN", "for_window"]

AGAIN = "rename that folder, then open the slide and run step 3, Segment"
"""What helps against a damaged result: what was drawn lies beside it and stays."""


def for_window(error: OutputError) -> OutputError:
    """Return an error with a remedy that a window has, where its own is a flag to overwrite."""
    problem, flag, _ = str(error).partition("; pass --overwrite")
    return OutputError(f"{problem}; {AGAIN}") if flag else error
