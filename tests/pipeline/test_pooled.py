"""Slides that were stained alike share their gates."""

import numpy as np
import pandas as pd
import pytest
from tests.slides import CHANNELS, drawn_labels, square, write_geojson, write_labels

from immunescape.errors import OutputError
from immunescape.io import write_ome_tiff
from immunescape.pipeline import Inputs, run_pooled, run_slide
from immunescape.study import Study, read_study

pytestmark = pytest.mark.usefixtures("without_reports")


def drawn(folder, name, every, seed):
    """A slide whose every n-th cell is CD8+, the others negative; the left half is tumour."""
    labels = drawn_labels()
    number = labels - 1
    draw = np.random.default_rng(seed)
    level = draw.lognormal(0, 0.2, labels.max() + 1)
    image = np.full((5, *labels.shape), 50.0) + draw.normal(0, 3, (5, *labels.shape))
    cell = labels > 0
    cd8 = cell & (number % every == 0)
    tumour = cell & (np.arange(labels.shape[1]) < labels.shape[1] / 2) & ~cd8
    image[0][cell] += 400
    image[1] += np.where(cd8, 300, np.where(cell, 20, 0)) * level[labels]
    image[2][cell & (number % 3 == 0)] += 300
    image[3][tumour] += 300
    image[4][tumour] += 300
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.ome.tif"
    write_ome_tiff(path, image.clip(0, 65535).astype(np.uint16), CHANNELS, 0.5)
    return Inputs(
        slide=path,
        labels=(write_labels(folder, f"{name}_cells.tif", labels),),
        annotations=write_geojson(folder, square(0, 0, 180, 240), name=f"{name}.geojson"),
    )


def cd8_of(folder):
    gates = pd.read_csv(folder / "gates.csv").set_index("marker")
    return gates.loc["cd8"]


@pytest.fixture(scope="module")
def pooled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pooled")
    inputs = [drawn(folder, "many", 5, 1), drawn(folder, "two", 108, 2)]
    results = run_pooled(inputs, folder / "out", Study())
    return folder, inputs, results


@pytest.mark.slow
def test_a_slide_with_two_cd8_cells_takes_the_gate_of_the_patient(pooled):
    folder, _, (many, two) = pooled
    assert [r.name for r in (many, two)] == ["many", "two"]
    alone = run_slide(pooled[1][1], folder / "alone", Study())
    assert alone.tables["gates"].set_index("marker").loc["cd8", "source"] == "missing"
    for name, cells in (("many", 44), ("two", 2)):
        gate = cd8_of(folder / "out" / name)
        assert gate["source"] == "patient:all"
        assert gate["positive"] == cells
    assert cd8_of(folder / "out" / "many")["threshold"] == pytest.approx(
        cd8_of(folder / "out" / "two")["threshold"]
    )


def test_the_study_of_a_pooled_result_repeats_it_alone(pooled):
    folder, inputs, _ = pooled
    made = folder / "out" / "two"
    study = read_study(made / "study.toml")
    again = run_slide(inputs[1], folder / "again", study)
    summary = pd.read_csv(made / "summary.csv")
    repeated = pd.read_csv(folder / "again" / "two" / "summary.csv")
    pd.testing.assert_frame_equal(summary.drop(columns="reason"), repeated.drop(columns="reason"))
    assert again.tables["gates"].set_index("marker").loc["cd8", "positive"] == 2


def test_two_slides_of_one_name_are_refused(pooled, tmp_path):
    _, inputs, _ = pooled
    with pytest.raises(OutputError, match="two slides are named many"):
        run_pooled([inputs[0], inputs[0]], tmp_path, Study())
    assert not list(tmp_path.iterdir())
