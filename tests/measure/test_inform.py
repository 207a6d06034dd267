import numpy as np
import pandas as pd
import pytest
import tifffile
from tests.real_data import DATA, needs

from immunescape.measure import measure_cells
from immunescape.panel import Panel, Stain
from immunescape.slide import Slide

CHANNELS = ("Alexa 594", "Cy3", "Cy5", "DAPI", "FITC")
NAME = "FIHC4__0929309_HP_IM3_2"


@pytest.fixture(scope="module")
def ours_and_theirs():
    folder = DATA / "inform"
    image = tifffile.imread(folder / f"{NAME}_component_data.tif", key=range(5))
    nuclei = tifffile.imread(folder / f"{NAME}_binary_seg_maps.tif", key=1).astype(np.int32)
    stains = tuple(
        Stain(channel=c, marker=f"m{i}", compartment="nucleus") for i, c in enumerate(CHANNELS)
    )
    slide = Slide(NAME, (image,), CHANNELS, 0.497)
    ours = measure_cells(slide, nuclei, nuclei, Panel(stains)).frame
    theirs = pd.read_csv(folder / f"{NAME}_cell_seg_data.txt", sep="\t", index_col="Cell ID")
    return ours, theirs


@needs("inform", f"{NAME}_component_data.tif")
@pytest.mark.parametrize("channel", CHANNELS)
def test_nuclear_means_equal_those_of_inform(ours_and_theirs, channel):
    ours, theirs = ours_and_theirs
    mine = ours[f"m{CHANNELS.index(channel)}_nucleus_mean"]
    published = theirs[f"Nucleus {channel} Mean (Normalized Counts, Total Weighting)"]
    assert mine.index.tolist() == published.index.tolist()
    assert round(np.corrcoef(mine, published)[0, 1], 6) == 1
    # The table holds three decimals.
    assert (mine - published).abs().max() < 0.0005 + 1e-4


@needs("inform", f"{NAME}_component_data.tif")
def test_nuclear_areas_equal_those_of_inform(ours_and_theirs):
    ours, theirs = ours_and_theirs
    pixels = ours["nucleus_area_um2"] / 0.497**2
    np.testing.assert_allclose(pixels, theirs["Nucleus Area (pixels)"])
