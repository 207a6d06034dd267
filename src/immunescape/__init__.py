"""How melanoma escapes PD-1 blockade, read from multiplex-immunofluorescence slides.

For research use, not for diagnosis.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from immunescape.io import open_slide
    from immunescape.pipeline import Inputs, analyse, measure_slide, run_slide
    from immunescape.study import Study

try:
    __version__ = version("immunescape")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0.1.0"

__all__ = [
    "Inputs",
    "Study",
    "__version__",
    "analyse",
    "measure_slide",
    "open_slide",
    "run_slide",
]

_HOMES = {
    "Inputs": "pipeline",
    "Study": "study",
    "analyse": "pipeline",
    "measure_slide": "pipeline",
    "open_slide": "io",
    "run_slide": "pipeline",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: importing the package itself stays light."""
    if name in _HOMES:
        return getattr(import_module(f"immunescape.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'immunescape' has no attribute {name!r}")
