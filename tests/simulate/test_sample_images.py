"""The shipped patient is whole, small, and what its README says."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from immunescape.simulate import CHANNELS, TIMEPOINTS, FieldParams, simulate_patient

FOLDER = Path(__file__).resolve().parents[2] / "sample_images"
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def read_truth(timepoint, table):
    return pd.read_csv(FOLDER / "truth" / f"P01_{timepoint}_{table}.csv")


def test_folder_is_under_30_mb_and_holds_what_the_sheet_names():
    assert sum(p.stat().st_size for p in FOLDER.rglob("*") if p.is_file()) < 30e6
    sheet = pd.read_csv(FOLDER / "samples.csv")
    assert tuple(sheet["timepoint"]) == TIMEPOINTS
    for name in [*sheet["slide"], *sheet["annotations"]]:
        assert (FOLDER / name).is_file()


@pytest.mark.parametrize("timepoint", TIMEPOINTS)
def test_images_labels_and_tables_agree(timepoint):
    with tifffile.TiffFile(FOLDER / f"P01_{timepoint}.ome.tif") as tif:
        image = tif.asarray()
    assert image.shape == (len(CHANNELS), 1200, 1200) and image.dtype == np.uint16
    cells = read_truth(timepoint, "cells").set_index("label")
    for kind in ("nuclei", "cells"):
        labels = tifffile.imread(FOLDER / "truth" / f"P01_{timepoint}_{kind}.tif")
        assert np.array_equal(np.unique(labels)[1:], cells.index)
    regions = read_truth(timepoint, "regions").set_index(["region", "phenotype", "pdl1"])
    assert (cells["phenotype"] == "cd8_t").sum() == regions.loc[("tissue", "cd8_t", "any"), "count"]
    assert regions["area_mm2"].groupby("region").first()["centre"] > 0.02


def test_headline_rises_from_response_to_relapse_and_readme_quotes_it():
    share = {}
    for timepoint in TIMEPOINTS:
        row = read_truth(timepoint, "summary").set_index(["metric", "region"])
        row = row.loc[("pdl1_negative_fraction_touching_cd8", "tumour")]
        share[timepoint] = row["value"]
        assert row["denominator"] >= 50
        assert f"{row['numerator']:.0f} of {row['denominator']:.0f}" in README
    assert share["response"] + 0.2 < share["baseline"] < share["relapse"] - 0.2


@pytest.mark.parametrize("timepoint", TIMEPOINTS)
def test_artefacts_are_few_and_membranes_are_as_the_readme_says(timepoint):
    cells = read_truth(timepoint, "cells")
    share = cells.groupby("kind")["pigmented"].mean()
    assert 0 < share["tumour"] < 0.03
    assert (FOLDER / "truth" / f"P01_{timepoint}_artefacts.geojson").is_file()
    rims = cells.loc[cells["pdl1_positive"], "pdl1_rim_share"]
    assert (rims < 1).mean() == pytest.approx(1 / 3, abs=0.06)
    assert rims.min() >= 0.2 and not rims.between(0.601, 0.999).any()


@pytest.mark.slow
def test_command_in_the_readme_makes_them_again():
    seed = int(re.search(r"--seed (\d+)", README).group(1))
    flags = re.findall(r"--field\.([a-z0-9-]+) ([0-9.]+)", README)
    params = FieldParams(**{name.replace("-", "_"): float(value) for name, value in flags})
    assert params.pigment > 0 and params.debris_per_mm2 > 0
    for field in simulate_patient(params, seed, "P01"):
        image = tifffile.imread(FOLDER / f"{field.name}.ome.tif")
        # another processor may round otherwise: the noise may differ then, the field may not
        assert np.allclose(image.mean(axis=(1, 2)), field.image.mean(axis=(1, 2)), rtol=1e-3)
        labels = tifffile.imread(FOLDER / "truth" / f"{field.name}_cells.tif")
        assert (labels != field.cells).mean() < 1e-3
        kept = read_truth(field.scenario, "cells")
        pd.testing.assert_frame_equal(
            kept, field.truth.cells, check_dtype=False, atol=1e-2, check_names=False
        )
