"""Pictures kept with a result: what they show, when pixels are read again, and when not."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile
from tests.slides import CHANNELS, square, write_geojson, write_labels, write_slide

from immunescape.cells import CellTable
from immunescape.io.pictures import read_pictures
from immunescape.panel import match_panel
from immunescape.phenotype import parse_gate
from immunescape.pipeline import Inputs, pictures, run_slide
from immunescape.pipeline.provenance import Recorder
from immunescape.results import SlideResult
from immunescape.slide import Slide
from immunescape.study import Study


def slide_of(*arrays, channels=("a", "b"), pixel_um=0.5):
    return Slide("drawn", arrays, channels, pixel_um)


def test_the_overview_is_the_mean_of_square_blocks(monkeypatch):
    monkeypatch.setattr(pictures, "_LONG_PX", 10)
    image = np.random.default_rng(0).integers(0, 60000, (2, 19, 31)).astype(np.uint16)
    made = pictures.overview_of(slide_of(image), ("b", "a"))
    assert made.pixels.shape == (2, 4, 7)  # four by four; what is left over is dropped
    assert made.pixels.dtype == np.uint16
    assert made.pixel_size_um == 2.0
    assert made.extent_um == (0, 14, 0, 8)
    for row, column in ((0, 0), (3, 6), (1, 5)):
        block = image[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        expected = [np.rint(block[1].mean()), np.rint(block[0].mean())]
        assert made.pixels[:, row, column].tolist() == expected


def test_a_small_slide_is_shown_as_it_is():
    image = np.random.default_rng(0).random((1, 5, 900)).astype(np.float32)
    made = pictures.overview_of(slide_of(image, channels=("a",)), ("a",))
    assert np.array_equal(made.pixels, image)
    assert made.pixel_size_um == 0.5


def test_the_smallest_level_that_is_large_enough_is_read(monkeypatch):
    monkeypatch.setattr(pictures, "_LONG_PX", 10)
    levels = [np.full((1, n, n), n, np.uint16) for n in (80, 40, 20, 8)]
    made = pictures.overview_of(slide_of(*levels, channels=("a",)), ("a",))
    assert made.pixels.shape == (1, 10, 10)
    assert (made.pixels == 20).all()
    assert made.pixel_size_um == 0.5 * 4 * 2


def cells_at(*groups):
    """A table of cells: each group is a number, its place, and what the cells are."""
    rows = []
    for number, (x, y), kind in groups:
        for k in range(number):
            rows.append({"x_um": x + k % 5, "y_um": y + k // 5, **kind})
    frame = pd.DataFrame(rows)
    frame.index = pd.RangeIndex(1, len(frame) + 1, name="label")
    return CellTable(frame)


def kind(phenotype, *, pdl1=False, touching=False, distance=500.0, region="stroma"):
    return {
        "phenotype": phenotype, "pdl1_positive": pdl1, "touching_cd8": touching,
        "distance_to_margin_um": distance, "region": region,
    }  # fmt: skip


HIT = {"phenotype": "tumour", "pdl1": False, "touching": True}
NEAR = kind(**HIT, distance=-40.0, region="inner_margin")
FAR = kind(**HIT, distance=-400.0, region="centre")


def result_of(cells, width_um=100.0):
    summary = pd.DataFrame({"margin_width_um": [width_um]})
    return SlideResult("drawn", cells, None, {"summary": summary})


@pytest.mark.parametrize(
    ("groups", "centre"),
    [
        # cells that touch at the margin go before more of them elsewhere
        ([(3, (700, 300), NEAR), (30, (200, 200), FAR)], (700, 300)),
        ([(30, (200, 200), FAR), (9, (800, 800), kind("tumour"))], (200, 200)),
        # a positive cell, and one that touches nothing, are not what is looked for
        (
            [
                (9, (300, 700), kind("tumour", pdl1=True, touching=True, distance=5.0)),
                (5, (600, 400), kind("other", distance=-5.0)),
                (4, (900, 900), kind("tumour")),
            ],
            (300, 700),
        ),
        ([(9, (300, 700), kind("tumour")), (30, (900, 100), kind("other"))], (300, 700)),
        ([(9, (300, 700), kind("other"))], (300, 700)),
    ],
)
def test_the_closeup_shows_what_matters_most(groups, centre):
    block = pictures.closeup_block(result_of(cells_at(*groups)), (2000, 2000), 0.5)
    assert block.shape == (400, 400)
    x, y = (n / 0.5 for n in centre)
    assert block.x0 <= x < block.x1
    assert block.y0 <= y < block.y1


def test_the_closeup_of_a_slide_without_cells_is_its_middle():
    empty = cells_at((1, (0, 0), kind("other")))
    empty = CellTable(empty.frame.iloc[:0])
    assert pictures.closeup_block(result_of(empty), (1000, 600), 0.5).shape == (400, 400)
    assert pictures.closeup_block(result_of(empty), (100, 60), 0.5).shape == (100, 60)


@pytest.fixture
def at_hand(tmp_path):
    """A slide, and what pictures of it are asked for with the folder of its result."""
    image = np.random.default_rng(1).integers(0, 9000, (5, 900, 1200)).astype(np.uint16)
    slide = Slide("drawn", (image,), CHANNELS, 1.0)
    file = SimpleNamespace(role="slide", sha256="0" * 64)
    opened = SimpleNamespace(slide=slide, panel=match_panel(CHANNELS).panel, files=(file,))
    job = SimpleNamespace(opened=opened, folder=tmp_path / "drawn", study=Study())
    return job, image


def keep(job, made):
    """Write pictures as a run does, and return what a later run finds."""
    from immunescape.io.pictures import write_picture

    for name, picture in made.pictures.items():
        write_picture(job.folder / "pictures", name, picture)
    return SimpleNamespace(pictures=json.loads(json.dumps(made.record)))


def test_the_closeup_moves_only_when_it_shows_no_such_cell(at_hand, monkeypatch):
    job, image = at_hand
    first, second = (3, (150, 150), NEAR), (9, (950, 700), NEAR)
    made = pictures.pictured(job, result_of(cells_at(first)), None, Recorder())
    y, x = (round(v) for v in (made.pictures["closeup"].y_um, made.pictures["closeup"].x_um))
    order = [CHANNELS.index(c) for c in made.pictures["closeup"].channels]
    assert np.array_equal(made.pictures["closeup"].pixels, image[order, y : y + 200, x : x + 200])
    earlier = keep(job, made)

    read = []
    monkeypatch.setattr(Slide, "read", _watched(read))
    recorder = Recorder()
    again = pictures.pictured(job, result_of(cells_at(first, second)), earlier, recorder)
    assert read == []
    assert recorder.records[-1].reused
    assert again.record == made.record
    moved = pictures.pictured(job, result_of(cells_at(second)), earlier, Recorder())
    assert [block.shape for block in read] == [(200, 200)]  # that block alone
    left, right, top, bottom = moved.pictures["closeup"].extent_um
    assert left <= 950 < right and top <= 700 < bottom
    assert np.array_equal(moved.pictures["overview"].pixels, made.pictures["overview"].pixels)


def _watched(read):
    own = Slide.read

    def watched(self, block, *more):
        read.append(block)
        return own(self, block, *more)

    return watched


def test_pictures_of_another_slide_or_panel_are_not_taken_over(at_hand):
    job, _ = at_hand
    result = result_of(cells_at((3, (150, 150), NEAR)))
    earlier = keep(job, pictures.pictured(job, result, None, Recorder()))
    other = SimpleNamespace(role="slide", sha256="1" * 64)
    for change in ({"files": (other,)}, {"panel": match_panel(CHANNELS[:4]).panel}):
        changed = SimpleNamespace(**{**vars(job.opened), **change})
        again = SimpleNamespace(**{**vars(job), "opened": changed})
        recorder = Recorder()
        made = pictures.pictured(again, result, earlier, recorder)
        assert not recorder.records[-1].reused
        assert len(made.pictures["overview"].channels) == len(changed.panel.stains)


@pytest.mark.parametrize("harm", ["absent", "damaged"])
def test_a_picture_that_is_gone_is_made_again(at_hand, harm):
    job, _ = at_hand
    result = result_of(cells_at((3, (150, 150), NEAR)))
    made = pictures.pictured(job, result, None, Recorder())
    earlier = keep(job, made)
    path = job.folder / "pictures" / "overview.ome.tif"
    if harm == "absent":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:2000])
    again = pictures.pictured(job, result, earlier, Recorder())
    assert np.array_equal(again.pictures["overview"].pixels, made.pictures["overview"].pixels)


@pytest.mark.slow
def test_a_changed_gate_reads_no_pixel_and_keeps_the_pictures(tmp_path, monkeypatch):
    slide = write_slide(tmp_path, "P07")
    tumour = write_geojson(tmp_path, square(0, 0, 180, 240))
    inputs = Inputs(slide=slide, annotations=tumour, labels=(write_labels(tmp_path),))
    run_slide(inputs, tmp_path / "out", Study())
    folder = tmp_path / "out" / "P07"
    before = {p.name: p.read_bytes() for p in (folder / "pictures").iterdir()}
    assert set(before) == {"overview.ome.tif", "closeup.ome.tif"}
    record = json.loads((folder / "provenance.json").read_text("utf-8"))["pictures"]
    (kept, closeup) = (read_pictures(folder, record)[n] for n in ("overview", "closeup"))
    assert np.array_equal(kept.pixels, tifffile.imread(slide))
    assert kept.channels == CHANNELS
    assert closeup.pixels.shape == (5, 240, 360)  # all of a slide that is smaller

    monkeypatch.setattr(Slide, "read", lambda *_: pytest.fail("pixels were read"))
    gated = replace(Study(), gate=(parse_gate("pdl1=fixed:200"),))
    run = run_slide(inputs, tmp_path / "out", gated)
    steps = {s["step"]: s["reused"] for s in run.provenance["steps"]}
    assert steps["pictures"]
    assert {p.name: p.read_bytes() for p in (folder / "pictures").iterdir()} == before
    assert "report.html" in {p.name for p in folder.iterdir()}
