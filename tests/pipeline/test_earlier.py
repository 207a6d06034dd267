"""What becomes of an earlier result: taken over, refused, or made again; never half of each."""

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.slides import CHANNELS, square, write_geojson, write_labels, write_slide

from immunescape.cli import main
from immunescape.errors import OutputError
from immunescape.io import open_slide
from immunescape.panel import match_panel
from immunescape.pipeline import Inputs, outputs, pictures, run_slide, stages
from immunescape.pipeline.stages import stage_keys
from immunescape.study import Study

pytestmark = pytest.mark.usefixtures("without_reports")


def words(folder: Path, *more: str) -> list[str]:
    slide, labels = folder / "slide.ome.tif", folder / "cells.tif"
    quick = ("--sensitivity.tables", "none", "--gating.bootstrap-draws", "0")
    out = str(folder / "out")
    return ["run", str(slide), "--labels", str(labels), "-o", out, "-q", *quick, *more]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A slide, its labels, and the result of both."""
    folder = tmp_path_factory.mktemp("made")
    write_slide(folder)
    write_labels(folder)
    assert main(words(folder)) == 0
    return folder


@pytest.fixture
def ours(made, tmp_path) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(made, folder)
    return folder


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _spoil_chunks(folder: Path) -> None:
    chunks = [p for p in folder.rglob("*") if p.is_file() and p.name != "zarr.json"]
    assert chunks
    for chunk in chunks:
        chunk.write_bytes(b"spoiled")


def _drop_column(folder: Path) -> None:
    path = folder / "cells.parquet"
    pd.read_parquet(path).drop(columns="area_um2").to_parquet(path)


MARGIN = ("--margin.width-um", "40")
RIM = ("--measure.membrane-width-um", "0.5")
DAMAGE = {
    "cells cut short": (lambda f: _cut(f / "cells.parquet"), MARGIN),
    "cells gone": (lambda f: (f / "cells.parquet").unlink(), MARGIN),
    "a column gone": (_drop_column, MARGIN),
    "labels gone": (lambda f: shutil.rmtree(f / "labels.zarr"), MARGIN),
    "labels are a file": (
        lambda f: (shutil.rmtree(f / "labels.zarr"), (f / "labels.zarr").write_text("")), MARGIN,
    ),
    "tissue spoiled": (lambda f: _spoil_chunks(f / "labels.zarr" / "labels" / "tissue"), MARGIN),
    "contacts spoiled": (lambda f: _spoil_chunks(f / "labels.zarr" / "tables"), MARGIN),
    "cells spoiled": (lambda f: _spoil_chunks(f / "labels.zarr" / "labels" / "cells"), RIM),
    "cells spoiled, contacts anew": (
        lambda f: _spoil_chunks(f / "labels.zarr" / "labels" / "cells"),
        ("--contact.gap-um", "2"),
    ),
    "provenance of another form": (
        lambda f: (f / "provenance.json").write_text('{"input": []}'), MARGIN,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_result_is_one_line_and_overwrite_mends_it(kind, ours, capsys):
    damage, changed = DAMAGE[kind]
    damage(ours / "out" / "slide")
    before = sorted(p.name for p in (ours / "out").rglob("*"))
    assert main(words(ours, *changed)) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "--overwrite" in said and "slide" in said
    assert str(ours) not in said
    assert sorted(p.name for p in (ours / "out").rglob("*")) == before
    assert main(words(ours, *changed, "--overwrite")) == 0


@pytest.mark.parametrize("more", [("--overwrite",), RIM, MARGIN])
def test_what_is_not_ours_stays_in_the_folder(more, ours):
    folder = ours / "out" / "slide"
    (folder / "thesis.txt").write_text("mine")
    (folder / "figures").mkdir()
    (folder / "figures" / "one.png").write_text("drawn")
    assert main(words(ours, *more)) == 0
    assert (folder / "thesis.txt").read_text() == "mine"
    assert (folder / "figures" / "one.png").read_text() == "drawn"
    assert [p.name for p in (ours / "out").iterdir()] == ["slide"]


def test_a_slide_within_its_result_folder_survives_overwriting(tmp_path):
    slide = write_slide(tmp_path / "slide")
    labels = write_labels(tmp_path / "slide")
    pixels = slide.read_bytes()
    more = ["-o", str(tmp_path), "-q", "--overwrite"]
    assert main(["run", str(slide), "--labels", str(labels), *more]) == 0
    assert slide.read_bytes() == pixels
    assert (tmp_path / "slide" / "summary.csv").exists()


def test_a_full_disk_is_one_line_and_the_older_result_stays(ours, monkeypatch, capsys):
    older = (ours / "out" / "slide" / "summary.csv").read_bytes()

    def full(*_args, **_keywords):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(outputs, "write_cells", full)
    for changed in (MARGIN, RIM):
        assert main(words(ours, *changed)) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "no room is left" in said
        assert (ours / "out" / "slide" / "summary.csv").read_bytes() == older
        assert [p.name for p in (ours / "out").iterdir()] == ["slide"]


def test_a_table_that_another_program_holds_is_named(ours, monkeypatch, capsys):
    real = os.replace

    def held(source, target):
        if Path(target).name == "summary.csv" and Path(target).parent.name == "slide":
            raise PermissionError(errno.EACCES, "Permission denied", str(source))
        real(source, target)

    monkeypatch.setattr(os, "replace", held)
    assert main(words(ours, *MARGIN)) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "summary.csv" in said and "close programs" in said
    assert str(ours) not in said
    monkeypatch.undo()
    assert main(words(ours, *MARGIN)) == 0
    assert set(pd.read_csv(ours / "out" / "slide" / "summary.csv")["margin_width_um"]) == {40.0}


def test_channels_that_changed_names_are_segmented_anew(tmp_path):
    path = write_slide(tmp_path)
    one = open_slide(path)
    swapped = (CHANNELS[1], CHANNELS[0], *CHANNELS[2:])
    other = open_slide(path, channel_names=swapped)
    keys = [stage_keys(s, match_panel(s.channels).panel, Study(), ()) for s in (one, other)]
    assert keys[0].labels != keys[1].labels
    marker = open_slide(path, channel_names=("DAPI", "CD3", *CHANNELS[2:]))
    third = stage_keys(marker, match_panel(marker.channels).panel, Study(), ())
    assert third.labels == keys[0].labels and third.measurements != keys[0].measurements


def test_another_version_takes_nothing_over(ours, monkeypatch):
    inputs = Inputs(slide=ours / "slide.ome.tif", labels=(ours / "cells.tif",))
    same = run_slide(inputs, ours / "out", Study())
    assert any(step["reused"] for step in same.provenance["steps"])
    for module in (stages, pictures):
        monkeypatch.setattr(module, "__version__", "99")
    newer = run_slide(inputs, ours / "out", Study())
    assert not any(step["reused"] for step in newer.provenance["steps"])


def test_excluded_cells_are_not_said_to_be_in_regions(made, tmp_path):
    drawn = write_geojson(tmp_path, square(100, 80, 180, 160), square(-9, -9, 60, 260, "Ignore*"))
    inputs = Inputs(slide=made / "slide.ome.tif", labels=(made / "cells.tif",), annotations=drawn)
    result = run_slide(inputs, tmp_path, replace(Study(), seed=1))
    censored = result.cells["edge_censored"].to_numpy(bool)
    counted = censored & (result.cells["region"] != "excluded").to_numpy()
    assert 0 < np.count_nonzero(counted) < np.count_nonzero(censored)
    kept = json.loads((tmp_path / "slide" / "provenance.json").read_text())["warnings"]
    assert any(text.startswith(f"{np.count_nonzero(counted)} cells and") for text in kept)


def test_errors_of_files_elsewhere_are_not_called_errors_of_writing(tmp_path):
    from immunescape.io.output import writing

    with pytest.raises(FileNotFoundError), writing(tmp_path / "out"):
        (tmp_path / "elsewhere.txt").read_text()
    (tmp_path / "out").mkdir()
    with (
        pytest.raises(OutputError, match=r"out cannot be written \(a\.txt: No such file"),
        writing(tmp_path / "out"),
    ):
        (tmp_path / "out" / "none" / "a.txt").write_text("")
