"""A slide cut into tiles gives the numbers of the slide; a tile that is missing takes its own."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from tests.mosaics import cuts, write_mosaic
from tests.slides import CHANNELS, PIXEL_UM, drawn_image, drawn_labels, write_labels

from immunescape.blocks import Block
from immunescape.cli import main
from immunescape.io import open_slide, write_ome_tiff
from immunescape.io.geojson import read_regions
from immunescape.io.labels import LabelStore
from immunescape.pipeline.finished import load_finished
from immunescape.pipeline.inputs import Inputs
from immunescape.pipeline.job import open_job
from immunescape.pipeline.measured import label_slide, measure_labelled
from immunescape.pipeline.named_files import places
from immunescape.pipeline.stages import stage_keys
from immunescape.study import Study, read_study

pytestmark = pytest.mark.usefixtures("without_reports")

TILE = (80, 120)
MISSING = 4
"""The middle tile of three by three."""
TABLES = ("regions", "bands", "contacts", "summary", "sensitivity", "quality", "gates", "blocks")
FLAGS = ("--tissue.method", "whole", "--sensitivity.tables", "none", *(
    word for key in ("pdl1", "cd8", "s100", "sox10") for word in ("--gate", f"{key}=fixed:150")
))  # fmt: skip


def run(slide: Path, out: Path, *flags: str) -> Path:
    assert main(["run", str(slide), "-o", str(out), *FLAGS, *flags]) == 0
    (folder,) = out.iterdir()
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, Path]:
    """Results of a slide, of its tiles, and of its tiles less the one in the middle."""
    place = tmp_path_factory.mktemp("mosaic")
    labels = drawn_labels()
    image = drawn_image(labels).astype(np.float32)
    masks = write_labels(place, labels=labels)
    write_ome_tiff(place / "P07.ome.tif", image, CHANNELS, PIXEL_UM)
    for name, overlap, without in (("P07", 8, ()), ("P08", 0, (MISSING,))):
        write_mosaic(place / name, image, CHANNELS, tile=TILE, overlap=overlap, without=without)
    given = ("--labels", str(masks))
    return {
        "whole": run(place / "P07.ome.tif", place / "whole", *given),
        "tiles": run(place / "P07", place / "tiles", *given),
        "gap": run(place / "P08", place / "gap", *given),
    }


def cells(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "cells.parquet")


def test_the_tables_of_a_cut_slide_are_those_of_the_whole(made) -> None:
    pd.testing.assert_frame_equal(cells(made["tiles"]), cells(made["whole"]))
    for name in TABLES:
        file = f"{name}.csv"
        assert (made["tiles"] / file).read_text() == (made["whole"] / file).read_text(), name
    geojson = "regions.geojson"
    assert (made["tiles"] / geojson).read_text() == (made["whole"] / geojson).read_text()


def test_a_result_of_tiles_holds_no_path(made, tmp_path_factory) -> None:
    root = str(tmp_path_factory.getbasetemp())
    for file in (f for f in made["tiles"].rglob("*") if f.suffix in (".json", ".toml", ".csv")):
        assert root not in file.read_text()


def test_a_missing_tile_is_neither_tissue_nor_margin(made) -> None:
    (gap,) = (c for k, c in enumerate(cuts(drawn_labels().shape, TILE)) if k == MISSING)
    y0, x0 = gap.y * PIXEL_UM, gap.x * PIXEL_UM
    hole = shapely.box(x0, y0, x0 + gap.width * PIXEL_UM, y0 + gap.height * PIXEL_UM)
    areas = {
        name: pd.read_csv(made[name] / "regions.csv").set_index(["region", "phenotype", "pdl1"])
        for name in ("whole", "gap")
    }
    first = areas["whole"].index[areas["whole"].index.get_level_values(0) == "tissue"][0]
    before, after = (areas[name].loc[first, "area_mm2"] for name in ("whole", "gap"))
    assert before == pytest.approx(120 * 180 / 1e6, rel=1e-12)
    assert before - after == pytest.approx(hole.area / 1e6, rel=1e-9)
    shapes = read_regions(made["gap"] / "regions.geojson", pixel_size_um=PIXEL_UM)
    assert shapes["tissue"].intersection(hole).area < 1e-6
    interface = shapes["interface"]
    assert interface.length > 50
    assert interface.intersection(hole.buffer(2)).length < 6  # where it ends at the gap


def test_cells_end_at_a_gap(made) -> None:
    gap = next(c for k, c in enumerate(cuts(drawn_labels().shape, TILE)) if k == MISSING)
    truth = drawn_labels()
    truth[gap.slices] = 0
    table = cells(made["gap"])
    np.testing.assert_array_equal(
        np.asarray(LabelStore.open(made["gap"] / "labels.zarr")["cells"][...]), truth
    )
    assert sorted(table.index if table.index.name == "label" else table["label"]) == sorted(
        np.unique(truth)[1:]
    )
    assert (table["dapi_cell_mean"] > 300).all()  # no dark pixel of the gap in any mean


def test_a_missing_tile_is_told(made) -> None:
    text = (made["gap"] / "provenance.json").read_text(encoding="utf-8")
    assert "11.1 % of the frame of P08 was not imaged" in text
    assert "lie nearer to the frame, or to what was not imaged, than to the interface" in text


def test_numbers_that_were_taken_over_know_of_the_gap(made) -> None:
    before = pd.read_csv(made["gap"] / "bands.csv")
    place = made["gap"].parent
    given = ("--labels", str(place.parent / "cells.tif"))
    again = run(place.parent / "P08", place, *given, "--margin.width-um", "50")
    after = pd.read_csv(again / "bands.csv")
    pd.testing.assert_frame_equal(before, after)


def test_a_folder_is_described(made, capsys) -> None:
    assert main(["info", str(made["gap"].parent.parent / "P08")]) == 0
    told = capsys.readouterr().out
    assert "mosaic of inForm component data, float32" in told
    assert "tiles       8, 120 x 80 px, placed by position tags" in told
    assert "overlap     0 %" in told
    assert "gaps        11.1 % of the frame, not imaged" in told


def test_who_asks_for_contacts_knows_of_the_gap(made, tmp_path) -> None:
    """Cells grown for the table of sensitivity end where the slide does, new or taken over."""
    study = read_study(made["gap"] / "study.toml")
    place = made["gap"].parent
    inputs = Inputs(slide=place.parent / "P08", labels=(place.parent / "cells.tif",))
    job = open_job(inputs, place, study)
    finished = load_finished(job)
    new = label_slide(
        job.opened.slide, job.opened.panel, LabelStore.create(tmp_path / "l.zarr", PIXEL_UM),
        study, labels=job.opened.labels,
    )  # fmt: skip
    measured = measure_labelled(job.opened.slide, job.opened.panel, new, study)
    (gap,) = (c for k, c in enumerate(cuts(drawn_labels().shape, TILE)) if k == MISSING)
    seen = np.ones(job.opened.slide.shape, bool)
    seen[gap.slices] = False
    for known in (finished.measured.imaged, measured.imaged):
        np.testing.assert_array_equal(known.mask(Block(0, seen.shape[0], 0, seen.shape[1])), seen)


@pytest.mark.parametrize("given", [".", "..", "sub/.."])
def test_a_folder_has_its_name_however_it_is_given(made, tmp_path, monkeypatch, given) -> None:
    whole, beside = tmp_path / "P07", tmp_path / "notes.geojson"
    shutil.copytree(made["tiles"].parent.parent / "P07", whole)
    (whole / "sub").mkdir()
    beside.write_text('{"type": "FeatureCollection", "features": []}')
    labels = made["tiles"].parent.parent / "cells.tif"
    monkeypatch.chdir(whole / "sub" if given == ".." else whole)
    for path in (Path(given), Path(given).absolute()):
        job = open_job(Inputs(slide=path, labels=(labels,)), tmp_path / "out", Study())
        assert (job.opened.slide.name, job.folder.name) == ("P07", "P07")
        assert job.opened.files[0].file == "P07"
        assert beside in [folder / beside.name for folder in places(job.inputs)]


def test_a_result_may_lie_in_the_folder_of_the_tiles(made, tmp_path) -> None:
    folder = tmp_path / "P07"
    place = made["tiles"].parent.parent
    shutil.copytree(place / "P07", folder)
    shutil.copytree(made["tiles"], folder / "result" / "P07")
    (folder / ".DS_Store").write_bytes(b"a Mac's note")
    again = run(folder, folder / "result", "--labels", str(place / "cells.tif"))
    told = json.loads((again / "provenance.json").read_text(encoding="utf-8"))
    before = json.loads((made["tiles"] / "provenance.json").read_text(encoding="utf-8"))
    assert told["input"] == before["input"]
    assert told["stages"]["keys"] == before["stages"]["keys"]
    assert "measure" in {step["step"] for step in told["steps"] if step["reused"]}


def test_no_result_is_taken_over_once_a_tile_was_moved(made, tmp_path) -> None:
    """Even where the hash of a large mosaic should not tell."""
    study = read_study(made["tiles"] / "study.toml")
    place = made["tiles"].parent.parent
    inputs = Inputs(slide=place / "P07", labels=(place / "cells.tif",))
    opened = open_job(inputs, tmp_path, study).opened
    moved = tmp_path / "P07"
    image = drawn_image(drawn_labels()).astype(np.float32)
    paths = write_mosaic(moved, image, CHANNELS, tile=TILE, overlap=8)
    names = [path.name for path in paths]

    def keys(slide):
        return stage_keys(slide, opened.panel, study, opened.files)

    base = keys(open_slide(moved))
    assert base == keys(opened.slide)
    # two tiles of a size change places: the mosaic has the same tiles at the same places
    paths[0].rename(tmp_path / "aside")
    paths[1].rename(paths[0])
    (tmp_path / "aside").rename(moved / names[1])
    assert dataclasses.astuple(keys(open_slide(moved)))[:5] != dataclasses.astuple(base)[:5]
    assert keys(open_slide(moved)).labels != base.labels
