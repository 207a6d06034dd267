"""How melanoma escapes PD-1 blockade, read from multiplex-immunofluorescence slides.

For research use, not for diagnosis.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("immunescape")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0.1.0"

__all__ = ["__version__"]
