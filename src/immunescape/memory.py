"""Memory that was freed goes back to the system."""

import ctypes
import sys

__all__ = ["return_freed"]


def return_freed() -> None:
    """Give freed memory back to the system, where the C library keeps it for later.

    After a step with many large arrays glibc holds on to more than the next step will ever need.
    Elsewhere than on Linux with glibc nothing happens.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
