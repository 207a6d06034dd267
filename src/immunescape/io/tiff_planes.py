"""Lazy ``(c, y, x)`` arrays over pages of a TIFF file: only tiles or strips asked for are read."""

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from immunescape.errors import SlideError
from immunescape.io.lazy_planes import LazyPlanes
from immunescape.threads import allotted_threads

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

__all__ = ["PlaneAt", "SegmentCache", "TiffPlanes", "planes_of_page"]

_CACHE_BYTES = 128 * 2**20
_CHUNK = 2048


@dataclass(frozen=True)
class PlaneAt:
    """Where one channel is stored.

    Parameters
    ----------
    ifd
        Offset in bytes of the page's directory.
    sample
        Which sample of the page it is.
    skip
        Bytes between the page's first pixel and the plane's, for stacks that keep many planes
        behind one directory.
    """

    ifd: int
    sample: int = 0
    skip: int = 0


@dataclass(frozen=True)
class _Page:
    """What is needed of a page to read it without its file object."""

    shaped: tuple[int, int, int, int, int]
    dtype: np.dtype[Any]
    separate: bool
    contiguous_at: int | None
    segment: tuple[int, int]
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    tables: bytes | None
    decode: Callable[..., Any]


def planes_of_page(page: "TiffPage", skip: int = 0) -> tuple[PlaneAt, ...]:
    """Return one plane for each sample of a page."""
    samples = page.shaped[0] * page.shaped[4]
    return tuple(PlaneAt(page.offset, sample, skip) for sample in range(samples))


class SegmentCache:
    """Decoded tiles and strips that were asked for last, of one file or of many; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Path, int, int], npt.NDArray[Any]] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[Path, int, int]) -> npt.NDArray[Any] | None:
        """Return a segment by file, directory and index; None where it is not kept."""
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
            return kept

    def put(self, key: tuple[Path, int, int], segment: npt.NDArray[Any]) -> None:
        """Keep a segment, and let go of those not asked for longest."""
        with self._lock:
            if key in self._kept or segment.nbytes > _CACHE_BYTES:
                return
            self._kept[key] = segment
            self._bytes += segment.nbytes
            while self._bytes > _CACHE_BYTES:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes


class TiffPlanes(LazyPlanes):
    """A lazy ``(c, y, x)`` array over pages of one shape and type.

    Indexing reads the tiles or strips that the index touches and nothing else; uncompressed
    pages are mapped. It may be read from several threads, and pickled: the copy opens the file
    again, and keeps it open unless it is one of many.

    Parameters
    ----------
    path
        The file.
    planes
        Where each channel is stored, in order.
    shape
        Height and width in pixels.
    dtype
        Type of the pixels, in the machine's byte order.
    tile
        Height and width of a stored tile or strip, for the choice of chunks.
    """

    def __init__(
        self,
        path: Path,
        planes: tuple[PlaneAt, ...],
        shape: tuple[int, int],
        dtype: Any,
        tile: tuple[int, int] = (_CHUNK, _CHUNK),
    ) -> None:
        self.path = path
        self.planes = planes
        self.shape = (len(planes), int(shape[0]), int(shape[1]))
        self.dtype: np.dtype[Any] = np.dtype(dtype).newbyteorder("=")
        self.tile = tile
        self._start()

    @classmethod
    def of_pages(cls, path: Path, pages: "list[TiffPage]") -> "TiffPlanes":
        """Return the array over all samples of some pages of one shape, in order."""
        first = pages[0]
        _, _, height, width, _ = first.shaped
        planes = tuple(plane for page in pages for plane in planes_of_page(page))
        return cls(path, planes, (height, width), first.dtype, _segment_shape(first))

    @property
    def chunks(self) -> tuple[int, int, int]:
        """Chunk to read at a time: one channel, a multiple of the stored tiles."""
        height, width = (max(_CHUNK // edge, 1) * edge for edge in self.tile)
        return (
            1,
            max(min(height, self.shape[1], 2 * _CHUNK), 1),
            max(min(width, self.shape[2], 2 * _CHUNK), 1),
        )

    def __getstate__(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in ("path", "planes", "shape", "dtype", "tile")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    def _start(self, cache: SegmentCache | None = None) -> None:
        self._lock = threading.RLock()
        self._handle: IO[bytes] | None = None
        self._readers = 0
        self._brief = cache is not None
        self._pages: dict[int, _Page] = {}
        self._cache = cache or SegmentCache()

    def one_of_many(self, cache: SegmentCache) -> None:
        """Share a cache with other files, and keep the file open no longer than a read."""
        self._start(cache)

    def forget(self) -> None:
        """Let go of what is known of the pages; it is parsed again at the next read."""
        with self._lock:
            self._pages = {}

    def read_plane(self, channel: int, y0: int, y1: int, x0: int, x1: int) -> npt.NDArray[Any]:
        """Read a rectangle of one channel."""
        with self._reading():
            return self._read(self.planes[channel], y0, y1, x0, x1)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock:
            self._readers += 1
        try:
            yield
        finally:
            with self._lock:
                self._readers -= 1
                if self._brief and not self._readers and self._handle is not None:
                    self._handle.close()
                    self._handle = None

    def _read(self, plane: PlaneAt, y0: int, y1: int, x0: int, x1: int) -> npt.NDArray[Any]:
        page = self._page(plane.ifd)
        if page.contiguous_at is not None:
            whole = np.memmap(
                self.path, page.dtype, "r", page.contiguous_at + plane.skip, page.shaped
            )
            first, last = (plane.sample, 0) if page.separate else (0, plane.sample)
            return np.array(whole[first, 0, y0:y1, x0:x1, last], self.dtype)
        height, width = page.shaped[2:4]
        rows, columns = page.segment
        across, down = -(-width // columns), -(-height // rows)
        base = plane.sample * across * down if page.separate else 0
        last = 0 if page.separate else plane.sample
        out = np.zeros((y1 - y0, x1 - x0), self.dtype)
        places = [
            (base + row * across + column, row * rows, column * columns)
            for row in range(y0 // rows, -(-y1 // rows))
            for column in range(x0 // columns, -(-x1 // columns))
        ]

        def paste(place: tuple[int, int, int]) -> None:
            index, top, left = place
            segment = self._segment(plane.ifd, page, index)
            if segment is None:
                return
            y, x = max(top, y0), max(left, x0)
            part = segment[y - top : y1 - top, x - left : x1 - left, last]
            out[y - y0 : y - y0 + part.shape[0], x - x0 : x - x0 + part.shape[1]] = part

        if len(places) < 4:
            for place in places:
                paste(place)
        else:
            with ThreadPoolExecutor(min(len(places), allotted_threads(), 8)) as pool:
                list(pool.map(paste, places))
        return out

    def _segment(self, ifd: int, page: _Page, index: int) -> npt.NDArray[Any] | None:
        """Return one decoded tile or strip ``(y, x, samples)``; None for one that was left out."""
        key = self.path, ifd, index
        if (kept := self._cache.get(key)) is not None:
            return kept
        with self._lock:
            if page.counts[index] == 0:
                return None
            handle = self._open()
            handle.seek(page.offsets[index])
            data = handle.read(page.counts[index])
        tables = {} if page.tables is None else {"jpegtables": page.tables}
        try:
            decoded, _, shape = page.decode(data, index, **tables)
            segment: npt.NDArray[Any] = np.asarray(decoded).reshape(shape)[0]
        except Exception as error:  # each of the many codecs raises its own
            raise SlideError(
                f"{self.path.name} holds pixels that cannot be decoded: they are damaged, or "
                "compressed in a way that is not read; export it again with zstd or deflate"
            ) from error
        self._cache.put(key, segment)
        return segment

    def _open(self) -> IO[bytes]:
        if self._handle is None:
            self._handle = self.path.open("rb")
            if not self._brief:
                weakref.finalize(self, self._handle.close)
        return self._handle

    def _page(self, ifd: int) -> _Page:
        with self._lock:
            if ifd not in self._pages:
                from tifffile import TiffFile

                with TiffFile(self.path) as tif:
                    for offset in dict.fromkeys(plane.ifd for plane in self.planes):
                        self._pages[offset] = _parse(tif, offset)
            return self._pages[ifd]


def _parse(tif: "TiffFile", ifd: int) -> _Page:
    from tifffile import TiffPage

    tif.filehandle.seek(ifd)
    page = TiffPage(tif, index=0)
    assert page.dtype is not None
    return _Page(
        shaped=page.shaped,
        dtype=page.dtype.newbyteorder(tif.byteorder),
        separate=page.shaped[0] > 1,
        contiguous_at=int(page.dataoffsets[0]) if page.is_memmappable else None,
        segment=_segment_shape(page),
        offsets=tuple(page.dataoffsets),
        counts=tuple(page.databytecounts),
        tables=page.jpegtables,
        decode=page.decode,
    )


def _segment_shape(page: "TiffPage") -> tuple[int, int]:
    """Return height and width of a tile or strip."""
    if page.is_tiled:
        return int(page.tilelength), int(page.tilewidth)
    return max(min(int(page.rowsperstrip), int(page.shaped[2])), 1), int(page.shaped[3])
