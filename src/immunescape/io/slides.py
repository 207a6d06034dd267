"""Opening a slide: the format is told from the content, then its own reader takes over."""

from pathlib import Path
from typing import TYPE_CHECKING

from immunescape.errors import SlideError
from immunescape.io.found import Found, finish

if TYPE_CHECKING:
    from immunescape.slide import Slide

__all__ = ["named_path", "open_slide"]

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OTHERS = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a bitmap picture"),
    (b"ZISRAWFILE", "a Zeiss CZI file"),
    (b"\xda\xce\xbe\x0a", "a Nikon ND2 file"),
    (b"\x70\x00\x00\x00", "a Leica LIF file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF"),
)
_REMEDY = "give an OME-TIFF, QPTIFF, inForm component TIFF, OME-Zarr or TIFF stack"


def open_slide(
    path: str | Path,
    *,
    pixel_size_um: float | None = None,
    channel_names: tuple[str, ...] | None = None,
    scene: str | int | None = None,
) -> "Slide":
    """Open a slide without reading its pixels.

    Parameters
    ----------
    path
        OME-TIFF, Akoya QPTIFF, inForm component TIFF, OME-Zarr 0.4 or 0.5, ImageJ hyperstack or
        plain TIFF stack; the content decides, not the name. A folder that is no OME-Zarr and holds
        TIFF files is one slide made of tiles, see `immunescape.io.mosaic.read_mosaic`.
    pixel_size_um
        Edge of a pixel in µm; needed where the file has none, and preferred to the file's.
    channel_names
        One name a channel, in order; needed where the file has none, preferred to the file's.
    scene
        Number (from 1) or name of the image wanted from a file that holds several, or of the
        slide wanted from a folder with tiles of several.

    Returns
    -------
    Slide
        Its pixels are read block by block when asked for; its ``warnings`` say what was
        overridden, made up or looks odd. Its name is the file's, less the format's endings; a
        chosen scene is appended by number. Of the file's other metadata only exposures are kept.

    Raises
    ------
    SlideError
        One line that names the file, what is wrong and what to do.
    """
    path = named_path(Path(path))
    found = _read(path, scene, channel_names, pixel_size_um)
    return finish(found, path, pixel_size_um, channel_names)


def named_path(path: Path) -> Path:
    """Return a path that ends in the name of what it leads to; ``.`` and ``..`` have none.

    >>> named_path(Path("slides/P07.tif")).as_posix()
    'slides/P07.tif'
    >>> named_path(Path("..")) == Path.cwd().parent
    True
    """
    return path.resolve() if path.name in ("", "..") else path


def _read(
    path: Path,
    scene: str | int | None,
    names: tuple[str, ...] | None,
    pixel_size_um: float | None,
) -> Found:
    try:
        folder = path.is_dir()
        start = b"" if folder else _start(path)
    except FileNotFoundError:
        raise SlideError(f"{path.name} does not exist; check the path") from None
    except PermissionError:
        raise SlideError(f"{path.name} may not be read; check its permissions") from None
    except (OSError, ValueError):
        raise SlideError(f"{path.name} cannot be read; check the path") from None
    if folder:
        return _read_folder(path, scene, names, pixel_size_um)
    if not start:
        raise SlideError(f"{path.name} is empty; copy it again")
    if not start.startswith(_TIFF):
        what = next((text for magic, text in _OTHERS if start.startswith(magic)), "no image")
        raise SlideError(f"{path.name} is {what}, which is not read; {_REMEDY}")

    from immunescape.io.any_tiff import read_any_tiff
    from immunescape.io.tiff_pages import opened

    with opened(path) as tif:
        return read_any_tiff(tif, path, scene, names)


def _read_folder(
    path: Path,
    scene: str | int | None,
    names: tuple[str, ...] | None,
    pixel_size_um: float | None,
) -> Found:
    from immunescape.io.ome_zarr import is_zarr, read_ome_zarr

    if is_zarr(path):
        return read_ome_zarr(path, scene)
    from immunescape.io.mosaic import read_mosaic

    return read_mosaic(path, scene, names, pixel_size_um)


def _start(path: Path) -> bytes:
    with path.open("rb") as handle:
        return handle.read(16)
