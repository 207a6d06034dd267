"""Real files end with every table their panel allows, and say which numbers are missing."""

import json

import pandas as pd
import pytest
from tests.real_data import DATA, needs

from immunescape.cli import main

FILES = {
    "FIHC4__0929309_HP_IM3_2": ("inform", "FIHC4__0929309_HP_IM3_2_component_data.tif"),
    "small_vectra": ("qptiff", "small_vectra.qptiff"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=needs(*parts)) for name, parts in FILES.items()]
)
def test_a_real_file_gives_what_it_can(name, tmp_path, capsys):
    assert DATA is not None
    slide = DATA.joinpath(*FILES[name])
    assert main(["run", str(slide), "-o", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    folder = tmp_path / name
    cells = pd.read_parquet(folder / "cells.parquet")
    height, width = json.loads((folder / "provenance.json").read_text())["shape_px"]
    per_mm2 = len(cells) / (height * width * 0.497**2 / 1e6)
    assert 1000 < per_mm2 < 20000
    assert (cells["nucleus_area_um2"].between(5, 400)).mean() > 0.95
    summary = pd.read_csv(folder / "summary.csv")
    counted = summary[(summary["metric"] == "cell_count") & (summary["phenotype"] == "any")]
    assert counted.set_index("region").loc["tissue", "value"] == len(cells)
    # without lineage markers no cell is told from another: no phenotype has a count to show
    told = summary[(summary["metric"] == "cell_count") & (summary["phenotype"] != "any")]
    assert not told[told["phenotype"] != "unknown"]["evaluable"].any()
    lacking = summary[summary["metric"] == "cd8_density"]
    assert not lacking["evaluable"].any() and lacking["value"].isna().all()
    assert lacking["reason"].str.contains("CD8").all()
    for marker in ("S100", "SOX10", "CD8", "PD-L1"):
        assert f"has no {marker} channel" in printed
