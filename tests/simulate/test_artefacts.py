"""What spoils a slide is where the field says it is, does what it should, and is off by default."""

import json
from dataclasses import replace

import numpy as np
import pytest
import shapely

from immunescape.simulate import ARTEFACTS, CHANNELS, FieldParams, simulate_field, write_field

PLAIN = FieldParams(width_um=240, height_um=200, uneven_illumination=0.0)
SPOILED = {
    "pigment": {"pigment": 0.04},
    "debris": {"debris_per_mm2": 300.0},
    "fold": {"folds": 1},
    "blurred": {"blurred_fraction": 0.3},
    "saturated": {"saturated_fraction": 0.01},
}


@pytest.fixture(scope="module")
def plain():
    return simulate_field(PLAIN, "baseline", 3)


@pytest.fixture(scope="module")
def spoiled():
    return {
        name: simulate_field(replace(PLAIN, **change), "baseline", 3)
        for name, change in SPOILED.items()
    }


def mask_of(field, name):
    height, width = field.cells.shape
    x, y = np.meshgrid((np.arange(width) + 0.5) * 0.5, (np.arange(height) + 0.5) * 0.5)
    return np.asarray(shapely.intersects_xy(field.regions[name], x, y))


def test_a_usual_field_has_none(plain):
    assert not set(ARTEFACTS) & set(plain.regions)
    assert not plain.truth.cells["pigmented"].any()


@pytest.mark.parametrize("name", ARTEFACTS)
def test_each_is_told_alone_and_changes_no_truth(plain, spoiled, name):
    field = spoiled[name]
    assert set(ARTEFACTS) & set(field.regions) == {name}
    assert 0 < field.regions.area_mm2(name) < 0.5 * field.regions.area_mm2("tissue")
    assert np.array_equal(plain.cells, field.cells)
    told = plain.truth.cells.drop(columns="pigmented")
    assert told.equals(field.truth.cells.drop(columns="pigmented"))


@pytest.mark.parametrize("name", ["pigment", "debris", "fold"])
def test_what_is_spoiled_is_bright_in_every_channel_and_the_rest_is_as_it_was(plain, spoiled, name):
    field, mask = spoiled[name], mask_of(spoiled[name], name)
    far = shapely.union_all([field.regions[name].buffer(25)])
    height, width = mask.shape
    x, y = np.meshgrid((np.arange(width) + 0.5) * 0.5, (np.arange(height) + 0.5) * 0.5)
    rest = ~shapely.intersects_xy(far, x, y)
    for c, channel in enumerate(CHANNELS):
        before, after = (f.image[c].astype(float) - PLAIN.pedestal for f in (plain, field))
        assert after[mask].mean() > 1.5 * before[mask].mean(), channel
        assert after[rest].mean() == pytest.approx(before[rest].mean(), rel=0.02), channel


def test_pigment_lies_in_tumour_cells_and_more_often_in_macrophages():
    params = replace(PLAIN, width_um=500, height_um=400, pixel_size_um=1.0, pigment=0.1)
    field = simulate_field(params, "baseline", 4)
    cells = field.truth.cells
    assert set(cells.loc[cells["pigmented"], "kind"]) == {"tumour", "macrophage"}
    share = cells.groupby("kind")["pigmented"].mean()
    assert share["tumour"] == pytest.approx(0.1, abs=0.03)
    assert share["macrophage"] == pytest.approx(0.3, abs=0.15)
    held = np.isin(field.cells, cells.loc[cells["pigmented"], "label"])
    assert field.regions.area_mm2("pigment") * 1e6 == pytest.approx(held.sum(), rel=0.05)


def test_debris_has_no_nucleus_and_is_a_few_um_wide(spoiled):
    specks = shapely.get_parts(spoiled["debris"].regions["debris"])
    expected = 300 * 0.24 * 0.2
    assert 0.4 * expected < len(specks) < 2.5 * expected
    width = np.sqrt(shapely.area(specks) * 4 / np.pi)
    assert 1 < np.median(width) < 8


@pytest.mark.parametrize("name", ["fold", "blurred"])
def test_what_is_out_of_focus_has_lost_its_detail(plain, spoiled, name):
    field, mask = spoiled[name], mask_of(spoiled[name], name)
    inner = shapely.buffer(field.regions[name], -8)
    height, width = mask.shape
    x, y = np.meshgrid((np.arange(width) + 0.5) * 0.5, (np.arange(height) + 0.5) * 0.5)
    inner = np.asarray(shapely.intersects_xy(inner, x, y))

    def sharpness(image):
        detail = np.abs(np.diff(image[0].astype(float), axis=1, prepend=0))
        return detail[inner].mean() / (image[0].astype(float)[inner] - PLAIN.pedestal).mean()

    assert inner.mean() > 0.02
    assert sharpness(field.image) < 0.75 * sharpness(plain.image)


def test_blurred_and_saturated_shares_are_those_asked_for(spoiled):
    area = spoiled["blurred"].regions.area_mm2
    assert area("blurred") == pytest.approx(0.3 * area("tissue"), rel=1e-3)
    image = spoiled["saturated"].image
    assert image.max() == 4095
    assert (image == 4095).mean(axis=(1, 2)) == pytest.approx(0.01, abs=0.002)
    clipped = (image == 4095).any(axis=0)
    assert np.array_equal(mask_of(spoiled["saturated"], "saturated"), clipped)


@pytest.mark.parametrize("channel", [1, 2, 3, 4])
def test_a_stain_that_failed_shows_no_positive_cell(plain, channel):
    marker = ("cd8", "pdl1", "s100", "sox10")[channel - 1]
    params = replace(PLAIN, unstained=marker, bleed_through=0.0)
    field = simulate_field(params, "baseline", 3)
    positive = field.truth.cells[f"{marker}_positive"].to_numpy()
    assert np.array_equal(positive, plain.truth.cells[f"{marker}_positive"])
    labels, n = field.cells.ravel(), len(positive)

    def difference(image):
        mean = np.bincount(labels, image[channel].ravel(), n + 1)[1:] / np.bincount(labels)[1:]
        return mean[positive].mean() - mean[~positive].mean()

    assert abs(difference(field.image)) < 0.1 * difference(plain.image)
    for other in {1, 2, 3, 4} - {channel}:
        before, after = (f.image[other].astype(float).mean() for f in (plain, field))
        assert after == pytest.approx(before, rel=0.06)


def test_pedestal_and_uneven_background_are_added():
    dark = replace(PLAIN, tumour_density_per_mm2=0.0, stroma_density_per_mm2=0.0,
                   autofluorescence=0.0, background_photons=50.0)  # fmt: skip
    low, high = (
        simulate_field(replace(dark, pedestal=p), "cold", 1).image[2].astype(float)
        for p in (0.0, 400.0)
    )
    assert (high - low).mean() == pytest.approx(400, abs=1)
    even, uneven = (
        simulate_field(replace(dark, uneven_background=u), "cold", 1).image[2].astype(float)
        for u in (0.0, 0.8)
    )
    blocks = [
        im[: 400 // 40 * 40, :480].reshape(10, 40, 12, 40).mean((1, 3)) for im in (even, uneven)
    ]
    assert np.median(blocks[1]) > 0
    assert blocks[1].std() > 4 * blocks[0].std()


def test_artefacts_are_written_where_there_are_any(tmp_path, plain, spoiled):
    write_field(replace_name(spoiled["fold"], "spoiled"), tmp_path)
    write_field(replace_name(plain, "plain"), tmp_path)
    content = json.loads((tmp_path / "truth" / "spoiled_artefacts.geojson").read_text("utf-8"))
    (feature,) = content["features"]
    assert feature["properties"]["classification"]["name"] == "fold"
    drawn = shapely.geometry.shape(feature["geometry"]).area * 0.25 / 1e6
    assert drawn == pytest.approx(spoiled["fold"].regions.area_mm2("fold"), rel=1e-3)
    assert not (tmp_path / "truth" / "plain_artefacts.geojson").exists()


def replace_name(field, name):
    return replace(field, name=name)
