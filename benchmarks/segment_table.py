"""Counts of many pictures pooled to rates, with intervals over pictures, as tables."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import numpy.typing as npt

from immunescape.segment.score import Overlap, label_centroids, match_centroids

MIDDLES_UM = 3.0
RESAMPLES = 2000


@dataclass(frozen=True)
class Row:
    """What one method did on one picture.

    Parameters
    ----------
    source, group, picture, method
        Which picture and method.
    pixel_um, megapixels, seconds
        Edge of a pixel as told, size, and wall time.
    drawn, found
        Numbers of nuclei.
    hits_50, hits_75, hits_90
        Nuclei matched at an intersection over union above 0.5, 0.75, 0.9.
    split, merged
        Drawn nuclei cut to pieces, found ones that hold several drawn.
    hits_middle
        Middles paired within 3 µm.
    """

    source: str
    group: str
    picture: str
    method: str
    pixel_um: float
    megapixels: float
    seconds: float
    drawn: int
    found: int
    hits_50: int
    hits_75: int
    hits_90: int
    split: int
    merged: int
    hits_middle: int


COUNTS = tuple(f.name for f in fields(Row) if f.type in (int, "int"))


def score(
    drawn: npt.NDArray[np.int32], found: npt.NDArray[np.int32], pixel_um: float
) -> dict[str, int]:
    """Return the counts of a row."""
    overlap = Overlap.of(drawn, found)
    faults = overlap.faults()
    middles = (label_centroids(labels, pixel_um) for labels in (drawn, found))
    return {
        "drawn": faults.drawn,
        "found": faults.found,
        "hits_50": overlap.match(0.5).hits,
        "hits_75": overlap.match(0.75).hits,
        "hits_90": overlap.match(0.9).hits,
        "split": faults.split,
        "merged": faults.merged,
        "hits_middle": match_centroids(*middles, MIDDLES_UM).hits,
    }


Sums = dict[str, npt.NDArray[np.float64]]
Rate = Callable[[Sums], npt.NDArray[np.float64]]


def _precision(hits: str) -> Rate:
    return lambda s: s[hits] / (s["drawn"] + s["found"] - s[hits])


def _f1(hits: str) -> Rate:
    return lambda s: 2 * s[hits] / (s["drawn"] + s["found"])


RATES: dict[str, Rate] = {
    "AP@0.5": _precision("hits_50"),
    "AP@0.75": _precision("hits_75"),
    "AP@0.9": _precision("hits_90"),
    "F1@0.5": _f1("hits_50"),
    "count": lambda s: s["found"] / s["drawn"] - 1,
    "split": lambda s: s["split"] / s["drawn"],
    "merged": lambda s: s["merged"] / s["found"],
    "middles F1": _f1("hits_middle"),
    "middles precision": lambda s: s["hits_middle"] / s["found"],
    "middles recall": lambda s: s["hits_middle"] / s["drawn"],
}
"""Rates of pooled counts. AP is hits over hits, missed and extra together."""

PERCENT = ("count", "split", "merged")


@dataclass(frozen=True)
class Pooled:
    """A rate over the pooled nuclei of several pictures, and its interval.

    Parameters
    ----------
    value, low, high
        The rate; the middle 95 % of it when pictures are drawn anew with replacement (NaN for
        fewer than two pictures).
    """

    value: float
    low: float
    high: float

    def text(self, rate: str) -> str:
        """Write the rate, in per cent where that is usual, with its interval."""
        if not np.isfinite(self.value):
            return "-"
        if rate in PERCENT:
            sign = "+" if rate == "count" else ""
            written, form = 100 * self.value, f"{{:{sign}.1f}} %"
            ends = [f"{100 * end:{sign}.1f}" for end in (self.low, self.high)]
        else:
            written, form = self.value, "{:.3f}"
            ends = [f"{end:.3f}" for end in (self.low, self.high)]
        interval = f" ({ends[0]} to {ends[1]})" if np.isfinite(self.low) else ""
        return form.format(written) + interval


def pooled(rows: Sequence[Row], seed: int = 0) -> dict[str, Pooled]:
    """Pool rows of different pictures and draw the pictures anew for the intervals."""
    table = np.array([[asdict(row)[name] for name in COUNTS] for row in rows], dtype=float)
    count = len(rows)
    chance = np.random.default_rng(seed)
    times = chance.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    weights = np.vstack([np.ones((1, count)), times])
    sums = dict(zip(COUNTS, (weights @ table).T, strict=True))
    out = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, rate in RATES.items():
            values = np.asarray(rate(sums), dtype=float)
            drawn = values[1:][np.isfinite(values[1:])]
            ends = np.percentile(drawn, (2.5, 97.5)) if count > 1 and drawn.size else [np.nan] * 2
            out[name] = Pooled(float(values[0]), float(ends[0]), float(ends[1]))
    return out


def grouped(rows: Sequence[Row], *by: str) -> dict[tuple[str, ...], list[Row]]:
    """Divide rows by some of their names, in the order in which these first occur."""
    out: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        out.setdefault(tuple(getattr(row, name) for name in by), []).append(row)
    return out


def markdown(rows: Sequence[Row], by: tuple[str, ...], rates: Sequence[str]) -> list[str]:
    """Return the lines of a table with a line for each group of rows."""
    heads = [*by, "pictures", "drawn", "found", *rates]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for names, some in grouped(rows, *by).items():
        sums = [str(len(some))]
        sums += [str(sum(getattr(row, name) for row in some)) for name in ("drawn", "found")]
        values = pooled(some)
        texts = [values[rate].text(rate) for rate in rates]
        lines.append("| " + " | ".join([*names, *sums, *texts]) + " |")
    return lines
