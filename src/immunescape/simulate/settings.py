"""What a simulated field is made of: its parameters, and the scenarios by name.

The scenarios follow the direction of Zaretsky et al. (N Engl J Med 2016;375:819): on response CD8
T cells are all through the tumour and tumour cells answer them with PD-L1; at relapse CD8 T cells
stay at the invasive margin, tumour cells there are PD-L1-negative although they touch them, and
the cells beside them are not. Every figure here is ours, chosen for tests; none was measured.
"""

from dataclasses import dataclass
from typing import Annotated

from immunescape.errors import ParameterError
from immunescape.params import Between, Params

__all__ = ["CHANNELS", "KINDS", "SCENARIOS", "FieldParams", "Scenario", "scenario_named"]

CHANNELS = ("DAPI", "CD8", "PD-L1", "S100", "SOX10")
"""Channels of a simulated image, in order."""

KINDS = ("tumour", "cd8_t", "lymphocyte", "macrophage", "fibroblast", "dendritic")
"""Kinds of cell, in the order of their codes; ``dendritic`` cells are S100+ and SOX10-."""


@dataclass(frozen=True, kw_only=True)
class FieldParams(Params):
    """What a simulated field looks like, whatever the scenario.

    Parameters
    ----------
    width_um
        Width of the image.
    height_um
        Height of the image.
    pixel_size_um
        Edge of a pixel.
    margin_width_um
        Width of the invasive margin on each side of the interface, for CD8 densities and truth.
    min_contact_um
        Shortest shared border that makes two cells a contact.
    gap_um
        Widest background between two borders that still counts as shared.
    nest_sides
        Sides of the frame by which the main tumour nest leaves it: 0 an island, 3 a front across
        the whole image, 4 nothing but tumour.
    nest_fraction
        Share of the image that the main nest covers, as far as its form allows.
    satellites
        Small nests in the stroma; as many as fit.
    stromal_islands
        Holes of stroma in the main nest; as many as fit.
    roughness_um
        Standard deviation of the tumour outline about a smooth curve; 0 draws it exactly.
    glass_fraction
        Share of the image beyond the free edge of the section, on the side away from the nest.
    tumour_density_per_mm2
        Tumour cells per area of nest at most; packing may not reach it.
    stroma_density_per_mm2
        Fibroblasts per area of stroma.
    reach_um
        How far a cell reaches beyond its nucleus at most; lymphocytes half a µm less.
    overlap_fraction
        Share of cells that may lie partly above or below a neighbour.
    psf_um
        Standard deviation of the optical blur.
    haze_fraction
        Share of the light that comes from out of focus.
    stain_spread
        Standard deviation of the logarithm of a stain between cells.
    unspecific_fraction
        Share of the PD-L1-negative cells that stain unspecifically, some like weak positive ones;
        half as many of the S100- and SOX10-negative.
    partial_fraction
        Share of the PD-L1-positive cells that stain only 20 to 60 % of their rim.
    encircled_fraction
        Share of the PD-L1-negative tumour cells whose neighbours are made PD-L1-positive, as far
        as the scenario allows it of their kind.
    bleed_through
        Share of a channel's light that is also seen in the next one; a third of it in the
        one before.
    photons
        Photons per pixel of a stain of strength 1, before blur.
    background_photons
        Photons per pixel of an unstained, empty image.
    autofluorescence
        Light of unstained tissue, as a share of a stain of strength 1.
    uneven_illumination
        Loss of light from the brightest place to the corners.
    """

    width_um: Annotated[float, Between(20, 20000, step=10, unit="µm")] = 600.0
    height_um: Annotated[float, Between(20, 20000, step=10, unit="µm")] = 600.0
    pixel_size_um: Annotated[float, Between(0.1, 2, step=0.05, unit="µm")] = 0.5
    margin_width_um: Annotated[float, Between(1, 1000, step=10, unit="µm")] = 100.0
    min_contact_um: Annotated[float, Between(0, 20, step=0.1, unit="µm")] = 1.0
    gap_um: Annotated[float, Between(0, 10, step=0.1, unit="µm")] = 1.0
    nest_sides: Annotated[int, Between(0, 4)] = 3
    nest_fraction: Annotated[float, Between(0.05, 0.95, step=0.05)] = 0.5
    satellites: Annotated[int, Between(0, 50)] = 0
    stromal_islands: Annotated[int, Between(0, 50)] = 0
    roughness_um: Annotated[float, Between(0, 60, step=1, unit="µm")] = 16.0
    glass_fraction: Annotated[float, Between(0, 0.5, step=0.05)] = 0.0
    tumour_density_per_mm2: Annotated[float, Between(0, 8000, step=100, unit="/mm²")] = 5000.0
    stroma_density_per_mm2: Annotated[float, Between(0, 8000, step=100, unit="/mm²")] = 1700.0
    reach_um: Annotated[float, Between(1, 8, step=0.5, unit="µm")] = 3.0
    overlap_fraction: Annotated[float, Between(0, 0.5, step=0.01)] = 0.06
    psf_um: Annotated[float, Between(0, 3, step=0.05, unit="µm")] = 0.45
    haze_fraction: Annotated[float, Between(0, 0.6, step=0.01)] = 0.12
    stain_spread: Annotated[float, Between(0, 1, step=0.05)] = 0.35
    unspecific_fraction: Annotated[float, Between(0, 0.5, step=0.01)] = 0.12
    partial_fraction: Annotated[float, Between(0, 1, step=0.01)] = 0.33
    encircled_fraction: Annotated[float, Between(0, 0.5, step=0.01)] = 0.04
    bleed_through: Annotated[float, Between(0, 0.3, step=0.01)] = 0.02
    photons: Annotated[float, Between(5, 5000, step=10)] = 260.0
    background_photons: Annotated[float, Between(0, 500, step=1)] = 6.0
    autofluorescence: Annotated[float, Between(0, 1, step=0.01)] = 0.05
    uneven_illumination: Annotated[float, Between(0, 0.8, step=0.01)] = 0.15


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """The biology of one timepoint.

    Parameters
    ----------
    name
        Name, also the timepoint's.
    cd8_per_mm2
        CD8 T cells per area in ``centre, inner_margin, outer_margin, stroma``.
    lymphocytes_per_mm2
        CD8-negative lymphocytes in the same four regions.
    macrophages_per_mm2
        Macrophages in the same four regions.
    pdl1_tumour
        Probability that a tumour cell is PD-L1-positive: touching a CD8 T cell, with one within
        30 µm, and otherwise.
    pdl1_macrophage, pdl1_stroma
        The same for macrophages and dendritic cells, and for fibroblasts.
    pdl1_lymphocyte
        Probability for CD8 T cells and other lymphocytes.
    """

    name: str
    cd8_per_mm2: tuple[float, float, float, float]
    lymphocytes_per_mm2: tuple[float, float, float, float]
    macrophages_per_mm2: tuple[float, float, float, float]
    pdl1_tumour: tuple[float, float, float]
    pdl1_macrophage: tuple[float, float, float]
    pdl1_stroma: tuple[float, float, float]
    pdl1_lymphocyte: float


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="baseline",
            cd8_per_mm2=(150.0, 320.0, 520.0, 220.0),
            lymphocytes_per_mm2=(40.0, 90.0, 350.0, 260.0),
            macrophages_per_mm2=(90.0, 140.0, 320.0, 220.0),
            pdl1_tumour=(0.55, 0.30, 0.06),
            pdl1_macrophage=(0.75, 0.45, 0.20),
            pdl1_stroma=(0.20, 0.08, 0.03),
            pdl1_lymphocyte=0.03,
        ),
        Scenario(
            name="response",
            cd8_per_mm2=(700.0, 850.0, 700.0, 320.0),
            lymphocytes_per_mm2=(120.0, 170.0, 420.0, 320.0),
            macrophages_per_mm2=(180.0, 220.0, 320.0, 220.0),
            pdl1_tumour=(0.86, 0.50, 0.12),
            pdl1_macrophage=(0.85, 0.60, 0.30),
            pdl1_stroma=(0.30, 0.12, 0.04),
            pdl1_lymphocyte=0.04,
        ),
        Scenario(
            name="relapse",
            cd8_per_mm2=(50.0, 170.0, 1250.0, 420.0),
            lymphocytes_per_mm2=(20.0, 60.0, 400.0, 300.0),
            macrophages_per_mm2=(80.0, 140.0, 420.0, 240.0),
            pdl1_tumour=(0.04, 0.03, 0.02),
            pdl1_macrophage=(0.88, 0.60, 0.25),
            pdl1_stroma=(0.45, 0.18, 0.05),
            pdl1_lymphocyte=0.04,
        ),
        Scenario(
            name="cold",
            cd8_per_mm2=(10.0, 20.0, 45.0, 35.0),
            lymphocytes_per_mm2=(5.0, 15.0, 60.0, 60.0),
            macrophages_per_mm2=(40.0, 60.0, 140.0, 130.0),
            pdl1_tumour=(0.06, 0.03, 0.01),
            pdl1_macrophage=(0.25, 0.15, 0.08),
            pdl1_stroma=(0.06, 0.03, 0.01),
            pdl1_lymphocyte=0.01,
        ),
    )
}
"""The scenarios by name; the first three are the timepoints of a patient, in order."""


def scenario_named(name: str) -> Scenario:
    """Return the scenario of that name.

    Raises
    ------
    ParameterError
        If there is none; the message lists those there are.
    """
    try:
        return SCENARIOS[name]
    except KeyError:
        known = ", ".join(SCENARIOS)
        raise ParameterError(f"there is no scenario {name!r}; give one of {known}") from None
