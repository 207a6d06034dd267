"""Contacts and neighbours of up to a million cells, beside other tools.

    make bench-space, or: .venv-bench/bin/python benchmarks/peers_space.py [--quick]

1. Contacts: a label image like tissue, 20 x 20 pixels a cell, made block by block and stored as
   our label store; at a million cells it has 20,000 x 20,000 pixels. Two cells touch where pixels
   of theirs share an edge, which all of these find alike, so the pairs must be the same ones:

   - ours, read from the store by blocks;
   - numpy: the whole image in memory, compared with itself shifted by one; nobody's tool, but the
     least that could be done;
   - ``skimage.graph.RAG``;
   - steinbock's border distance of at most one pixel; its labels have 16 bits.

   Others answer another question, and how far it agrees is said: scikit-image's ``expand_labels``
   by one pixel before the comparison, as tools do that bridge gaps, and squidpy's Delaunay graph of
   the centroids, which stands in for contacts where labels are not looked at.

2. Neighbours: all others within 30 µm of each of up to a million random points, 5000 per mm²: ours
   against squidpy, scikit-learn's radius graph and ball tree, steinbock's distance matrix, and
   ``scipy.spatial.cKDTree``, which ours uses.

Each method runs in a process of its own on each size, once loaded and compiled; times hold reading
the input. A method is asked for no size that the table says it would not bear. Ends with 1 if the
contacts of a million cells take 10 s or 2 GB, or their neighbours 5 s.
"""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from immunescape.blocks import iter_blocks
from immunescape.io.label_store import LabelStore
from immunescape.spatial import ContactParams, count_within, find_contacts, pairs_within
from peers import (
    Result,
    bare,
    colour_of,
    duration,
    judge,
    machine,
    parser,
    report,
    run_alone,
    save_plot,
    table,
    times,
    versions,
)
from tissue import Tissue

PIXEL_UM = 0.5
RADIUS_UM = 30.0
PER_MM2 = 5000.0
BLOCK_PX = 2048
SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (1_000, 10_000)
WARM = 400
MOST_CONTACTS_S, MOST_CONTACTS_GB, MOST_NEIGHBOURS_S = 10.0, 2.0, 5.0
LIMIT_S = 900.0

Pairs = np.ndarray
"""``(n, 2)`` labels or positions, every pair once, the lower one first, sorted."""


# 1. contacts, from the folder of a label store


def _read(folder: Path) -> np.ndarray:
    return np.asarray(LabelStore.open(folder / "labels.zarr")["cells"][...])


def touching_ours(folder: Path) -> Pairs:
    """Find the contacts by blocks; edges of any length, no gap."""
    cells = LabelStore.open(folder / "labels.zarr")["cells"]
    params = ContactParams(min_contact_um=0.0, gap_um=0.0)
    return find_contacts(cells, PIXEL_UM, params).pairs[["label_a", "label_b"]].to_numpy()


def touching_ours_default(folder: Path) -> Pairs:
    """Find the contacts as the program does: 1 µm of edge, across gaps of at most 1 µm."""
    cells = LabelStore.open(folder / "labels.zarr")["cells"]
    return find_contacts(cells, PIXEL_UM).pairs[["label_a", "label_b"]].to_numpy()


def _shifted(labels: np.ndarray) -> Pairs:
    found = []
    for a, b in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:])):
        edge = (a != b) & (a > 0) & (b > 0)
        low, high = np.minimum(a[edge], b[edge]), np.maximum(a[edge], b[edge])
        found.append(low.astype(np.int64) << 32 | high)
    packed = np.unique(np.concatenate(found))
    return np.stack([packed >> 32, packed & 0xFFFFFFFF], axis=1)


def touching_numpy(folder: Path) -> Pairs:
    """Compare the image in memory with itself, shifted by one pixel."""
    return _shifted(_read(folder))


def touching_expanded(folder: Path) -> Pairs:
    """Expand the labels by a pixel, then compare."""
    from skimage.segmentation import expand_labels

    return _shifted(expand_labels(_read(folder), 1))


def touching_rag(folder: Path) -> Pairs:
    """Ask scikit-image's region adjacency graph."""
    from skimage.graph import RAG

    edges = np.array(RAG(_read(folder), connectivity=1).edges, np.int64).reshape(-1, 2)
    return np.unique(np.sort(edges[(edges > 0).all(axis=1)], axis=1), axis=0)


def touching_steinbock(folder: Path) -> Pairs:
    """Ask steinbock for labels whose borders are at most a pixel apart."""
    from steinbock.measurement.neighbors import NeighborhoodType, measure_neighbors

    method = NeighborhoodType.EUCLIDEAN_BORDER_DISTANCE
    found = measure_neighbors(_read(folder).astype(np.uint16), method, dmax=1.0)
    both = found[["Object", "Neighbor"]].to_numpy().astype(np.int64)
    return np.unique(np.sort(both, axis=1), axis=0)


def touching_delaunay(folder: Path) -> Pairs:
    """Ask squidpy for the Delaunay graph of the centroids; the centroids themselves are given."""
    made = np.load(folder / "centroids.npz")
    graph = _squidpy(made["points"], coord_type="generic", delaunay=True)
    low, high = graph.nonzero()
    keep = low < high
    return np.unique(np.stack([made["labels"][low], made["labels"][high]], axis=1)[keep], axis=0)


# 2. neighbours, from the points in a folder


def _points(folder: Path) -> np.ndarray:
    return np.load(folder / "points.npy")


def _once(low: np.ndarray, high: np.ndarray) -> Pairs:
    keep = low < high
    pairs = np.stack([low[keep], high[keep]], axis=1).astype(np.int64)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def near_ours(folder: Path) -> Any:
    """List every pair in both directions, sorted."""
    points = _points(folder)
    return pairs_within(points, points, RADIUS_UM)


def near_ours_counted(folder: Path) -> Any:
    """Count the neighbours of each point."""
    points = _points(folder)
    return count_within(points, points, RADIUS_UM, same=True)


def near_kdtree(folder: Path) -> Any:
    """List every pair once, in no order: the least that could be done."""
    from scipy.spatial import cKDTree

    return cKDTree(_points(folder)).query_pairs(RADIUS_UM, output_type="ndarray")


def near_squidpy(folder: Path) -> Any:
    """Ask squidpy for the graph of a radius."""
    return _squidpy(_points(folder), coord_type="generic", radius=RADIUS_UM)


def _squidpy(points: np.ndarray, **how: Any) -> Any:
    import squidpy
    from anndata import AnnData

    made = AnnData(obs=pd.DataFrame(index=np.arange(len(points)).astype(str)))
    made.obsm["spatial"] = points
    squidpy.gr.spatial_neighbors(made, **how)
    return made.obsp["spatial_connectivities"]


def near_sklearn(folder: Path) -> Any:
    """Ask scikit-learn for the graph of a radius, on all cores."""
    from sklearn.neighbors import radius_neighbors_graph

    return radius_neighbors_graph(_points(folder), RADIUS_UM, n_jobs=-1)


def near_balltree(folder: Path) -> Any:
    """Ask scikit-learn's ball tree for the neighbours of each point."""
    from sklearn.neighbors import BallTree

    points = _points(folder)
    return BallTree(points).query_radius(points, RADIUS_UM)


def near_steinbock(folder: Path) -> Any:
    """Measure all distances and keep the short ones, as steinbock does with its centroids."""
    from scipy.spatial.distance import pdist

    points = _points(folder)
    n = len(points)
    (near,) = np.nonzero(pdist(points) <= RADIUS_UM)
    first = np.arange(n) * n - np.arange(n) * (np.arange(n) + 1) // 2  # of each row's distances
    low = np.searchsorted(first, near, side="right") - 1
    low = np.minimum(low, n - 2)  # the last row has none
    return np.stack([low, near - first[low] + low + 1], axis=1)


def as_pairs(found: Any) -> Pairs:
    """Bring whatever a method returned into one form; not timed."""
    if hasattr(found, "nonzero") and not isinstance(found, np.ndarray):
        return _once(*found.nonzero())
    if found.dtype == object:
        own = np.repeat(np.arange(len(found)), [len(f) for f in found])
        return _once(own, np.concatenate(found))
    if found.ndim == 1:
        return np.array([[int(found.sum()) // 2, 0]])  # counts
    return _once(found[:, 0], found[:, 1])


@dataclass(frozen=True)
class Method:
    """A way to find pairs.

    Parameters
    ----------
    name
        As the tables and plots call it.
    find
        What is timed, given the folder of the input.
    most
        The largest number of cells that it is asked for.
    why
        Why no more.
    same
        Whether it answers the same question as the first of its table.
    tool
        Whether somebody offers it for this, rather than the least that could be done.
    """

    name: str
    find: Callable[[Path], Any]
    most: int = SIZES[-1]
    why: str = ""
    same: bool = True
    tool: bool = True


LOOP = "reads the whole image once a cell; 16 bit labels"
CONTACTS = {
    "ours": Method("immunescape, from the store", touching_ours),
    "ours_default": Method(
        "immunescape, its defaults (1 µm of edge, 1 µm of gap)", touching_ours_default, same=False
    ),
    "numpy": Method("numpy, whole image in memory", touching_numpy, tool=False),
    "rag": Method("scikit-image graph.RAG", touching_rag, 100_000, "minutes"),
    "steinbock": Method("steinbock, border distance", touching_steinbock, 10_000, LOOP),
    "expand": Method(
        "scikit-image expand_labels, then by numpy", touching_expanded, 100_000,
        "40 bytes a pixel: 16 GB", same=False,
    ),
    "delaunay": Method(
        "squidpy, Delaunay of given centroids", touching_delaunay, 100_000,
        "a call of Python a cell: minutes", same=False,
    ),
}  # fmt: skip
NEIGHBOURS = {
    "ours": Method("immunescape, all pairs in order", near_ours),
    "ours_counted": Method("immunescape, counts alone", near_ours_counted, same=False),
    "kdtree": Method("scipy cKDTree, pairs once, no order", near_kdtree, tool=False),
    "squidpy": Method("squidpy", near_squidpy),
    "sklearn": Method("scikit-learn radius_neighbors_graph", near_sklearn),
    "balltree": Method("scikit-learn BallTree", near_balltree),
    "steinbock": Method(
        "steinbock's method, a distance matrix", near_steinbock, 10_000, "40 GB at 100,000"
    ),
}
KINDS = {"contacts": CONTACTS, "neighbours": NEIGHBOURS}


def make_contacts(folder: Path, cells: int) -> int:
    """Store a tissue by blocks, and the centroids of its cells; return how many there are."""
    tissue = Tissue.of_cells(cells)
    store = LabelStore.create(folder / "labels.zarr", PIXEL_UM)
    out = store.add("cells", tissue.shape)
    sums = np.zeros((3, tissue.rows * tissue.columns + 1))
    for block in iter_blocks(tissue.shape, BLOCK_PX):
        labels = tissue.labels(block)[1]
        out[block.slices] = labels
        flat = labels.ravel()
        y = np.repeat(np.arange(block.y0, block.y1), block.shape[1])
        x = np.tile(np.arange(block.x0, block.x1), block.shape[0])
        low, high = int(flat.min()), int(flat.max()) + 1
        for row, weights in enumerate((None, y, x)):
            sums[row, low:high] += np.bincount(flat - low, weights, high - low)
    labels = np.flatnonzero(sums[0, 1:]) + 1
    points = (sums[2:0:-1, labels] / sums[0, labels] + 0.5).T * PIXEL_UM
    np.savez(folder / "centroids.npz", labels=labels, points=points)
    return len(labels)


def make_neighbours(folder: Path, cells: int) -> int:
    """Store random points, 5000 per mm²; return their number."""
    edge_um = (cells / PER_MM2) ** 0.5 * 1000
    np.save(folder / "points.npy", np.random.default_rng(0).uniform(0, edge_um, (cells, 2)))
    return cells


MAKERS = {"contacts": make_contacts, "neighbours": make_neighbours}


def alone(kind: str, name: str, folder: Path) -> None:
    """Time one method on what lies in a folder, and leave its pairs there."""
    method = KINDS[kind][name]
    found = report(lambda: method.find(folder / "small"), lambda: method.find(folder))
    np.save(folder / f"{name}.npy", found if kind == "contacts" else as_pairs(found))


def agreement(name: str, pairs: Pairs, reference: Pairs) -> str:
    """Say how the pairs of a method compare with ours."""
    if name == "ours_counted":
        return f"{int(pairs[0, 0])} pairs counted"
    if np.array_equal(pairs, reference):
        return "the same"
    packed, wanted = (p[:, 0].astype(np.int64) << 32 | p[:, 1] for p in (pairs, reference))
    both = len(np.intersect1d(packed, wanted))
    return f"{both / max(len(wanted), 1):.1%} of ours, {len(packed) - both} others"


def compare(kind: str, sizes: tuple[int, ...]) -> dict[str, dict[int, Result]]:
    """Run all methods of a kind on all sizes; print a table a size."""
    methods = KINDS[kind]
    found: dict[str, dict[int, Result]] = {name: {} for name in methods}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="peers_space_") as made:
            folder = Path(made)
            (folder / "small").mkdir()
            MAKERS[kind](folder / "small", WARM)
            cells = MAKERS[kind](folder, size)
            reference, rows = np.zeros((0, 2)), []
            for name, method in methods.items():
                if size > method.most:
                    rows.append((method.name, f"not asked: {method.why}", *[""] * 7))
                    continue
                result = run_alone(__file__, (kind, name, folder), LIMIT_S)
                found[name][size] = result
                if not result:
                    rows.append((method.name, result.problem, *[""] * 7))
                    continue
                pairs = np.load(folder / f"{name}.npy")
                reference = pairs if name == "ours" else reference
                ours = found["ours"][size]
                rows.append(
                    (
                        method.name,
                        f"{duration(result.seconds)} ({result.runs})",
                        times(result.seconds / ours.seconds),
                        duration(result.processor),
                        times(result.processor / ours.processor),
                        duration(result.first),
                        f"{result.peak_gib:.2f} ({result.start_gib:.2f})",
                        f"{len(pairs)}" if name != "ours_counted" else "",
                        "" if name == "ours" else agreement(name, pairs, reference),
                    )
                )
        print(f"\n{kind}, {cells} cells\n")
        header = ("method", "time (runs)", "times ours", "processor", "times ours", "loading",
                  "peak GiB (before it began)", "pairs", "beside ours")  # fmt: skip
        print(table(header, rows))
    return found


def draw(all_found: dict[str, dict[str, dict[int, Result]]]) -> object:
    """Draw time and memory over the number of cells, for contacts and neighbours."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7.4), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True)
    for row, (kind, found) in zip(grid, all_found.items(), strict=True):
        for name, by in found.items():
            if name == "ours_default":
                continue
            sizes = [s for s, r in by.items() if r]
            ours = name.startswith("ours")
            label = KINDS[kind][name].name
            style = {"linewidth": 2.2 if ours else 1.3, "markersize": 4, "color": colour_of(label)}
            style["linestyle"] = "--" if name == "ours_counted" else "-"
            row[0].plot(sizes, [by[s].seconds for s in sizes], marker="o", label=label, **style)
            row[1].plot(sizes, [by[s].peak_gib for s in sizes], marker="o", **style)
        what = "Contacts of a label image" if kind == "contacts" else "All neighbours within 30 µm"
        row[0].set_title(what, fontsize=11, loc="left")
        row[0].set(xscale="log", yscale="log", ylabel="seconds")
        row[1].set_title("peak memory of the process", fontsize=10, loc="left")
        row[1].set(xscale="log", ylabel="GiB", ylim=(0, None))
        row[0].legend(frameon=False, fontsize=8, loc="upper left")
        top = row[0].get_ylim()[1]
        row[0].set_ylim(top=top * 30)
        for axes in row:
            bare(axes)
    for axes in grid[1]:
        axes.set_xlabel("cells")
    return figure


def fastest(found: dict[str, dict[int, Result]], size: int, kind: str, tool: bool) -> str:
    """Say which of the others that give the same answer is fastest at a size, and its ratio."""
    asked = {
        name: by[size].seconds
        for name, by in found.items()
        if (method := KINDS[kind][name]).same and method.tool == tool and "ours" not in name
        if by.get(size)
    }
    if not asked:
        return "none asked"
    name = min(asked, key=lambda name: asked[name])
    return f"{KINDS[kind][name].name}: {times(asked[name] / found['ours'][size].seconds)}"


def main() -> int:
    """Print tables of ratios, draw the growth, and judge the bounds."""
    options = parser(__doc__).parse_args()
    if options.alone:
        kind, name, folder = options.alone
        alone(kind, name, Path(folder))
        return 0
    sizes = QUICK_SIZES if options.quick else SIZES
    print(machine())
    print(versions("immunescape", "squidpy", "scikit-learn", "scikit-image", "steinbock", "scipy",
                   "numpy", "zarr"))  # fmt: skip
    found = {kind: compare(kind, sizes) for kind in KINDS}
    print("\nthe fastest others with the same answer, and their time by ours\n")
    rows = [
        (kind, size, fastest(by, size, kind, tool=True), fastest(by, size, kind, tool=False))
        for kind, by in found.items()
        for size in sizes
    ]
    print(table(("what", "cells", "tool", "the least that could be done"), rows))
    save_plot(draw(found), "space", options)
    last = sizes[-1]
    contacts, near = (found[kind]["ours"][last] for kind in KINDS)
    defaults = found["contacts"]["ours_default"][last]
    return judge(
        [
            (f"s, contacts of {last} cells", max(contacts.seconds, defaults.seconds),
             MOST_CONTACTS_S, False),
            ("GB of memory meanwhile", max(contacts.peak_gib, defaults.peak_gib) * 1.073741824,
             MOST_CONTACTS_GB, False),
            (f"s, neighbours of {last} cells", near.seconds, MOST_NEIGHBOURS_S, False),
        ],
        options,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
