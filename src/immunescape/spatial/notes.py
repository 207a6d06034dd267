"""How reasons and notes of the tables read."""

from typing import Any

__all__ = ["edge_note", "join", "unread_note"]


def join(*parts: str) -> str:
    """Join the parts of a reason that say something, each once."""
    return "; ".join(dict.fromkeys(part for part in parts if part))


def unread_note(count: Any) -> str:
    """Return how many cells have no PD-L1 value; empty for none."""
    return f"{int(count)} cells without a PD-L1 value left out" if count else ""


def edge_note(count: Any, total: Any) -> str:
    """Return how many of the cells counted are edge-censored; empty for none."""
    if not count:
        return ""
    return f"{int(count)} of {int(total)} cells are nearer to the frame than to the interface"
