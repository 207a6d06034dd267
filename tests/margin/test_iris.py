"""Densities by region on real melanoma, against those that an R package published for it."""

import numpy as np
import pandas as pd
import pytest
import shapely
import tifffile
from tests.real_data import DATA, needs

from immunescape.io.masks import line_from_mask, polygons_from_mask
from immunescape.margin import GridMask, MarginParams, map_margin
from immunescape.regions import Regions

PIXEL_UM = 0.496
REACH_PX = 76
"""They grow the drawn stroke from pixel centre to pixel centre; its outline is half a pixel on."""

PARTS = {"Tumor": ("centre",), "Margin": ("inner_margin", "outer_margin")}


def mask(name: str) -> np.ndarray:
    return tifffile.imread(DATA / "iris" / "fields_r" / name)[..., 3] > 0


def cells(field: int) -> tuple[np.ndarray, np.ndarray]:
    """Return centroids in µm (the table counts pixels from 1) and phenotypes with status."""
    table = pd.read_csv(DATA / "iris" / "fields_r" / f"MEL2_{field}_cell_seg_data.txt", sep="\t")
    pdl1 = table.filter(like="Membrane PD-Ligand-1").iloc[:, 0] > 3.64
    pd1 = table.filter(like="Nucleus PD-1").iloc[:, 0] > 9.7
    status = np.where(
        table.Phenotype == "CD8+",
        np.where(pd1, " PD1+", " PD1-"),
        np.where(pdl1, " PDL1+", " PDL1-"),
    )
    points = (table[["Cell X Position", "Cell Y Position"]].to_numpy() - 0.5) * PIXEL_UM
    return points, (table.Phenotype + status).to_numpy()


@needs("iris", "expected", "frame_counts.csv")
@pytest.mark.parametrize("field", [2, 7])
def test_densities_equal_the_published_ones(field):
    tumour_mask = mask(f"MEL2_{field}_Tumor.tif")
    stroke = polygons_from_mask(mask(f"MEL2_{field}_Invasive_Margin.tif"), PIXEL_UM)
    height, width = tumour_mask.shape
    result = map_margin(
        GridMask.whole((width * PIXEL_UM, height * PIXEL_UM)),
        Regions({"margin_line": shapely.boundary(stroke)}),
        polygons_from_mask(tumour_mask, PIXEL_UM),
        "imported",
        params=MarginParams(width_um=(REACH_PX - 0.5) * PIXEL_UM),
    )
    points, phenotype = cells(field)
    found = pd.crosstab(phenotype, result.locate(points).region.to_numpy())
    published = pd.read_csv(DATA / "iris" / "expected" / "frame_counts.csv")
    published = published[published.frame_name == field]
    assert len(published) == 12
    for part, names in PARTS.items():
        theirs = published[published.region_label == part].set_index("phenotype_label").density_mm2
        area = sum(result.areas.areas_mm2[name] for name in names)
        # Their area is not published, but it makes every count a whole number.
        tried = area * np.linspace(0.99, 1.01, 4001)
        fraction = np.abs(np.outer(tried, theirs) - np.round(np.outer(tried, theirs)))
        their_area = tried[np.argmin(fraction.max(axis=1))]
        assert fraction.max(axis=1).min() < 0.05
        assert area == pytest.approx(their_area, rel=0.005)
        counts = found.loc[theirs.index, list(names)].sum(axis=1)
        assert (np.abs(counts - np.round(theirs * their_area)) <= 1).all()
        density = counts / area
        assert (np.abs(density - theirs) <= 1 / area + 0.005 * theirs).all()


@needs("iris", "fields_r", "MEL2_2_Tumor.tif")
@pytest.mark.parametrize(("field", "length_mm"), [(2, 0.70), (7, 1.63)])
def test_the_middle_of_the_drawn_stroke_runs_along_the_tumour_mask(field, length_mm):
    tumour = polygons_from_mask(mask(f"MEL2_{field}_Tumor.tif"), PIXEL_UM)
    line = line_from_mask(mask(f"MEL2_{field}_Invasive_Margin.tif"), PIXEL_UM)
    assert line.length / 1e3 == pytest.approx(length_mm, rel=0.02)
    apart = shapely.distance(
        shapely.boundary(tumour), shapely.points(shapely.get_coordinates(line))
    )
    assert np.median(apart) < 25
