"""The manifest is valid, and what it names is reached through it in a real viewer."""

import importlib
import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
from npe2 import PluginManifest

from immunescape.cli.demo import sample_folder
from immunescape.napari.layers import facts_of
from immunescape.napari.preferences import Preferences, prefer_own_reader, read_preferences
from immunescape.params import limits
from immunescape.segment import SegmentParams
from immunescape.study import Study

STEPS = ("slide", "regions", "segment", "gates", "cells", "review", "numbers", "cohort")


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_distribution("immunescape")


def test_npe2_finds_nothing_to_complain_about():
    done = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", "immunescape"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid" in done.stdout


def test_every_command_names_something_that_can_be_called(manifest):
    for command in manifest.contributions.commands:
        module, name = command.python_name.split(":")
        assert callable(getattr(importlib.import_module(module), name)), command.id


def test_no_plain_tif_is_claimed(manifest):
    patterns = {p for r in manifest.contributions.readers for p in r.filename_patterns}
    assert not patterns & {"*", "*.tif", "*.tiff", "*.png"}


def test_each_step_has_its_place_in_the_menus(manifest):
    menus = manifest.contributions.menus
    submenu = [item.command for item in menus["immunescape"]]
    assert submenu == [f"immunescape.step_{step}" for step in STEPS]
    for place in ("annotate", "segment", "measure", "classify"):
        named = [i.command for i in menus[f"napari/layers/{place}"] if hasattr(i, "command")]
        assert named and set(named) < set(submenu)


def test_preferences_repeat_the_ranges_and_defaults_of_the_parameters(manifest):
    declared = manifest.contributions.configurations["work"].properties
    assert set(declared) == {f.name for f in fields(Preferences)}
    params = SegmentParams()
    assert declared["device"].default == params.device
    assert declared["tile_px"].default == params.tile_px
    between = limits(SegmentParams)["tile_px"]
    assert (declared["tile_px"].minimum, declared["tile_px"].maximum) == (between.min, between.max)
    for choice in declared["device"].enum:
        assert SegmentParams(device=choice).device == choice


def test_the_sample_opens_and_steps_are_reached_through_the_manifest(
    make_napari_viewer_proxy, tmp_path
):
    viewer = make_napari_viewer_proxy()
    viewer.open_sample("immunescape", "baseline")
    names = [x.name for x in viewer.layers]
    assert names[:5] == ["Nuclei (DAPI)", "S100", "SOX10", "CD8", "PD-L1"]
    assert "Tumour" in names
    assert facts_of(viewer.layers["CD8"])["slide"] == "P01_baseline"
    viewer.layers.clear()

    viewer.open(sample_folder() / "P01_response.ome.tif", plugin="immunescape")
    assert [x.name for x in viewer.layers] == names[:5]
    source = viewer.layers[0].source
    assert source.reader_plugin == "immunescape"

    path = tmp_path / "tumour.geojson"
    viewer.open_sample("immunescape", "relapse")
    drawn = [x for x in viewer.layers if x._type_string == "shapes"]
    viewer.layers.selection = set(drawn)
    viewer.layers.save(str(path), selected=True, plugin="immunescape")
    classes = {
        f["properties"]["classification"]["name"]
        for f in json.loads(path.read_text(encoding="utf-8"))["features"]
    }
    assert "Tumor" in classes


def test_preferences_are_read_where_napari_keeps_them(plugin_settings, npe2pm, manifest):
    from napari.settings import get_plugin_settings

    npe2pm.register(manifest)
    usual = read_preferences()
    assert usual.applied(Study()) == Study()
    assert usual.cache_folder is None and usual.save_minutes == 1
    work = get_plugin_settings("immunescape").work
    work.device, work.tile_px, work.cache_folder = "cpu", 512, " ~/nets "
    chosen = read_preferences()
    assert chosen.cache_folder == Path("~/nets").expanduser()
    changed = chosen.applied(Study()).segment
    assert (changed.device, changed.tile_px) == ("cpu", 512)
    assert replace(changed, device="auto", tile_px=2048) == SegmentParams()


def test_own_files_open_without_a_question_unless_a_person_chose_otherwise(
    make_napari_viewer_proxy,
):
    from napari.settings import get_settings

    plugins = get_settings().plugins
    plugins.extension2reader = {"*.qptiff": "other", "*.lsm": "other"}
    prefer_own_reader()
    chosen = plugins.extension2reader
    assert chosen["*.ome.tif"] == "immunescape"
    assert chosen["*.qptiff"] == chosen["*.lsm"] == "other"
    assert "*.tif" not in chosen
    viewer = make_napari_viewer_proxy()
    viewer.open(sample_folder() / "P01_baseline.ome.tif", plugin=None)  # as a drop does
    assert viewer.layers["PD-L1"].source.reader_plugin == "immunescape"
