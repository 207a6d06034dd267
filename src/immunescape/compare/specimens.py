"""Specimens: slides that are fields of one biopsy or resection, summed before dividing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import nan

import pandas as pd

from immunescape.compare.metrics import Key
from immunescape.compare.numbers import Choice, Number, number_of
from immunescape.compare.pooling import PooledBlocks
from immunescape.compare.slides import Slide, told
from immunescape.results import METRICS, PHENOTYPES, REGION_NAMES, SPECIMENS_COLUMNS
from immunescape.samples import SampleResult

__all__ = ["Specimen", "rank_of", "specimen_table", "specimens_of"]

_RANKS = {
    name: {value: place for place, value in enumerate(values)}
    for name, values in (
        ("metric", METRICS), ("phenotype", ("any", *PHENOTYPES)), ("region", REGION_NAMES),
    )
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Specimen:
    """One specimen under one kind of gates.

    Parameters
    ----------
    patient, timepoint, specimen, lesion, gates
        Which it is.
    slides
        Its slides, in the order of their names.
    """

    patient: str
    timepoint: str
    specimen: str
    lesion: str
    gates: str
    slides: tuple[Slide, ...]

    @cached_property
    def site(self) -> str:
        """Where the lesion was."""
        return told(slide.sample.site for slide in self.slides)

    @cached_property
    def batch(self) -> str:
        """The slides it was stained with."""
        return told(slide.sample.batch for slide in self.slides)

    @cached_property
    def tumour_source(self) -> str:
        """Where the tumour region came from."""
        return told(slide.tumour_source for slide in self.slides)

    def label(self, name: str) -> str:
        """Return a property of the specimen or a column of the sheet, every value that is told."""
        if name in ("lesion", "site", "batch", "tumour_source"):
            return str(getattr(self, name))
        return told(slide.sample.carried.get(name, "") for slide in self.slides)

    @cached_property
    def day(self) -> float:
        """Day of the biopsy; the mean where slides tell different ones, NaN where none does."""
        days = [slide.sample.day for slide in self.slides if slide.sample.day is not None]
        return sum(days) / len(days) if days else nan

    @cached_property
    def numbers(self) -> Mapping[Key, Number]:
        """Every number of the specimen, in the order of the tables."""
        keys = sorted({key for slide in self.slides for key in slide.rows}, key=rank_of)
        choices = {key: Choice.of(key, self.slides) for key in keys}
        pooled = PooledBlocks.of(self.slides)
        bounds = pooled.bounds({k: c.used for k, c in choices.items()}) if pooled else {}
        return {key: number_of(key, choices[key], bounds.get(key)) for key in keys}


def rank_of(key: Key) -> tuple[int, int, int, str]:
    """Return the place of a key in the tables' order."""
    return (
        _RANKS["metric"][key.metric],
        _RANKS["phenotype"][key.phenotype],
        _RANKS["region"][key.region],
        key.statistic,
    )


def specimens_of(results: Sequence[SampleResult]) -> tuple[Specimen, ...]:
    """Sort slides into specimens, by patient, timepoint, lesion and specimen; gates stay apart."""
    found: dict[tuple[str, str, str, str, str], list[Slide]] = defaultdict(list)
    for result in results:
        s = result.sample
        found[s.patient, s.timepoint, s.specimen, s.lesion, result.gates].append(Slide(result))
    return tuple(
        Specimen(*key, tuple(sorted(slides, key=lambda slide: slide.sample.sample_id)))
        for key, slides in sorted(found.items())
    )


def specimen_table(results: Sequence[SampleResult]) -> pd.DataFrame:
    """Return the numbers of each specimen, its slides' counts and areas summed before dividing.

    Parameters
    ----------
    results
        Analysed slides, under shared gates, under each slide's own, or both; in any order.

    Returns
    -------
    DataFrame
        Columns ``SPECIMENS_COLUMNS``: for each specimen and kind of gates the main rows of
        ``summary.csv``, in its order. The number of one slide, and its interval, are carried over.
        Of several slides the sums are divided; the interval resamples blocks of all of them where
        each has ``blocks.csv``, otherwise it counts cells as independent (Garwood, Wilson, Woolf,
        exact conditional). A score has no interval, and a median of cells cannot be had from the
        medians of slides.

        A slide that cannot be judged is left out of a sum, and the reason says so; one that only
        holds too little is summed with the others, and the sum is judged. ``site``, ``batch`` and
        ``tumour_source`` list every value that the slides tell, joined by ``+``. ``n_cells`` is
        how many cells the number rests on: those counted, or those under the line.
    """
    rows = []
    for specimen in specimens_of(results):
        for key, number in specimen.numbers.items():
            rows.append(
                {
                    "patient": specimen.patient,
                    "timepoint": specimen.timepoint,
                    "specimen": specimen.specimen,
                    "lesion": specimen.lesion,
                    "site": specimen.site,
                    "batch": specimen.batch,
                    "day": specimen.day,
                    "gates": specimen.gates,
                    "tumour_source": specimen.tumour_source,
                    "n_slides": number.n_slides,
                    "n_cells": number.n_cells,
                    **key._asdict(),
                    "value": number.value,
                    "unit": number.unit,
                    "numerator": number.numerator,
                    "denominator": number.denominator,
                    "ci_low": number.bounds.low,
                    "ci_high": number.bounds.high,
                    "ci_method": number.bounds.method,
                    "evaluable": number.evaluable,
                    "reason": number.reason,
                }
            )
    return pd.DataFrame(rows, columns=list(SPECIMENS_COLUMNS))
