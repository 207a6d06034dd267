"""What the readers of TIFF files share: opening, and what pages say about themselves."""

import logging
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from immunescape.errors import SlideError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tifffile import TiffFile, TiffPage

__all__ = [
    "check_whole",
    "is_colour",
    "opened",
    "parse_xml",
    "refuse_colour",
    "resolution_um",
    "unit_um",
]

_RESOLUTION_UM = {2: 25_400.0, 3: 10_000.0, 4: 1_000.0, 5: 1.0}


@contextmanager
def opened(path: Path) -> "Iterator[TiffFile]":
    """Open a TIFF file; whatever makes it unreadable becomes one line that names it.

    Raises
    ------
    SlideError
        If the file is damaged or cut short.
    """
    import struct

    from tifffile import TiffFile, TiffFileError

    logger = logging.getLogger("tifffile")
    complaints = _Complaints()
    logger.addFilter(complaints)
    try:
        with TiffFile(path) as tif:
            if not len(tif.pages) or not tif.pages[0].shape:
                raise SlideError(f"{path.name} holds no image; copy or export it again")
            yield tif
        if complaints.grave:
            raise ValueError("a directory entry points outside the file")
    except SlideError:
        if complaints.grave:
            raise _damaged(path) from None
        raise
    except PermissionError:
        raise SlideError(f"{path.name} may not be read; check its permissions") from None
    except (
        TiffFileError, struct.error, ValueError, KeyError, IndexError, TypeError, OSError,
        AttributeError, ZeroDivisionError, OverflowError,
    ) as error:  # fmt: skip
        raise _damaged(path) from error
    finally:
        logger.removeFilter(complaints)


def _damaged(path: Path) -> SlideError:
    return SlideError(f"{path.name} is a damaged or truncated TIFF; copy or export it again")


class _Complaints(logging.Filter):
    """Keeps tifffile's log quiet and remembers whether part of the file is out of reach.

    Other threads may be reading other files: what is said of those is none of its business.
    """

    _GRAVE = ("invalid value offset", "corrupted", "invalid offset", "invalid page offset")

    def __init__(self) -> None:
        super().__init__()
        self.grave = False
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread:
            return True
        text = record.getMessage()
        if record.levelno >= logging.ERROR and any(word in text for word in self._GRAVE):
            self.grave = True
        return False


def check_whole(path: Path, pages: "Sequence[TiffPage]") -> None:
    """Refuse a file that ends before its pixels do.

    Raises
    ------
    SlideError
        Naming how many bytes are there and how many the directory promises.
    """
    size = path.stat().st_size
    for page in pages:
        if len(page.dataoffsets) != len(page.databytecounts) or not page.dataoffsets:
            raise SlideError(f"{path.name} is a damaged TIFF; copy or export it again")
        offsets = np.asarray(page.dataoffsets, np.uint64)
        end = int((offsets + np.asarray(page.databytecounts, np.uint64)).max())
        if end > size:
            raise SlideError(
                f"{path.name} is truncated: {size} bytes of at least {end}; copy it again"
            )


def parse_xml(text: str) -> ElementTree.Element:
    """Parse the XML of an image description; documents that declare entities are refused.

    Raises
    ------
    xml.etree.ElementTree.ParseError
        If it is no well-formed XML, or has a document type.
    """
    if "<!DOCTYPE" in text:
        raise ElementTree.ParseError("a document type is not expected")
    return ElementTree.fromstring(text)  # noqa: S314 - without a document type it has no entities


def is_colour(page: "TiffPage") -> bool:
    """Whether a page holds colours: RGB, YCbCr, CMYK, Lab or a palette, samples interleaved."""
    return int(page.photometric) in (2, 3, 5, 6, 8, 9, 10) and page.shaped[0] == 1


def refuse_colour(path: Path) -> SlideError:
    """Return the error for a colour picture."""
    return SlideError(
        f"{path.name} is an RGB picture, not separate stains; "
        "export the fluorescence channels as OME-TIFF"
    )


def unit_um(page: "TiffPage") -> float | None:
    """Return the unit of a page's resolution and position in µm; None if it is no length."""
    return _RESOLUTION_UM.get(int(page.resolutionunit))


def resolution_um(page: "TiffPage") -> tuple[float, float] | None:
    """Return height and width of a pixel in µm by the resolution tags; None if they do not say."""
    unit = unit_um(page)
    x, y = (page.tags.valueof(code) for code in ("XResolution", "YResolution"))
    if unit is None or not x or not y:
        return None
    try:
        return unit * y[1] / y[0], unit * x[1] / x[0]
    except (ZeroDivisionError, TypeError, IndexError):
        return None
