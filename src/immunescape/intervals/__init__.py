"""Intervals of counts, fractions, ratios and odds: of independent cells, and of blocks of a slide.

Below what looks at slides and what compares them, so that one number has one interval.
"""

from immunescape.intervals.blocks import REGION_MEMBERS, Blocks, find_blocks
from immunescape.intervals.bootstrap import (
    LEAST_BLOCKS,
    BlockIntervals,
    log_odds_interval,
    rate_ratio_interval_blocks,
    ratio_intervals,
)
from immunescape.intervals.plain import (
    Interval,
    LogOddsRatio,
    log_odds_ratio,
    poisson_interval,
    rate_ratio_interval,
    wilson_interval,
)

__all__ = [
    "LEAST_BLOCKS",
    "REGION_MEMBERS",
    "BlockIntervals",
    "Blocks",
    "Interval",
    "LogOddsRatio",
    "find_blocks",
    "log_odds_interval",
    "log_odds_ratio",
    "poisson_interval",
    "rate_ratio_interval",
    "rate_ratio_interval_blocks",
    "ratio_intervals",
    "wilson_interval",
]
