"""Measurement of every cell, beside scikit-image, nyxus, steinbock and mcquant's method.

    make bench-measure, or: .venv-bench/bin/python benchmarks/peers_measure.py [--quick]

30,000 cells, 6 channels of uint16, 4096 x 4096 pixels; each method in a process of its own, on the
same pixels, once loaded and compiled. The columns are those that ours gives: area, centroid,
eccentricity, solidity, and the mean of every channel in nucleus, cytoplasm, membrane and cell. The
others know no compartments, so they are handed a label image of each, made outside their time, and
are asked for shapes of the cell alone. Every value is compared with ours.

- ``regionprops_table`` of scikit-image: one call a compartment, all channels at once;
- nyxus: shapes and mean of the first channel in one call, means of the others in one call each,
  all cores;
- steinbock: its own functions, ``scipy.ndimage.mean`` a channel and ``regionprops_table``;
- mcquant: its method, as it is not on PyPI: ``regionprops_table`` anew for every channel, and the
  nine shapes that it always measures, for the cell alone;
- means without shapes: ``scipy.ndimage.mean`` and ``numpy.bincount``, the least that could be done.

Ends with 1 if ours is not 50 times as fast as ``regionprops_table`` and 3 times as fast as the
fastest of the tools that give the same columns.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from immunescape.blocks import Block
from immunescape.measure import measure_cells
from immunescape.panel import COMPARTMENTS, Panel, Stain
from immunescape.slide import Slide
from peers import (
    GREY,
    OURS,
    Result,
    bare,
    colour_of,
    dots,
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
RIM_PX = 2  # 1 µm
CHANNELS = 6
MARKERS = tuple(f"m{i}" for i in range(CHANNELS))
SHAPES = ("area", "centroid", "eccentricity", "solidity")
LEAST_SKIMAGE = 50.0
LEAST_FASTEST = 3.0
LIMIT_S = 900.0
WARM_PX = 384
CLOSE = 1e-9
EDGES = (1024, 2048, 4096, 8192)
"""Pixels along an edge for the growth: 1, 4, 16, 64 Mpx."""
MEANS_ALONE = ("ndi_mean", "bincount")

Masks = dict[str, np.ndarray]


# What each method makes of the same masks and pixels: a table by label.


def by_ours(masks: Masks, image: np.ndarray, rims: int = 0) -> pd.DataFrame:
    """Measure all in one pass; ``rims`` markers are read in the membrane, with all that adds."""
    stains = tuple(
        Stain(channel=m, marker=m, compartment="membrane" if i < rims else "cell")
        for i, m in enumerate(MARKERS)
    )
    slide = Slide("benchmark", (image,), MARKERS, PIXEL_UM)
    return measure_cells(slide, masks["nucleus"], masks["cell"], Panel(stains)).frame


def by_ours_rims(masks: Masks, image: np.ndarray) -> pd.DataFrame:
    """Measure with two membrane markers: unshared part, percentile and eighths of the rim too."""
    return by_ours(masks, image, rims=2)


def by_skimage(masks: Masks, image: np.ndarray) -> pd.DataFrame:
    """Measure with one call a compartment."""
    from skimage.measure import regionprops_table

    last = np.moveaxis(image, 0, -1)
    found = {}
    for compartment, labels in masks.items():
        wanted = ("label", *(SHAPES if compartment == "cell" else ()), "intensity_mean")
        made = pd.DataFrame(regionprops_table(labels, last, properties=wanted)).set_index("label")
        found[compartment] = made.rename(columns=lambda c: c.replace("intensity_mean-", "mean-"))
    return _joined(found)


def by_mcquant(masks: Masks, image: np.ndarray) -> pd.DataFrame:
    """Measure as mcquant does: each channel by itself, and its nine shapes."""
    from skimage.measure import regionprops_table

    found = {}
    for compartment, labels in masks.items():
        means = {}
        for channel, pixels in enumerate(image):
            made = regionprops_table(labels, pixels, properties=("label", "intensity_mean"))
            means[f"mean-{channel}"] = pd.Series(made["intensity_mean"], made["label"])
        found[compartment] = pd.DataFrame(means)
    always = ("label", *SHAPES, "major_axis_length", "minor_axis_length", "extent", "orientation")
    shapes = pd.DataFrame(regionprops_table(masks["cell"], properties=always)).set_index("label")
    found["cell"] = found["cell"].join(shapes)
    return _joined(found)


def by_steinbock(masks: Masks, image: np.ndarray) -> pd.DataFrame:
    """Measure with steinbock's own functions."""
    from steinbock.measurement.intensities import IntensityAggregation, measure_intensites
    from steinbock.measurement.regionprops import measure_regionprops

    names = [f"mean-{i}" for i in range(len(image))]
    found = {
        compartment: measure_intensites(image, labels, names, IntensityAggregation.MEAN)
        for compartment, labels in masks.items()
    }
    shapes = measure_regionprops(image, masks["cell"], SHAPES)
    return _joined({k: v.join(shapes) if k == "cell" else v for k, v in found.items()})


def by_nyxus(masks: Masks, image: np.ndarray) -> pd.DataFrame:
    """Measure with nyxus: shapes once, then the mean of one channel after the other."""
    from nyxus import Nyxus

    from immunescape.threads import allotted_threads

    names = {
        "AREA_PIXELS_COUNT": "area",
        "CENTROID_X": "centroid-1",
        "CENTROID_Y": "centroid-0",
        "ECCENTRICITY": "eccentricity",
        "SOLIDITY": "solidity",
    }
    threads = allotted_threads()
    means = Nyxus(["MEAN"], n_feature_calc_threads=threads)
    shapes = Nyxus(["MEAN", *names], n_feature_calc_threads=threads)
    found = {}
    for compartment, labels in masks.items():
        columns = []
        for channel, pixels in enumerate(image):
            first = compartment == "cell" and channel == 0
            made = (shapes if first else means).featurize(pixels, labels).set_index("ROI_label")
            made = made.rename(columns={"MEAN": f"mean-{channel}"} | names)
            wanted = [f"mean-{channel}", *(names.values() if first else ())]
            columns.append(made[wanted])
        found[compartment] = pd.concat(columns, axis=1)
    return _joined(found)


def by_ndi_mean(masks: Masks, image: np.ndarray) -> pd.DataFrame:
    """Means alone: ``scipy.ndimage.mean`` of each channel and compartment."""
    from scipy import ndimage

    found = {}
    for compartment, labels in masks.items():
        index = np.unique(labels[labels > 0])
        means = {f"mean-{i}": ndimage.mean(p, labels, index) for i, p in enumerate(image)}
        found[compartment] = pd.DataFrame(means, index)
    return _joined(found)


def by_bincount(masks: Masks, image: np.ndarray) -> pd.DataFrame:
    """Means alone: ``numpy.bincount`` weighted with each channel."""
    found = {}
    for compartment, labels in masks.items():
        flat = labels.ravel()
        count = np.bincount(flat)
        index = np.flatnonzero(count)[1:]
        means = {
            f"mean-{i}": np.bincount(flat, p.ravel())[index] / count[index]
            for i, p in enumerate(image)
        }
        found[compartment] = pd.DataFrame(means, index)
    return _joined(found)


def _joined(found: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Put the compartments side by side under our names."""
    named = []
    for compartment, made in found.items():
        means = {f"mean-{i}": f"{m}_{compartment}_mean" for i, m in enumerate(MARKERS)}
        named.append(made.rename(columns=means))
    return pd.concat(named, axis=1).sort_index()


METHODS = {
    "ours": ("immunescape, all columns", by_ours),
    "ours_rims": ("immunescape, and two membrane markers by eighths of the rim", by_ours_rims),
    "skimage": ("scikit-image regionprops_table", by_skimage),
    "nyxus": ("nyxus", by_nyxus),
    "steinbock": ("steinbock", by_steinbock),
    "mcquant": ("mcquant's method", by_mcquant),
    "ndi_mean": ("means alone: scipy.ndimage.mean", by_ndi_mean),
    "bincount": ("means alone: numpy.bincount", by_bincount),
}


def make_input(folder: Path, edge: int) -> int:
    """Write image and masks of a square; return the number of cells.

    Larger ones are laid together from squares of 4096 pixels, with labels of their own.
    """
    unit = min(edge, 4096)
    times = edge // unit
    drawn = Tissue(round(150 * unit / 4096), round(200 * unit / 4096), (unit, unit))
    nuclei, cells = drawn.labels(Block(0, unit, 0, unit))
    top = int(cells.max())
    added = np.kron(np.arange(times**2).reshape(times, times) * top, np.ones((unit, unit), int))
    image = np.random.default_rng(1).integers(0, 4096, (CHANNELS, unit, unit), dtype=np.uint16)
    nuclei, cells = (
        np.where(np.tile(a, (times, times)) > 0, np.tile(a, (times, times)) + added, 0)
        for a in (nuclei, cells)
    )
    np.save(folder / "image.npy", np.tile(image, (1, times, times)))
    for compartment, mask in compartment_masks(
        nuclei.astype(np.int32), cells.astype(np.int32)
    ).items():
        np.save(folder / f"{compartment}.npy", mask)
    return top * times**2


def compartment_masks(nuclei: np.ndarray, cells: np.ndarray) -> Masks:
    """Return the label image of each compartment, by shifted copies of the whole image."""
    rim = np.zeros(cells.shape, bool)
    size = cells.shape[0]
    for dy in range(-RIM_PX, RIM_PX + 1):
        for dx in range(-RIM_PX, RIM_PX + 1):
            if np.hypot(max(abs(dy) - 0.5, 0), max(abs(dx) - 0.5, 0)) > RIM_PX:
                continue
            here = (slice(max(0, -dy), size - max(0, dy)), slice(max(0, -dx), size - max(0, dx)))
            there = (slice(max(0, dy), size - max(0, -dy)), slice(max(0, dx), size - max(0, -dx)))
            rim[here] |= cells[here] != cells[there]
    return {
        "nucleus": nuclei,
        "cytoplasm": np.where(nuclei == 0, cells, 0),
        "membrane": np.where(rim, cells, 0),
        "cell": cells,
    }


def alone(name: str, folder: Path) -> None:
    """Time one method on what lies in a folder, and leave its table there."""
    masks = {c: np.load(folder / f"{c}.npy") for c in COMPARTMENTS}
    image = np.load(folder / "image.npy")
    corner = slice(0, WARM_PX), slice(0, WARM_PX)
    few = {c: np.ascontiguousarray(m[corner]) for c, m in masks.items()}
    some = np.ascontiguousarray(image[:, *corner])
    method = METHODS[name][1]
    made = report(lambda: method(few, some), lambda: method(masks, image))
    made.to_parquet(folder / f"{name}.parquet")


def differences(ours: pd.DataFrame, other: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Return the median and largest relative difference of each kind of column that both have."""
    same_units = {
        "area": ours["area_um2"] / PIXEL_UM**2,
        "centroid-0": ours["y_um"] / PIXEL_UM - 0.5,
        "centroid-1": ours["x_um"] / PIXEL_UM - 0.5,
        "eccentricity": ours["eccentricity"],
        "solidity": ours["solidity"],
    }
    found: dict[str, list[np.ndarray]] = {}
    for column in other:
        mine = same_units.get(column, ours.get(column))
        if mine is None:
            continue
        kind = "mean" if str(column).endswith("_mean") else str(column).partition("-")[0]
        both = pd.concat([mine, other[column]], axis=1, keys=("ours", "other"))  # by label
        far = (both["other"] - both["ours"]).abs() / both["ours"].abs().clip(lower=1e-9)
        # a value that only one of the two gives
        far[both["ours"].isna() ^ both["other"].isna()] = np.inf
        found.setdefault(kind, []).append(far[~both.isna().all(axis=1)].to_numpy())
    return {
        kind: (float(np.median(np.concatenate(far))), float(np.concatenate(far).max()))
        for kind, far in found.items()
    }


def beside_each_other(edge: int, names: list[str]) -> dict[str, Result]:
    """Run the methods on one size, and print the table of ratios and of differences."""
    with tempfile.TemporaryDirectory(prefix="peers_measure_") as made:
        folder = Path(made)
        cells = make_input(folder, edge)
        results = {n: run_alone(__file__, (n, folder), LIMIT_S) for n in names}
        tables = {n: pd.read_parquet(folder / f"{n}.parquet") for n in names if results[n]}
    print(f"\n{edge} x {edge} pixels, {cells} cells, {CHANNELS} channels\n")
    rows = []
    for name in names:
        result = results[name]
        if not result:
            rows.append((METHODS[name][0], result.problem, *[""] * 6))
            continue
        own = name.startswith("ours")
        differs = {} if own else differences(tables["ours"], tables[name])
        wide = [
            f"{kind} {far:.1e} (median {middle:.1e})"
            for kind, (middle, far) in differs.items()
            if far > CLOSE
        ]
        agrees = "" if own else "; ".join(wide) or f"all values to {CLOSE:g}"
        rows.append(
            (
                METHODS[name][0],
                f"{duration(result.seconds)} ({result.runs})",
                times(result.seconds / results["ours"].seconds),
                duration(result.processor),
                times(result.processor / results["ours"].processor),
                duration(result.first),
                f"{result.peak_gib:.2f} ({result.start_gib:.2f})",
                agrees,
            )
        )
    header = (
        "method", "time (runs)", "times ours", "processor", "times ours", "loading",
        "peak GiB (before it began)", "largest relative differences from ours",
    )  # fmt: skip
    print(table(header, rows))
    return results


def growth(names: list[str], edges: tuple[int, ...], most: dict[str, int]) -> dict[str, dict]:
    """Time ours and some others over sizes; ``most`` is the largest edge that each is asked."""
    found: dict[str, dict[float, Result]] = {name: {} for name in names}
    for edge in edges:
        with tempfile.TemporaryDirectory(prefix="peers_measure_") as made:
            make_input(Path(made), edge)
            for name in names:
                if edge <= most.get(name, edge):
                    result = run_alone(__file__, (name, Path(made)), LIMIT_S)
                    if result:
                        found[name][edge**2 / 1e6] = result
    rows = [
        (
            METHODS[name][0],
            *(f"{1e3 * by[m].seconds / m:.1f}" if (m := e**2 / 1e6) in by else "" for e in edges),
        )
        for name, by in found.items()
    ]
    print("\nms per Mpx\n")
    print(table(("method", *(f"{e**2 / 1e6:.0f} Mpx" for e in edges)), rows))
    return found


def draw(results: dict[str, Result], grown: dict[str, dict], edge: int) -> object:
    """Draw times as bars, and how they grow with the image."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.5, 4.4), layout="constrained")
    rows, lines = figure.subplots(1, 2, width_ratios=(1.25, 1))
    base = results["ours"].seconds
    dots(
        rows,
        [
            (
                METHODS[name][0].replace(", and two", ",\nand two"),
                result.seconds,
                f"{duration(result.seconds)}"
                + ("" if name == "ours" else f", {times(result.seconds / base)} times"),
                OURS if name.startswith("ours") else GREY,
            )
            for name, result in sorted(results.items(), key=lambda item: item[1].seconds)
            if result
        ],
    )
    rows.set_xlabel("seconds, logarithmic")
    rows.set_title(
        f"{edge} x {edge} pixels, {CHANNELS} channels:\n"
        f"shapes and {CHANNELS * len(COMPARTMENTS)} means a cell",
        fontsize=10, loc="left",
    )  # fmt: skip
    for name, by in grown.items():
        label = METHODS[name][0].removeprefix("means alone: ")
        x, y = list(by), [r.seconds for r in by.values()]
        lines.plot(x, y, "o-", color=colour_of(label), linewidth=2 if name == "ours" else 1.3,
                   markersize=4, label=label)  # fmt: skip
    lines.set(xscale="log", yscale="log", xlabel="Mpx", ylabel="seconds")
    ticks = [
        edge**2 / 1e6 for edge in EDGES if edge**2 / 1e6 <= max(max(b) for b in grown.values() if b)
    ]
    lines.set_xticks(ticks, [f"{t:.0f}" for t in ticks])
    lines.minorticks_off()
    lines.set_title("Growth with the image", fontsize=10, loc="left")
    lines.legend(frameon=False, fontsize=8.5)
    bare(lines)
    return figure


def main() -> int:
    """Print tables of ratios, draw them, and judge the bounds."""
    options = parser(__doc__).parse_args()
    if options.alone:
        alone(options.alone[0], Path(options.alone[1]))
        return 0
    edge = 1024 if options.quick else 4096
    print(machine())
    print(versions("immunescape", "scikit-image", "nyxus", "steinbock", "scipy", "numpy"))
    results = beside_each_other(edge, list(METHODS))
    peers = {n: results[n] for n in METHODS if n not in MEANS_ALONE and "ours" not in n}
    rivals = {n: r.seconds for n, r in peers.items() if r}
    fastest = min(rivals, key=lambda name: rivals[name])
    edges = tuple(e for e in EDGES if e <= (2048 if options.quick else 8192))
    # every size of the slow ones would take minutes and tell the same
    most = {"skimage": edge, fastest: edge, "bincount": edge}
    names = list(dict.fromkeys(("ours", "skimage", fastest, "bincount")))
    grown = growth(names, edges, most)
    ours = results["ours"].seconds
    print(f"\nfastest of the tools with the same columns: {METHODS[fastest][0]}")
    save_plot(draw(results, grown, edge), "measure", options)
    return judge(
        [
            ("times as fast as regionprops_table", rivals["skimage"] / ours, LEAST_SKIMAGE, True),
            ("times as fast as the fastest tool", rivals[fastest] / ours, LEAST_FASTEST, True),
        ],
        options,
    )


if __name__ == "__main__":
    sys.exit(main())
