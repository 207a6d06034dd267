"""What the comparison of methods builds on: its baseline, its pooling, its pictures."""

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from benchmarks import (
    segment_field,
    segment_machine,
    segment_methods,
    segment_sources,
    segment_table,
)

from immunescape.segment.learning.data import Field
from immunescape.segment.score import Match, match_labels
from tests.segment.drawn import ellipses, stained

ROW = segment_table.Row(
    "source", "group", "a", "method", 0.5, 1.0, 2.0, drawn=10, found=8, hits_50=6, hits_75=4,
    hits_90=2, split=1, merged=2, hits_middle=8,
)  # fmt: skip


@pytest.mark.parametrize("pixel_um", [0.5, 0.25])
def test_the_baseline_finds_separate_nuclei_and_parts_touching_ones(pixel_um):
    y, x = np.mgrid[:160, :160]
    middles = np.array([[30, 30], [30, 46], [90, 40], [60, 110], [75, 112], [130, 130]])
    drawn = np.zeros(y.shape, np.int32)
    for number, (cy, cx) in enumerate(middles, start=1):
        drawn[((y - cy) ** 2 + (x - cx) ** 2 <= 81) & (drawn == 0)] = number
    image = stained(drawn)
    if pixel_um == 0.25:
        drawn, image = (a.repeat(2, axis=0).repeat(2, axis=1) for a in (drawn, image))
    found = segment_methods.otsu_watershed(image, pixel_um)
    assert found.dtype == np.int32
    assert match_labels(drawn, found, 0.7) == Match(len(middles), 0, 0)


def test_the_baseline_on_a_crowd_and_on_nothing():
    drawn = ellipses((300, 300))
    assert match_labels(drawn, segment_methods.otsu_watershed(stained(drawn), 0.5)).f1 > 0.95
    assert not segment_methods.otsu_watershed(np.full((40, 50), 3.0, np.float32), 0.5).any()


def test_networks_without_weights_say_why(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLPOSE_LOCAL_MODELS_PATH", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for name, word in (("cellpose-sam", "cpsam"), ("stardist", "stardist|2D_versatile")):
        with pytest.raises(segment_methods.AbsentError, match=word):
            segment_methods.METHODS[name](segment_methods.Setting())


def test_instanseg_is_left_out_where_its_weights_are_not(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(segment_methods.__file__).parent))
    import segment_instanseg

    monkeypatch.setattr(segment_instanseg, "FOLDER", tmp_path)
    with pytest.raises(segment_methods.AbsentError, match="make instanseg"):
        segment_methods.METHODS["instanseg"](segment_methods.Setting())
    # weights that are not those that were measured are not taken for them
    weights = tmp_path / segment_instanseg._INSIDE / "instanseg.pt"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"other")
    with pytest.raises(RuntimeError, match="not the file that was measured"):
        segment_methods.METHODS["instanseg"](segment_methods.Setting())


def test_counts_of_a_row():
    drawn, found = np.zeros((2, 20, 20), np.int32)
    drawn[2:12, 2:6] = 1
    found[2:12, 2:6] = 5
    drawn[2:12, 12:16] = 2
    found[2:7, 12:16], found[7:12, 12:16] = 8, 9
    counts = segment_table.score(drawn, found, 0.5)
    assert counts == {
        "drawn": 2, "found": 3, "hits_50": 1, "hits_75": 1, "hits_90": 1, "split": 1, "merged": 0,
        "hits_middle": 2,
    }  # fmt: skip


def test_rates_are_of_pooled_nuclei():
    rows = [ROW, replace(ROW, picture="b", drawn=100, found=100, hits_50=100)]
    rates = segment_table.pooled(rows)
    assert rates["AP@0.5"].value == pytest.approx(106 / (110 + 108 - 106))
    assert rates["F1@0.5"].value == pytest.approx(2 * 106 / 218)
    assert rates["count"].value == pytest.approx(108 / 110 - 1)
    assert rates["split"].value == pytest.approx(2 / 110)
    assert rates["merged"].value == pytest.approx(4 / 108)
    assert rates["middles recall"].value == pytest.approx(16 / 110)
    # only three pairs of pictures can be drawn: one twice, the other twice, both
    assert rates["AP@0.5"].low == pytest.approx(6 / 12) and rates["AP@0.5"].high == 1
    assert rates == segment_table.pooled(rows)


def test_intervals_are_as_wide_as_those_of_independent_nuclei():
    rng = np.random.default_rng(1)
    hits = rng.binomial(20, 0.8, 200)
    rows = [
        replace(ROW, picture=str(k), drawn=20, found=20, hits_50=int(h)) for k, h in enumerate(hits)
    ]
    rate = segment_table.pooled(rows)["F1@0.5"]
    assert rate.high - rate.low == pytest.approx(2 * 1.96 * np.sqrt(0.8 * 0.2 / 4000), rel=0.15)


def test_what_cannot_be_said_is_not():
    one = segment_table.pooled([ROW])
    assert one["AP@0.5"].text("AP@0.5") == "0.500"
    assert one["count"].text("count") == "-20.0 %"
    none = segment_table.pooled([replace(ROW, drawn=0, found=0, hits_50=0)] * 2)
    assert none["AP@0.5"].text("AP@0.5") == "-"
    lines = segment_table.markdown([ROW, replace(ROW, method="other")], ("method",), ["F1@0.5"])
    assert lines[2:] == ["| method | 1 | 10 | 8 | 0.667 |", "| other | 1 | 10 | 8 | 0.667 |"]


def test_rendered_pictures_are_the_same_each_time_and_differ_in_their_way(tmp_path):
    labels = ellipses((96, 120))
    fields = [Field("field_binary_seg_maps.tif", labels, membranes=labels == 0)]
    made = list(segment_sources.rendered(fields, 3))
    assert {p.group for p in made} == set(segment_sources.WAYS)
    assert len({p.name for p in made}) == len(made) == 12
    assert sum(p.drawn.size for p in made[:4]) == labels.size
    again = list(segment_sources.rendered(fields, 3))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(made, again, strict=True))
    made[5].save(tmp_path / "one.npz")
    back = segment_sources.Picture.load(tmp_path / "one.npz")
    assert (back.source, back.group, back.name) == (made[5].source, made[5].group, made[5].name)
    assert np.array_equal(back.drawn, made[5].drawn) and back.pixel_um == 0.5


def test_median_diameter():
    labels = np.zeros((10, 10), np.int32)
    labels[0:4, 0:4], labels[6, 6] = 3, 7
    expected = np.median(np.sqrt(np.array([16, 1]) * 4 / np.pi))
    assert segment_sources.median_diameter_px(labels) == pytest.approx(expected)
    assert np.isnan(segment_sources.median_diameter_px(labels * 0))


def test_a_mosaic_holds_each_field_once_and_bins_to_means():
    field = segment_field.simulate_mosaic(120, 0.5, side=2)
    assert field.stain.shape == field.drawn.shape == (240, 240)
    assert field.count == field.drawn.max() == len(np.unique(field.drawn)) - 1
    parts = [field.drawn[y : y + 120, x : x + 120] for y in (0, 120) for x in (0, 120)]
    assert sum(len(np.unique(part)) - 1 for part in parts) == field.count
    assert all(len(np.unique(part)) > 5 for part in parts)
    coarse = field.binned(2)
    assert coarse.pixel_um == coarse.slide.pixel_size_um == 1.0
    assert coarse.stain[3, 7] == pytest.approx(field.stain[6:8, 14:16].mean())
    assert coarse.stain.mean() == pytest.approx(field.stain.mean())
    assert field.crop(50).stain.shape == (50, 50)


def test_peak_memory_is_that_of_this_process():
    before = segment_machine.peak_gib()
    held = np.ones(2**27, np.uint8)
    assert held[-1] and segment_machine.peak_gib() >= before > 0.02


def test_the_comparison_from_files_to_tables(tmp_path):
    folder = tmp_path / "nuclei" / "train"
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for k in range(12):
        drawn = ellipses((90, 100 + k), seed=k)
        image = np.clip(60 * stained(drawn, seed=k) + 20, 0, 255).astype(np.uint8)
        tifffile.imwrite(folder / "images" / f"{k:02d}.tif", image)
        tifffile.imwrite(folder / "masks" / f"{k:02d}.tif", drawn)
    rows = tmp_path / "rows.csv"
    script = Path(segment_table.__file__).with_name("segment.py")
    asked = ["--sources", "validation", "--methods", "otsu + watershed", "--csv", rows]
    run = subprocess.run(
        [sys.executable, script, tmp_path, *asked], capture_output=True, text=True, check=True
    )
    assert "## validation, own scale" in run.stdout and "## validation, one scale" in run.stdout
    written = list(csv.DictReader(rows.read_text(encoding="utf-8").splitlines()))
    assert [row["source"] for row in written] == [
        segment_sources.VALIDATION, segment_sources.VALIDATION_CONSTANT,
    ]  # fmt: skip
    own = float(written[0]["pixel_um"])
    picture = tifffile.imread(folder / "masks" / written[0]["picture"])
    assert own == pytest.approx(9 / segment_sources.median_diameter_px(picture))
    assert all(int(row["hits_50"]) > 0.9 * int(row["drawn"]) > 10 for row in written)
