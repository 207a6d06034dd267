"""What a simulated field looks like, whatever its scenario."""

from dataclasses import dataclass
from typing import Annotated, Literal

from immunescape.params import Between, Params

__all__ = ["CHANNELS", "KINDS", "FieldParams"]

CHANNELS = ("DAPI", "CD8", "PD-L1", "S100", "SOX10")
"""Channels of a simulated image, in order."""

KINDS = ("tumour", "cd8_t", "lymphocyte", "macrophage", "fibroblast", "dendritic", "nerve")
"""Kinds of cell, in the order of their codes; ``dendritic`` and ``nerve`` are S100+ and SOX10-."""


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
        Share of the image that the main nest covers, as far as its form allows; 0 for no nest.
    satellites
        Small nests in the stroma; as many as fit.
    stromal_islands
        Holes of stroma in the main nest; as many as fit.
    nerves
        Strands of S100+ SOX10- spindle cells in the stroma; as many as fit.
    roughness_um
        Standard deviation of the tumour outline about a smooth curve; 0 draws it exactly.
    glass_fraction
        Share of the image beyond the free edge of the section, on the side away from the nest.
    tumour_density_per_mm2
        Tumour cells per area of nest at most; packing may not reach it.
    stroma_density_per_mm2
        Fibroblasts per area of stroma.
    dendritic_per_mm2
        S100+ SOX10- dendritic cells per area of stroma.
    cd8_clustering
        Standard deviation of the logarithm of the density of CD8 T cells and other lymphocytes
        between places some 20 µm apart; 0 scatters them independently.
    pdl1_clustering
        Standard deviation, on the scale of log odds, of the probability of PD-L1 between places
        some 25 µm apart, whatever the CD8 T cells do; 0 decides each cell on its own.
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
    uneven_background
        Standard deviation of the logarithm of the background over the image.
    pedestal
        Stored value of no light, as a camera adds it.
    pigment
        Share of the tumour cells that hold melanin, three times as many of the macrophages: it
        swallows light of the stains and shines in every channel. 0 for none.
    debris_per_mm2
        Specks without a nucleus that are bright in every channel. 0 for none.
    folds
        Bands across the image where the tissue lies double, brighter and out of focus.
    blurred_fraction
        Share of the image that is out of focus. 0 for none.
    saturated_fraction
        Share of each stain's pixels that are brighter than can be stored. 0 for none.
    unstained
        Stain that failed: its channel shows tissue and what bleeds into it.
    """

    width_um: Annotated[float, Between(20, 20000, step=10, unit="µm")] = 600.0
    height_um: Annotated[float, Between(20, 20000, step=10, unit="µm")] = 600.0
    pixel_size_um: Annotated[float, Between(0.1, 2, step=0.05, unit="µm")] = 0.5
    margin_width_um: Annotated[float, Between(1, 1000, step=10, unit="µm")] = 100.0
    min_contact_um: Annotated[float, Between(0, 20, step=0.1, unit="µm")] = 1.0
    gap_um: Annotated[float, Between(0, 10, step=0.1, unit="µm")] = 1.0
    nest_sides: Annotated[int, Between(0, 4)] = 3
    nest_fraction: Annotated[float, Between(0, 0.95, step=0.05)] = 0.5
    satellites: Annotated[int, Between(0, 50)] = 0
    stromal_islands: Annotated[int, Between(0, 50)] = 0
    nerves: Annotated[int, Between(0, 20)] = 0
    roughness_um: Annotated[float, Between(0, 60, step=1, unit="µm")] = 16.0
    glass_fraction: Annotated[float, Between(0, 0.5, step=0.05)] = 0.0
    tumour_density_per_mm2: Annotated[float, Between(0, 8000, step=100, unit="/mm²")] = 5000.0
    stroma_density_per_mm2: Annotated[float, Between(0, 8000, step=100, unit="/mm²")] = 1700.0
    dendritic_per_mm2: Annotated[float, Between(0, 2000, step=5, unit="/mm²")] = 40.0
    cd8_clustering: Annotated[float, Between(0, 2, step=0.1)] = 0.7
    pdl1_clustering: Annotated[float, Between(0, 3, step=0.1)] = 0.8
    reach_um: Annotated[float, Between(1, 8, step=0.5, unit="µm")] = 3.0
    overlap_fraction: Annotated[float, Between(0, 0.5, step=0.01)] = 0.06
    psf_um: Annotated[float, Between(0, 3, step=0.05, unit="µm")] = 0.45
    haze_fraction: Annotated[float, Between(0, 0.6, step=0.01)] = 0.12
    stain_spread: Annotated[float, Between(0, 1, step=0.05)] = 0.35
    unspecific_fraction: Annotated[float, Between(0, 0.5, step=0.01)] = 0.11
    partial_fraction: Annotated[float, Between(0, 1, step=0.01)] = 0.33
    encircled_fraction: Annotated[float, Between(0, 0.5, step=0.01)] = 0.04
    bleed_through: Annotated[float, Between(0, 0.3, step=0.01)] = 0.02
    photons: Annotated[float, Between(5, 5000, step=10)] = 260.0
    background_photons: Annotated[float, Between(0, 500, step=1)] = 6.0
    autofluorescence: Annotated[float, Between(0, 1, step=0.01)] = 0.05
    uneven_illumination: Annotated[float, Between(0, 0.8, step=0.01)] = 0.15
    uneven_background: Annotated[float, Between(0, 2, step=0.05)] = 0.15
    pedestal: Annotated[float, Between(0, 2000, step=10)] = 100.0
    pigment: Annotated[float, Between(0, 0.5, step=0.01)] = 0.0
    debris_per_mm2: Annotated[float, Between(0, 2000, step=1, unit="/mm²")] = 0.0
    folds: Annotated[int, Between(0, 10)] = 0
    blurred_fraction: Annotated[float, Between(0, 1, step=0.05)] = 0.0
    saturated_fraction: Annotated[float, Between(0, 0.2, step=0.001)] = 0.0
    unstained: Literal["none", "cd8", "pdl1", "s100", "sox10"] = "none"
