"""Blocks of the slides of one specimen, laid side by side, and the intervals that they give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.compare.metrics import Bounds, Key, metric_of
from immunescape.compare.slides import Slide
from immunescape.intervals import (
    REGION_MEMBERS,
    BlockIntervals,
    Blocks,
    log_odds_interval,
    rate_ratio_interval_blocks,
    ratio_intervals,
)
from immunescape.results import REGION_NAMES

__all__ = ["PooledBlocks"]

_APART_BLOCKS = 16
"""Empty blocks between slides, more than any window of blocks spans: slides have no neighbours."""
_SIDES = ("touching", "apart")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PooledBlocks:
    """Blocks of several slides.

    Parameters
    ----------
    blocks
        ``b`` rows; those of one slide lie far from those of another.
    counts
        ``(b,)`` counts by column of ``blocks.csv``, NaN where a slide has none.
    slide
        ``(b,)`` place of each row's slide.
    """

    blocks: Blocks
    counts: Mapping[str, Floats]
    slide: npt.NDArray[np.int64]

    @classmethod
    def of(cls, slides: Sequence[Slide]) -> "PooledBlocks | None":
        """Lay the blocks of slides side by side.

        Returns
        -------
        PooledBlocks or None
            None for a single slide, which has its intervals already, and where a slide has no
            ``blocks.csv`` or one without rows.
        """
        tables = [slide.result.tables.get("blocks") for slide in slides]
        if len(slides) < 2 or any(table is None or not len(table) for table in tables):
            return None
        offset, number = 0, 0
        laid = []
        for table in tables:
            assert table is not None
            row = table["row"] - table["row"].min() + offset
            column = table["column"] - table["column"].min()
            laid.append(table.assign(row=row, column=column, slide=number))
            offset, number = int(row.max()) + _APART_BLOCKS, number + 1
        whole = pd.concat(laid, ignore_index=True)
        none = np.zeros(0, np.int64)
        names = pd.Index(REGION_NAMES[:4])
        blocks = Blocks(
            row=whole["row"].to_numpy(np.int64),
            column=whole["column"].to_numpy(np.int64),
            region=names.get_indexer(pd.Index(whole["region"].astype(object))).astype(np.int64),
            area_mm2=whole["area_mm2"].to_numpy(np.float64),
            of_cells=none,
            of_areas=none,
        )
        counts = {
            str(name): np.asarray(
                whole[name].astype("Float64").to_numpy(np.float64, na_value=np.nan), np.float64
            )
            for name in whole.columns[4:]
            if name != "slide"
        }
        return cls(blocks, counts, whole["slide"].to_numpy(np.int64))

    def bounds(self, chosen: Mapping[Key, Sequence[bool]]) -> dict[Key, Bounds]:
        """Return intervals of many numbers, each of some of the slides.

        Parameters
        ----------
        chosen
            Which slides each number is summed over; none for a number that is not asked for.

        Returns
        -------
        dict
            Intervals by blocks, those of a count being of its density. Numbers that blocks tell
            nothing of, on all slides or on one, are left out.
        """
        asked = {key: self._rows(key, used) for key, used in chosen.items() if any(used)}
        found: dict[Key, Bounds] = {}
        for kind, columns_of, intervals in (
            ("density", self._density, self._densities),
            ("fraction", self._fraction, self._fractions),
            ("odds", self._odds, self._log_odds),
            ("ratio", self._ratio, self._ratios),
        ):
            keys, columns = [], []
            for key, rows in asked.items():
                mine = metric_of(key.metric).kind
                if mine != kind and not (kind == "density" and key.metric == "cell_count"):
                    continue
                arrays = [np.where(rows > 0, part, 0.0) for part in columns_of(key, rows)]
                if any(np.isnan(array).any() for array in arrays):
                    continue
                keys.append(key)
                columns.append((*arrays, self.blocks.area_mm2 * rows))
            if not keys:
                continue
            low, high, method = intervals(*map(np.column_stack, zip(*columns, strict=True)))
            for i, key in enumerate(keys):
                scale = metric_of(key.metric).scale
                if method[i]:
                    found[key] = Bounds(
                        scale * float(low[i]), scale * float(high[i]), str(method[i])
                    )
        return found

    def _rows(self, key: Key, used: Sequence[bool]) -> Floats:
        """Return 1 for the rows of a number's slides and region, 0 for others."""
        here = np.asarray(used, bool)[self.slide]
        member = REGION_MEMBERS[REGION_NAMES.index(key.region), self.blocks.region]
        return np.asarray(here * member, np.float64)

    def _density(self, key: Key, rows: Floats) -> tuple[Floats, ...]:
        phenotype = key.phenotype
        if phenotype == "any":
            return (self._sum(list(self.counts)),)
        names = [n for n in self.counts if n == phenotype or n.startswith(f"{phenotype}_")]
        return (self._sum(names),)

    def _fraction(self, key: Key, rows: Floats) -> tuple[Floats, ...]:
        p = key.phenotype
        if key.metric == "touching_cd8_fraction":
            top = self._cells(p, ("touching",), ("positive", "negative", "missing"))
            base = self._cells(p, _SIDES, ("positive", "negative", "missing"))
        elif key.metric == "tumour_proportion_score":
            top = self._cells(p, _SIDES, ("positive",))
            base = self._cells(p, _SIDES, ("positive", "negative"))
        else:
            side = "apart" if "not_touching" in key.metric else "touching"
            top = self._cells(p, (side,), ("negative",))
            base = self._cells(p, (side,), ("positive", "negative"))
        return top, base

    def _odds(self, key: Key, rows: Floats) -> tuple[Floats, ...]:
        return tuple(
            self._cells(key.phenotype, (side,), (pdl1,))
            for side in _SIDES
            for pdl1 in ("positive", "negative")
        )

    def _ratio(self, key: Key, rows: Floats) -> tuple[Floats, ...]:
        parts = []
        for region in ("margin", "centre"):
            member = REGION_MEMBERS[REGION_NAMES.index(region), self.blocks.region] * rows
            count = np.where(member > 0, self.counts["cd8_t"], 0.0)
            parts += [count, self.blocks.area_mm2 * member]
        return tuple(parts)

    def _densities(self, counts: Floats, area: Floats) -> BlockIntervals:
        return ratio_intervals(self.blocks, counts, area, kind="density")

    def _fractions(self, top: Floats, base: Floats, area: Floats) -> BlockIntervals:
        return ratio_intervals(self.blocks, top, base, kind="fraction", tissue=area)

    def _log_odds(self, *parts: Any) -> BlockIntervals:
        return log_odds_interval(self.blocks, *parts[:4], tissue=parts[4])

    def _ratios(self, *parts: Any) -> BlockIntervals:
        return rate_ratio_interval_blocks(self.blocks, *parts[:4])

    def _cells(self, phenotype: str, sides: Sequence[str], pdl1: Sequence[str]) -> Floats:
        return self._sum([f"{phenotype}_{side}_{status}" for side in sides for status in pdl1])

    def _sum(self, names: Sequence[str]) -> Floats:
        return np.asarray(sum(self.counts[name] for name in names), np.float64)
