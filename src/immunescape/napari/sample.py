"""The simulated sample patient as napari's sample data."""

import functools
from pathlib import Path

import pandas as pd

from immunescape.cli.demo import sample_folder
from immunescape.io.geojson import read_annotations
from immunescape.io.slides import open_slide
from immunescape.napari.layers import (
    LayerData,
    Limits,
    common_limits,
    regions_layers,
    slide_layers,
)
from immunescape.panel import match_panel
from immunescape.slide import Slide

__all__ = ["sample_baseline", "sample_patient", "sample_relapse", "sample_response"]

_GAP = 0.05
"""Room between slides shown side by side, as a share of their width."""


def sample_baseline() -> list[LayerData]:
    """Return the sample patient before treatment."""
    return _timepoint("baseline")


def sample_response() -> list[LayerData]:
    """Return the sample patient while the tumour shrinks."""
    return _timepoint("response")


def sample_relapse() -> list[LayerData]:
    """Return the sample patient when the tumour is back."""
    return _timepoint("relapse")


def sample_patient() -> list[LayerData]:
    """Return all three timepoints side by side, in their order."""
    layers: list[LayerData] = []
    left = 0.0
    for timepoint in _samples().index:
        layers += _timepoint(timepoint, (left, 0.0), f"{timepoint.capitalize()} ")
        slide = _slide(timepoint)
        left += slide.shape[1] * slide.pixel_size_um * (1 + _GAP)
    return layers


def _timepoint(
    timepoint: str, origin_um: tuple[float, float] = (0.0, 0.0), prefix: str = ""
) -> list[LayerData]:
    slide = _slide(timepoint)
    drawn = read_annotations(
        sample_folder() / str(_samples()["annotations"][timepoint]),
        pixel_size_um=slide.pixel_size_um,
        slide_name=slide.name,
        shape=slide.shape,
    )
    return [
        *slide_layers(slide, limits=_limits(), origin_um=origin_um, prefix=prefix),
        *regions_layers(
            drawn,
            slide=slide.name,
            pixel_size_um=slide.pixel_size_um,
            origin_um=origin_um,
            prefix=prefix,
        ),
    ]


@functools.cache
def _samples() -> pd.DataFrame:
    return pd.read_csv(sample_folder() / "samples.csv").set_index("timepoint")


@functools.cache
def _slide(timepoint: str) -> Slide:
    return open_slide(sample_folder() / Path(str(_samples()["slide"][timepoint])))


@functools.cache
def _limits() -> Limits:
    slides = [_slide(t) for t in _samples().index]
    return common_limits((s, match_panel(s.channels).panel) for s in slides)
