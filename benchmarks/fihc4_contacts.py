"""Show which cells of the lymphoid field touch, and where another definition differs.

Run ``python benchmarks/fihc4_contacts.py OUT`` with the real data beside the repository. It prints
the counts that phenoptr's tests expect beside ours. phenoptr publishes counts only, so its pairs
are found here by its definition: two filled outlines touch if they overlap once each has grown
by one pixel up, down, left and right. Every pair that only one of the two definitions finds,
whatever its kinds, is drawn into ``OUT``, and all contacts of T cells into one overview.
"""

import argparse
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.real_data import DATA
from tests.spatial.real_fields import FIHC4_EXPECTED, FIHC4_PIXEL_UM, fihc4, fihc4_maps

from immunescape.spatial import find_contacts

AROUND_PX = 12
FROM = "Helper T"
COLOURS = {
    "B": (0.62, 0.75, 0.93),
    "Helper T": (0.55, 0.84, 0.55),
    "Cytotoxic T": (0.98, 0.75, 0.4),
}


def pairs_by_growing(labels):
    """Find the pairs that overlap after each label has grown by one pixel in four directions."""
    padded = np.pad(labels, 1)
    steps = [padded[1 + dy : padded.shape[0] - 1 + dy, 1 + dx : padded.shape[1] - 1 + dx]
             for dy, dx in ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))]  # fmt: skip
    pairs = set()
    for i, a in enumerate(steps):
        for b in steps[i + 1 :]:
            both = (a != b) & (a > 0) & (b > 0)
            found = np.unique(np.sort(np.stack([a[both], b[both]], axis=1), axis=1), axis=0)
            pairs |= set(map(tuple, found.tolist()))
    return pairs


def counts(pairs, kinds, kind):
    """Count cells of FROM that touch the kind, of the kind that touch FROM, and pairs."""
    rows = [p for a, b in pairs for p in ((a, b), (b, a))
            if kinds[p[0]] == FROM and kinds[p[1]] == kind]  # fmt: skip
    return len({a for a, _ in rows}), len({b for _, b in rows}), len(rows)


def paint(field, membrane):
    """Colour cells by kind on white, membranes grey."""
    picture = np.ones((*field.labels.shape, 3))
    for kind, colour in COLOURS.items():
        picture[np.isin(field.labels, field.cells.index[field.cells["kind"] == kind])] = colour
    picture[membrane] = 0.45
    return picture


def draw_difference(path, picture, labels, pair, title):
    """Draw the surroundings of two cells, the two outlined."""
    import matplotlib.pyplot as plt

    y, x = np.nonzero(np.isin(labels, pair))
    rows = slice(max(y.min() - AROUND_PX, 0), y.max() + AROUND_PX)
    columns = slice(max(x.min() - AROUND_PX, 0), x.max() + AROUND_PX)
    figure, axes = plt.subplots(figsize=(6, 6), layout="constrained")
    axes.imshow(picture[rows, columns], interpolation="nearest")
    for label, colour in zip(pair, ("crimson", "navy"), strict=True):
        mask = labels[rows, columns] == label
        axes.contour(mask, levels=[0.5], colors=colour, linewidths=2)
        cy, cx = np.argwhere(mask).mean(axis=0)
        axes.text(cx, cy, str(label), ha="center", va="center", color=colour)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_overview(path, picture, field, pairs):
    """Draw the whole field with a line for every contact that a Helper T cell has."""
    import matplotlib.pyplot as plt

    labels, kinds = field.labels, field.cells["kind"]
    size = np.bincount(labels.ravel())
    y, x = np.indices(labels.shape)
    middle = np.stack([np.bincount(labels.ravel(), a.ravel()) for a in (x, y)])
    middle = middle / np.maximum(size, 1)
    figure, axes = plt.subplots(figsize=(14, 10.5), layout="constrained")
    axes.imshow(picture, interpolation="nearest")
    for a, b in pairs:
        if FROM in (kinds[a], kinds[b]) and kinds[a] != kinds[b]:
            colour = "black" if "B" in (kinds[a], kinds[b]) else "crimson"
            axes.plot(*middle[:, [a, b]], color=colour, linewidth=1.5, marker="o", markersize=3)
    axes.set_title("Helper T green, Cytotoxic T orange, B blue; lines: contacts of Helper T")
    axes.set_axis_off()
    figure.savefig(path, dpi=90)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the pictures")
    out = parser.parse_args().out
    if DATA is None:
        raise SystemExit("the real data are absent")
    mpl.use("Agg")
    out.mkdir(parents=True, exist_ok=True)
    field = fihc4()
    kinds = field.cells["kind"].to_dict()
    _, membrane, _ = fihc4_maps()
    found = find_contacts(field.labels, FIHC4_PIXEL_UM).pairs
    ours = set(map(tuple, found[["label_a", "label_b"]].to_numpy().tolist()))
    grown = pairs_by_growing(field.labels)
    print(f"{FROM + ' with':<24}{'phenoptr':>16}{'by growing':>16}{'ours':>16}")
    for kind, expected in FIHC4_EXPECTED.items():
        line = [str(c) for c in (expected, counts(grown, kinds, kind), counts(ours, kinds, kind))]
        print(f"{kind:<24}" + "".join(f"{c:>16}" for c in line))
    picture = paint(field, membrane)
    draw_overview(out / "overview.png", picture, field, ours)
    for pair in sorted(ours ^ grown):
        who = "ours only" if pair in ours else "by growing only"
        title = f"{who}: {pair[0]} ({kinds[pair[0]]}) and {pair[1]} ({kinds[pair[1]]})"
        name = f"{who.replace(' ', '_')}_{pair[0]}_{pair[1]}.png"
        draw_difference(out / name, picture, field.labels, pair, title)
    print(f"all kinds: {len(ours & grown)} pairs by both, {len(ours - grown)} ours only, "
          f"{len(grown - ours)} by growing only; each drawn")  # fmt: skip


if __name__ == "__main__":
    main()
