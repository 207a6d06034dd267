"""Corrections from the command line: the numbers change, and their study repeats them."""

import pandas as pd
import pytest
from tests.slides import drawn_labels, square, write_geojson, write_labels, write_slide

from immunescape.cli import main
from immunescape.io.edits import Edits, append_edits

pytestmark = pytest.mark.usefixtures("without_reports")

QUICK = ("--tissue.method", "whole", "--gating.bootstrap-draws", "0")


def words(folder):
    slide = write_slide(folder)
    labels = write_labels(folder, labels=drawn_labels())
    regions = write_geojson(folder, square(0, 0, 180, 240), name="drawn.geojson")
    return [
        "run", str(slide), "--labels", str(labels), "--annotations", str(regions), *QUICK,
    ]  # fmt: skip


def corrections(path):
    edits = Edits()
    for action, *told in (
        ("delete", 5.0, 5.0),
        ("call", 55.0, 5.0, "phenotype", "other"),
        ("delete", 9000.0, 5.0),
    ):
        edits = append_edits(path, [getattr(edits, action)(*told, user="A", reason="seen")])
    return path


def tables(folder):
    return {p.name: p.read_text() for p in sorted(folder.glob("*.csv"))}


def test_corrections_are_counted_named_and_repeated(tmp_path, capsys):
    given = words(tmp_path)
    mine = corrections(tmp_path / "mine.csv")
    out = tmp_path / "out"
    assert main([*given, "-o", str(out), "--edits", str(mine)]) == 0
    said = capsys.readouterr().out
    assert (
        "warning: 2 corrections by hand applied, 1 not: delete at x 9000.0 µm, y 5.0 µm: "
        "it lies outside the slide\n"
    ) in said
    cells = pd.read_parquet(out / "slide" / "cells.parquet").set_index("label")
    assert 1 not in cells.index
    assert cells.loc[6, "phenotype"] == "other"
    assert (out / "slide" / "edits.csv").read_bytes() == mine.read_bytes()
    study = out / "slide" / "study.toml"
    again = ["run", str(tmp_path / "slide.ome.tif"), "--study", str(study), "-q"]
    assert main([*again, "-o", str(tmp_path / "again")]) == 0
    assert tables(tmp_path / "again" / "slide") == tables(out / "slide")
    # without the flag those of the folder are replayed
    assert main([*given, "-o", str(out), "-q"]) == 0
    assert tables(out / "slide") == tables(tmp_path / "again" / "slide")
