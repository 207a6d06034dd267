"""One parameter under several values, one table for all of them."""

import pandas as pd
import pytest
from tests.slides import drawn_labels, square, write_geojson, write_labels, write_slide

from immunescape.cli import main
from immunescape.errors import ImmunescapeError, StudyError
from immunescape.phenotype import GateSpec
from immunescape.pipeline import parse_sweep
from immunescape.results import SUMMARY_COLUMNS
from immunescape.study import Study

pytestmark = pytest.mark.usefixtures("without_reports")


def words(folder):
    slide = write_slide(folder)
    labels = write_labels(folder, labels=drawn_labels())
    regions = write_geojson(folder, square(0, 0, 180, 240))
    return [
        "run", str(slide), "-o", str(folder / "out"), "--labels", str(labels), "--annotations",
        str(regions), "--tissue.method", "whole", "--quiet", "--sensitivity.tables", "none",
        "--gating.bootstrap-draws", "0",
    ]  # fmt: skip


def test_each_value_gives_what_a_run_with_it_gives(tmp_path):
    assert main([*words(tmp_path), "--sweep", "margin.width_um=20,40"]) == 0
    table = pd.read_csv(tmp_path / "out" / "slide" / "sweep.csv")
    assert list(table.columns) == ["parameter", "parameter_value", *SUMMARY_COLUMNS]
    assert sorted(table["margin_width_um"].unique()) == [20, 40]
    for width in (20, 40):
        (tmp_path / str(width)).mkdir()
        alone = [*words(tmp_path / str(width)), "--margin.width-um", str(width)]
        assert main(alone) == 0
        summary = pd.read_csv(tmp_path / str(width) / "out" / "slide" / "summary.csv")
        mine = table[table["parameter_value"] == width][list(SUMMARY_COLUMNS)]
        pd.testing.assert_frame_equal(mine.reset_index(drop=True), summary, check_dtype=False)


def test_a_gate_and_a_membrane_can_be_varied(tmp_path):
    sweeps = ["--sweep", "pdl1@tumour=100,100000", "--sweep", "measure.membrane_width_um=1,2"]
    assert main([*words(tmp_path), *sweeps, "--summary.min-tumour-cells", "50"]) == 0
    table = pd.read_csv(tmp_path / "out" / "slide" / "sweep.csv")
    assert list(table["parameter"].unique()) == ["pdl1@tumour", "measure.membrane_width_um"]
    score = table[table["metric"] == "tumour_proportion_score"].set_index(
        ["parameter", "parameter_value"]
    )["value"]
    # every third cell is PD-L1+, and none is brighter than any camera
    assert score["pdl1@tumour", 100.0] == pytest.approx(100 / 3, abs=3)
    assert score["pdl1@tumour", 100000.0] == 0


def test_a_run_without_a_sweep_leaves_none(tmp_path):
    given = words(tmp_path)
    assert main([*given, "--sweep", "margin.width_um=20"]) == 0
    assert main(given) == 0
    assert not (tmp_path / "out" / "slide" / "sweep.csv").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("margin.width_um", "cannot be read"),
        ("margin.width_um=", "cannot be read"),
        ("=3", "cannot be read"),
        ("margin.width_um=40,40", "twice"),
        ("margins.width_um=40", "'margins'"),
        ("margin.wide=40", "margin.wide"),
        ("margin.width_um=1e9", "width_um"),
        ("margin.width_um=wide", "margin.width_um"),
        ("pdl1@nowhere=3", "nowhere"),
        ("pdl1@tumour=high", "no number"),
        ("quality.exclude=no", "'no' is neither true nor false"),
        ("quality.exclude=True", "'True' is neither true nor false"),
        ("summary.min_cells=20.5", "20.5 is no whole number"),
        ("tissue.method=hole", "'hole' is none of image, whole"),
    ],
)
def test_what_cannot_be_swept_is_named(text, told):
    with pytest.raises(StudyError, match=told) as error:
        parse_sweep(text, Study())
    assert isinstance(error.value, ImmunescapeError)
    assert "\n" not in str(error.value)


def test_flags_may_be_written_with_hyphens():
    (study,) = parse_sweep("margin.width-um=40", Study()).studies
    assert study.margin.width_um == 40


def test_a_gate_of_no_marker_of_the_slide_is_refused(tmp_path, capsys):
    """Every row would be the same, and nothing would say why."""
    for name in ("seed", "ki67@tumour"):
        assert main([*words(tmp_path), "--sweep", f"{name}=1,2"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"'{name}'" in line
        assert "cd8" in line
    assert not (tmp_path / "out").exists()


def test_a_swept_gate_for_all_cells_goes_before_those_of_some():
    """Otherwise its thresholds would hold for no tumour cell."""
    study = Study(gate=(GateSpec("pdl1", "tumour", "fixed", 3.0), GateSpec("cd8")))
    (other,) = parse_sweep("pdl1=5", study).studies
    assert [(g.marker, g.parent) for g in other.gate] == [("cd8", "all"), ("pdl1", "all")]
    (other,) = parse_sweep("pdl1@non_tumour=5", study).studies
    assert len(other.gate) == 3
