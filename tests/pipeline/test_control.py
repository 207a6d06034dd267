"""A control slide, or control tissue on the slide, vouches for stains that the tumour cannot."""

from pathlib import Path

import pandas as pd
import pytest
from tests.slides import drawn_labels, square, write_geojson, write_labels, write_slide

from immunescape.cli import main
from immunescape.errors import ControlError
from immunescape.pipeline.control import read_control
from immunescape.study import read_study

pytestmark = pytest.mark.usefixtures("without_reports")


def run(folder, *more):
    """Analyse the drawn slide by gates above every cell: nothing is PD-L1+."""
    folder.mkdir(exist_ok=True)
    slide = write_slide(folder)
    words = [
        "run", str(slide), "-o", str(folder / "out"), "--labels",
        str(write_labels(folder, labels=drawn_labels())), "--tissue.method", "whole", "--quiet",
        "--gate", "pdl1=fixed:100000", *more,
    ]  # fmt: skip
    if "--annotations" not in more:
        words += ["--annotations", str(write_geojson(folder, square(0, 0, 180, 240)))]
    assert main(words) == 0
    return folder / "out" / "slide"


def headline(folder):
    table = pd.read_csv(folder / "summary.csv")
    table = table[
        (table["metric"] == "pdl1_negative_fraction_touching_cd8")
        & (table["phenotype"] == "tumour")
        & (table["region"] == "tissue")
        & (table["neighbourhood"] == "contact")
    ]
    return table.iloc[0]


def control(folder, pdl1, cd8):
    folder.mkdir(parents=True)
    rows = [("pdl1", "tumour", 0), ("pdl1", "non_tumour", pdl1), ("cd8", "all", cd8)]
    frame = pd.DataFrame(rows, columns=["marker", "parent", "positive"])
    frame.to_csv(folder / "gates.csv", index=False)
    return folder


def test_without_a_control_a_slide_without_pdl1_is_not_judged(tmp_path):
    row = headline(run(tmp_path / "alone"))
    assert not row["evaluable"]
    assert "stain" in row["reason"]


def test_a_control_slide_lets_it_be_judged_and_is_recorded(tmp_path):
    tonsil = control(tmp_path / "tonsil", 40, 60)
    folder = run(tmp_path / "with", "--control", str(tonsil))
    row = headline(folder)
    assert row["evaluable"]
    assert row["value"] == 1
    named = [i for i in read_study(folder / "study.toml").input if i.role == "control"]
    assert [i.file for i in named] == ["tonsil/gates.csv"]


def test_a_control_slide_that_shows_nothing_does_not_vouch(tmp_path, capsys):
    tonsil = control(tmp_path / "tonsil", 3, 60)
    folder = run(tmp_path / "with", "--control", str(tonsil))
    assert not headline(folder)["evaluable"]
    warnings = (folder / "provenance.json").read_text()
    assert "control slide tonsil does not show that the stains worked" in warnings


def test_control_tissue_on_the_slide_vouches_too(tmp_path):
    folder = tmp_path / "on"
    folder.mkdir()
    regions = write_geojson(folder, square(0, 0, 180, 240), square(260, 0, 360, 240, "Control"))
    # in the control tissue every third cell is PD-L1+ by this gate and none of the tumour is
    gates = ["--gate", "pdl1@non_tumour=fixed:150", "--gate", "pdl1@tumour=fixed:100000"]
    row = headline(
        run(
            folder,
            "--annotations",
            str(regions),
            *gates,
            "--summary.min-control-cells",
            "8",
            "--density.min-area-mm2",
            "0.01",
        )
    )
    assert row["evaluable"]


def test_what_is_no_control_is_named(tmp_path):
    with pytest.raises(ControlError, match="nothing holds no gates"):
        read_control(tmp_path / "nothing")
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "gates.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ControlError, match="no columns marker"):
        read_control(bad)


@pytest.mark.slow
def test_a_slide_cannot_vouch_for_its_own_stains(tmp_path, capsys):
    folder = run(tmp_path / "alone")
    before = (folder / "summary.csv").read_bytes()
    words = [
        "run", str(tmp_path / "alone" / "slide.ome.tif"), "-o", str(tmp_path / "alone" / "out"),
        "--labels", str(tmp_path / "alone" / "cells.tif"), "--control", str(folder),
    ]  # fmt: skip
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the control slide slide is the slide itself" in line
    assert (folder / "summary.csv").read_bytes() == before


def test_a_control_folder_given_as_a_dot_keeps_its_name(tmp_path, monkeypatch):
    """Otherwise the study of the result would name an absolute path."""
    monkeypatch.chdir(control(tmp_path / "tonsil", 40, 60))
    for given in (".", "gates.csv", "../tonsil"):
        assert read_control(Path(given)).within == "tonsil/gates.csv"
