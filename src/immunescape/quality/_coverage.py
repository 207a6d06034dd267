"""One pass over stain and nuclei: what is stained, what is covered, and what is empty."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, BlockMap, Plane, Progress, in_threads, iter_blocks, silent
from immunescape.quality._nuclear_stain import NuclearStain, on_bins
from immunescape.quality._tile_grid import TileGrid

__all__ = [
    "KINDS",
    "Coverage",
    "Maps",
    "Overview",
    "Surface",
    "bin_edge",
    "cover_slide",
]

KINDS = ("tissue", "empty", "covered", "stained", "missed")
"""What is counted: tissue, tissue far from a nucleus, nuclei, stain, and stain without nucleus."""

_BIN_UM = 1.0
_WIDTH_UM = 3.0
_OVERVIEW = 640

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]


def bin_edge(pixel_um: float) -> int:
    """Return the edge in pixels of the squares that are judged: about a µm, one pixel at least."""
    return max(round(_BIN_UM / pixel_um), 1)


@dataclass(frozen=True, eq=False)
class Overview:
    """The whole slide as a small picture.

    Parameters
    ----------
    stain
        ``(y, x)`` mean nuclear stain on its scale; NaN where none was read.
    tissue
        ``(y, x)`` bool.
    pixel_um
        Edge of one of its pixels.
    """

    stain: npt.NDArray[np.float32]
    tissue: Flags
    pixel_um: float


@dataclass(frozen=True, eq=False)
class Maps:
    """What one block shows, on squares of ``bin_px`` pixels.

    Parameters
    ----------
    kinds
        ``(5, i, j)`` bool in the order of ``KINDS``.
    stain
        ``(i, j)`` mean nuclear stain.
    labels
        ``(i, j)`` label of the nucleus in the middle of each square.
    """

    kinds: Flags
    stain: npt.NDArray[np.float32]
    labels: Counts


@dataclass(frozen=True, eq=False)
class Surface:
    """A slide as this pass reads it.

    Parameters
    ----------
    nuclei
        ``(y, x)`` labels of the nuclei, or of the cells where there are no nuclei.
    stain
        The nuclear stain; None where nothing shows it.
    tissue, grid_um
        Tissue on the working grid.
    pixel_um
        Edge of a pixel.
    empty_um, halo_um
        Beyond the first from any nucleus tissue is empty; up to the second from a nucleus stain
        belongs to it.
    whole_cells
        Whether the labels are those of cells: of each is then asked whether it holds any stain.
    """

    nuclei: Plane
    stain: NuclearStain | None
    tissue: Flags
    grid_um: float
    pixel_um: float
    empty_um: float
    halo_um: float
    whole_cells: bool = False

    @property
    def judges_stain(self) -> bool:
        """Whether the stain has a level from which on a place is stained."""
        return self.stain is not None and bool(np.isfinite(self.stain.threshold))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.nuclei.shape[-2]), int(self.nuclei.shape[-1])

    @property
    def bin_px(self) -> int:
        """Edge in pixels of the squares that are judged."""
        return bin_edge(self.pixel_um)

    @property
    def bin_um(self) -> float:
        """The same in µm."""
        return self.bin_px * self.pixel_um

    @property
    def halo_px(self) -> int:
        """How far around a block pixels are read; whole squares."""
        width = round(_WIDTH_UM / self.bin_um) + 1
        far = np.ceil(max(self.empty_um, self.halo_um + width * self.bin_um) / self.bin_um) + 1
        return int(far) * self.bin_px

    def maps(self, block: Block) -> Maps:
        """Return what a block shows; its corner lies on the raster of squares."""
        from immunescape.quality._coverage_kernels import beyond, mean_bins, opened

        outer = block.grown(self.halo_px, self.shape)
        labels = np.asarray(self.nuclei[outer.slices])
        pixels = None if self.stain is None else self.stain.read(outer)
        stain = np.zeros(labels.shape, np.float32)
        if self.stain is not None and pixels is not None:
            stain = self.stain.scaled(pixels)
        mean, covered_px, middle = mean_bins(stain, labels, self.bin_px)
        tissue = on_bins(self.tissue, self.grid_um, self.pixel_um, outer, self.bin_px)
        covered = covered_px > 0
        empty = beyond(covered, self.empty_um / self.bin_um, tissue & ~covered)
        stained = missed = np.zeros(tissue.shape, bool)
        if self.stain is not None and self.judges_stain:
            stained = tissue & (mean >= self.stain.threshold)
            missed = beyond(covered, self.halo_um / self.bin_um, stained & ~covered)
            missed = opened(missed, max(round(_WIDTH_UM / self.bin_um), 1))
        inside = tuple(
            slice((a - b) // self.bin_px, -(-(c - b) // self.bin_px))
            for a, c, b in ((block.y0, block.y1, outer.y0), (block.x0, block.x1, outer.x0))
        )
        kinds = np.stack([tissue, empty, covered & tissue, stained, missed])
        return Maps(kinds[:, inside[0], inside[1]], mean[inside], middle[inside])


@dataclass(frozen=True, eq=False)
class Coverage:
    """Sums of one pass.

    Parameters
    ----------
    area_um2
        ``(5, rows, columns)`` area of each of ``KINDS`` by tile; covered is counted in tissue.
    judges_stain
        Whether stain was judged; if not, its areas are 0.
    labels, stain
        Each nucleus that a square's middle hits, ascending, and its mean stain; of whole cells
        the share of them that is stained. Empty without nuclear stain.
    overview
        The slide as a small picture.
    """

    area_um2: Floats
    judges_stain: bool
    labels: Counts
    stain: Floats
    overview: Overview


def cover_slide(
    surface: Surface,
    grid: TileGrid,
    block_px: int,
    progress: Progress = silent,
    mapper: BlockMap = in_threads,
) -> Coverage:
    """Read every pixel once; the size of the blocks changes memory, not the result."""
    from immunescape.quality._coverage_kernels import add_up

    edge = surface.bin_px
    size = max(round(block_px / edge), 1) * edge
    shape = surface.shape
    sums = np.zeros((len(KINDS), *grid.shape), np.int64)
    small = _Overview.of(surface)
    blocks = list(iter_blocks(shape, size))
    found: list[tuple[Counts, Counts, Floats]] = []
    parts = mapper("segmentation quality", surface.maps, blocks)
    for done, (block, part) in enumerate(zip(blocks, parts, strict=True), start=1):
        y, down = _middles(block.y0, block.y1, edge, surface.pixel_um)
        x, across = _middles(block.x0, block.x1, edge, surface.pixel_um)
        add_up(part.kinds, down, across, grid.rows(y), grid.columns(x), sums)
        small.add(part, y, x)
        if surface.judges_stain:
            found.append(_by_label(part, surface.whole_cells))
        progress("segmentation quality", done, len(blocks))
    labels, stain = _joined(found)
    area = sums.astype(np.float64) * surface.pixel_um**2
    return Coverage(area, surface.judges_stain, labels, stain, small.finished())


def _middles(start: int, stop: int, edge: int, pixel_um: float) -> tuple[Floats, Counts]:
    first = np.arange(start, stop, edge)
    last = np.minimum(first + edge, stop)
    return (first + last) / 2 * pixel_um, last - first


def _by_label(part: Maps, whole_cells: bool) -> tuple[Counts, Counts, Floats]:
    """Return labels, number of squares and summed stain of the nuclei in a block."""
    import pandas as pd

    hit = part.labels != 0
    codes, labels = pd.factorize(part.labels[hit])
    number = np.bincount(codes, minlength=len(labels)).astype(np.int64)
    weights = part.kinds[3] if whole_cells else part.stain
    total = np.bincount(codes, weights[hit], len(labels)).astype(np.float64)
    return np.asarray(labels, np.int64), number, total


def _joined(found: list[tuple[Counts, Counts, Floats]]) -> tuple[Counts, Floats]:
    if not found:
        return np.zeros(0, np.int64), np.zeros(0)
    labels, number, total = (np.concatenate(part) for part in zip(*found, strict=True))
    unique, at = np.unique(labels, return_inverse=True)
    return unique, np.bincount(at, total, len(unique)) / np.bincount(at, number, len(unique))


@dataclass(frozen=True, eq=False)
class _Overview:
    """Sums of what will be the small picture."""

    edge_um: float
    stain: Floats
    count: Floats
    tissue: Floats
    read: bool

    @classmethod
    def of(cls, surface: Surface) -> "_Overview":
        height, width = (n * surface.pixel_um for n in surface.shape)
        edge = max(surface.bin_um, max(height, width) / _OVERVIEW)
        shape = int(np.ceil(height / edge - 1e-9)), int(np.ceil(width / edge - 1e-9))
        stain, count, tissue = (np.zeros(shape) for _ in range(3))
        return cls(edge, stain, count, tissue, surface.stain is not None)

    def add(self, part: Maps, y_um: Floats, x_um: Floats) -> None:
        from immunescape.quality._coverage_kernels import collect

        rows = np.minimum((y_um / self.edge_um).astype(np.intp), self.count.shape[0] - 1)
        columns = np.minimum((x_um / self.edge_um).astype(np.intp), self.count.shape[1] - 1)
        collect(part.stain, part.kinds[0], rows, columns, self.stain, self.tissue, self.count)

    def finished(self) -> Overview:
        with np.errstate(invalid="ignore", divide="ignore"):
            stain = self.stain / self.count if self.read else np.full(self.count.shape, np.nan)
        return Overview(stain.astype(np.float32), 2 * self.tissue >= self.count, self.edge_um)
