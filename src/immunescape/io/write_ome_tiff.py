"""Writing a slide as a tiled OME-TIFF with a pyramid."""

import contextlib
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Volume
from immunescape.errors import OutputError, SlideError

__all__ = ["write_ome_tiff"]

_TILE = 512
_PYRAMID_ABOVE = 2048
_SOURCE_BLOCK = 2048


def write_ome_tiff(
    path: str | Path,
    image: Volume,
    channels: Sequence[str],
    pixel_size_um: float,
    *,
    pyramid: bool = True,
) -> Path:
    """Write ``(c, y, x)`` pixels as an OME-TIFF: tiled, compressed without loss.

    Parameters
    ----------
    path
        File to write; it appears whole or not at all, and replaces one of that name.
    image
        Anything that can be sliced: it is read block by block.
    channels
        One name a channel.
    pixel_size_um
        Edge of a pixel in µm.
    pyramid
        Whether an image larger than 2048 px gets smaller levels in SubIFDs. A pixel of a level is
        the mean of the full-resolution pixels under it, rounded for integers; rows and columns
        left over at the far edges are dropped.

    Returns
    -------
    pathlib.Path
        The file written. The same input gives the same bytes: no date, user or computer is kept.

    Raises
    ------
    SlideError
        If image, names and pixel size do not make a slide.
    OutputError
        If the file cannot be written.
    """
    from tifffile import TiffFileError, TiffWriter

    from immunescape.slide import Slide

    path = Path(path)
    slide = Slide(path.name, (image,), tuple(channels), float(pixel_size_um))
    height, width = slide.shape
    levels = _levels(height, width) if pyramid else 0
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    metadata = {
        "axes": "CYX",
        "PhysicalSizeX": slide.pixel_size_um,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": slide.pixel_size_um,
        "PhysicalSizeYUnit": "µm",
        "Channel": {"Name": list(channels)},
    }
    identity = uuid.uuid5(uuid.NAMESPACE_OID, f"{image.shape} {tuple(channels)} {pixel_size_um!r}")
    options: dict[str, Any] = {
        "dtype": slide.dtype.newbyteorder("="),
        "tile": (_TILE, _TILE),
        "compression": "zstd",
        "predictor": slide.dtype.kind in "uif",
        "photometric": "minisblack",
        "resolutionunit": "CENTIMETER",
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TiffWriter(
            beside,
            ome=True,
            bigtiff=slide.dtype.itemsize * int(np.prod(image.shape)) > 2**31,
        ) as tif:
            for level in range(levels + 1):
                shape = (len(channels), height >> level, width >> level)
                per_cm = 1e4 / (slide.pixel_size_um * 2**level)
                tif.write(
                    _tiles(image, level),
                    shape=shape,
                    resolution=(per_cm, per_cm),
                    subifds=levels if level == 0 else None,
                    subfiletype=1 if level else 0,
                    metadata={**metadata, "UUID": str(identity)} if level == 0 else None,
                    software=False,
                    **options,
                )
        os.replace(beside, path)
    except (OSError, TiffFileError) as error:
        raise OutputError(f"{path.name} cannot be written: {_reason(error)}") from error
    except ValueError as error:
        raise SlideError(f"{path.name} cannot be stored as OME-TIFF: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
    return path


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or "the disk or folder refused it"


def _levels(height: int, width: int) -> int:
    levels = 0
    while max(height, width) >> levels > _PYRAMID_ABOVE and min(height, width) >> (levels + 1):
        levels += 1
    return levels


def _tiles(image: Volume, level: int) -> Iterator[npt.NDArray[Any]]:
    """Yield the tiles of one level, channel by channel, row by row, each full size."""
    count, height, width = (int(n) for n in image.shape)
    height, width = height >> level, width >> level
    for channel in range(count):
        for y in range(0, height, _TILE):
            for x in range(0, width, _TILE):
                y1, x1 = min(y + _TILE, height), min(x + _TILE, width)
                tile = _reduced(image, channel, level, y, y1, x, x1)
                missing = (0, _TILE - tile.shape[0]), (0, _TILE - tile.shape[1])
                yield np.pad(tile, missing) if any(m[1] for m in missing) else tile


def _reduced(
    image: Volume, channel: int, level: int, y0: int, y1: int, x0: int, x1: int
) -> npt.NDArray[Any]:
    """Return part of a level, reading a bounded piece of full resolution at a time."""
    factor = 2**level
    dtype = np.dtype(image.dtype).newbyteorder("=")
    out = np.empty((y1 - y0, x1 - x0), dtype)
    step = max(_SOURCE_BLOCK // factor, 1)
    for y in range(y0, y1, step):
        for x in range(x0, x1, step):
            ye, xe = min(y + step, y1), min(x + step, x1)
            block = np.asarray(image[channel, y * factor : ye * factor, x * factor : xe * factor])
            if factor > 1:
                block = block.reshape(ye - y, factor, xe - x, factor).mean(
                    axis=(1, 3), dtype=np.float64
                )
                if dtype.kind in "ui":
                    block = np.rint(block)
            out[y - y0 : ye - y0, x - x0 : xe - x0] = block
    return out
