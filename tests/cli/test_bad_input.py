"""Whatever is wrong with the input: exit code 2, one line, nothing left behind."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.slides import (
    CHANNELS,
    drawn_image,
    drawn_labels,
    square,
    write_geojson,
    write_labels,
    write_slide,
)

from immunescape.cli import main

pytestmark = pytest.mark.usefixtures("without_reports")

CASES: dict[str, tuple[Callable[[Path], list[object]], str]] = {}


def case(message: str):
    """Register a case: it writes its files into a folder and returns the words after `run`."""

    def register(function):
        CASES[function.__name__] = (function, message)
        return function

    return register


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# --- the slide -----------------------------------------------------------------------------------


@case("absent.tif")
def slide_is_missing(f):
    return [f / "absent.tif"]


@case("empty.tif")
def slide_is_empty(f):
    return [write(f / "empty.tif", b"")]


@case("letter.tif")
def slide_is_no_image(f):
    return [write(f / "letter.tif", "Dear colleague, please find attached" * 20)]


@case("letter.docx")
def slide_has_a_foreign_suffix(f):
    return [write(f / "letter.docx", b"PK\x03\x04" + bytes(200))]


@case("slide.ome.tif")
def slide_is_truncated(f):
    path = write_slide(f)
    content = path.read_bytes()
    return [write(path, content[: len(content) // 3])]


@case("folder")
def slide_is_a_folder_that_is_no_zarr(f):
    (f / "folder").mkdir()
    return [f / "folder"]


@case("rgb.tif")
def slide_is_rgb(f):
    tifffile.imwrite(f / "rgb.tif", np.zeros((64, 64, 3), np.uint8), photometric="rgb")
    return [f / "rgb.tif"]


@case("--pixel-size-um")
def pixel_size_is_missing(f):
    tifffile.imwrite(f / "s.tif", drawn_image(drawn_labels()), photometric="minisblack")
    return [f / "s.tif", "--channel-names", ",".join(CHANNELS)]


@case("pixel")
def pixel_size_is_negative(f):
    return [write_slide(f), "--pixel-size-um", "-1"]


@case("pixel")
def pixel_size_is_zero(f):
    return [write_slide(f), "--pixel-size-um", "0"]


@case("pixel-size-um")
def pixel_size_is_a_word(f):
    return [write_slide(f), "--pixel-size-um", "small"]


@case("furlong")
def pixel_unit_is_unknown(f):
    path = f / "s.ome.tif"
    tifffile.imwrite(
        path, drawn_image(drawn_labels()), photometric="minisblack",
        metadata={"axes": "CYX", "Channel": {"Name": list(CHANNELS)}, "PhysicalSizeX": 0.5,
                  "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm"},
    )  # fmt: skip
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata
    changed = xml.replace("µm", "furlong").encode()
    tifffile.tiffcomment(path, changed)
    return [path]


@case("--channel-names")
def channel_count_disagrees(f):
    return [write_slide(f), "--channel-names", "DAPI,CD8"]


@case("S100")
def channel_name_stands_twice(f):
    return [write_slide(f), "--channel-names", "DAPI,CD8,PD-L1,S100,S100"]


@case("--scene")
def several_scenes_and_none_chosen(f):
    with tifffile.TiffWriter(f / "two.ome.tif", ome=True) as tif:
        for _ in range(2):
            tif.write(drawn_image(drawn_labels()), metadata={"axes": "CYX"})
    return [f / "two.ome.tif", "--pixel-size-um", "0.5", "--channel-names", ",".join(CHANNELS)]


@case("scene")
def scene_is_unknown(f):
    return [write_slide(f), "--scene", "7"]


@case("z")
def slide_is_a_z_stack(f):
    image = np.zeros((3, 5, 64, 64), np.uint16)
    tifffile.imwrite(f / "z.ome.tif", image, metadata={"axes": "ZCYX"}, photometric="minisblack")
    return [f / "z.ome.tif", "--pixel-size-um", "0.5", "--channel-names", ",".join(CHANNELS)]


@case("complex")
def pixels_are_complex(f):
    tifffile.imwrite(f / "c.tif", np.zeros((5, 64, 64), np.complex64), photometric="minisblack")
    return [f / "c.tif", "--pixel-size-um", "0.5", "--channel-names", ",".join(CHANNELS)]


# --- the panel -----------------------------------------------------------------------------------


@case("CD8a")
def two_channels_show_one_marker(f):
    return [write_slide(f, channels=("DAPI", "CD8", "CD8a", "S100", "SOX10"))]


@case("--nuclear")
def no_channel_shows_nuclei(f):
    return [write_slide(f, channels=("CD3", "CD8", "PD-L1", "S100", "SOX10"))]


@case("Hoechst")
def nuclear_names_no_channel(f):
    return [write_slide(f), "--nuclear", "Hoechst"]


# --- the study -----------------------------------------------------------------------------------


@case("absent.toml does not exist")
def study_is_missing(f):
    return [write_slide(f), "--study", f / "absent.toml"]


@case("not valid TOML")
def study_is_no_toml(f):
    return [write_slide(f), "--study", write(f / "s.toml", "seed = = 1")]


@case("width_mm")
def study_has_an_unknown_key(f):
    return [write_slide(f), "--study", write(f / "s.toml", "[margin]\nwidth_mm = 1")]


@case("width_um")
def study_has_a_value_out_of_range(f):
    return [write_slide(f), "--study", write(f / "s.toml", "[margin]\nwidth_um = -4")]


@case("Opal 9")
def study_panel_names_an_absent_channel(f):
    panel = "[[panel]]\nchannel='Opal 9'\nmarker='cd8'\ncompartment='membrane'"
    return [write_slide(f), "--study", write(f / "s.toml", panel)]


@case("gone.geojson")
def study_names_an_annotation_that_is_gone(f):
    named = "[[input]]\nrole='annotations'\nfile='gone.geojson'\nsize_bytes=1\nsha256='0'"
    return [write_slide(f), "--study", write(f / "s.toml", named)]


@case("study")
def study_is_binary(f):
    return [write_slide(f), "--study", write(f / "study.toml", bytes(range(128, 256)))]


# --- annotations ---------------------------------------------------------------------------------


@case("absent.geojson does not exist")
def annotations_are_missing(f):
    return [write_slide(f), "--annotations", f / "absent.geojson"]


@case("a.geojson")
def annotations_are_no_json(f):
    return [write_slide(f), "--annotations", write(f / "a.geojson", "{not json")]


@case("a.geojson")
def annotations_are_no_geojson(f):
    return [write_slide(f), "--annotations", write(f / "a.geojson", json.dumps({"a": 1}))]


@case("regions.geojson")
def annotations_lie_off_the_slide(f):
    return [write_slide(f), "--annotations", write_geojson(f, square(9000, 9000, 9100, 9100))]


@case("regions.geojson")
def tumour_is_drawn_as_a_line(f):
    line = square(0, 0, 50, 50)
    line["geometry"] = {"type": "LineString", "coordinates": [[0, 0], [50, 50]]}
    return [write_slide(f), "--annotations", write_geojson(f, line)]


# --- labels --------------------------------------------------------------------------------------


@case("absent.tif does not exist")
def labels_are_missing(f):
    return [write_slide(f), "--labels", f / "absent.tif"]


@case("cells.tif")
def labels_have_another_size(f):
    return [write_slide(f), "--labels", write_labels(f, labels=drawn_labels()[:-1])]


@case("cells.tif")
def labels_are_negative(f):
    return [write_slide(f), "--labels", write_labels(f, labels=-drawn_labels())]


@case("cells.tif")
def labels_are_fractions(f):
    return [write_slide(f), "--labels", write_labels(f, labels=drawn_labels() / np.float32(7))]


@case("hold no cell")
def labels_hold_no_cell(f):
    return [write_slide(f), "--labels", write_labels(f, labels=drawn_labels() * 0)]


@case("cells.tif")
def labels_are_a_colour_picture(f):
    path = f / "cells.tif"
    tifffile.imwrite(path, np.zeros((*drawn_labels().shape, 3), np.uint8), photometric="rgb")
    return [write_slide(f), "--labels", path]


@case("nuclei")
def nuclei_lie_in_cells_of_another_label(f):
    nuclei = write_labels(f, "nuclei.tif", np.where(drawn_labels() > 0, 217 - drawn_labels(), 0))
    return [write_slide(f), "--labels", nuclei, write_labels(f)]


@case("two")
def three_label_images(f):
    labels = write_labels(f)
    return [write_slide(f), "--labels", labels, labels, labels]


# --- calls and gates -----------------------------------------------------------------------------


def with_calls(f: Path, text: str) -> list[object]:
    return [write_slide(f), "--labels", write_labels(f), "--calls", write(f / "calls.csv", text)]


@case("absent.csv does not exist")
def calls_are_missing(f):
    return [write_slide(f), "--labels", write_labels(f), "--calls", f / "absent.csv"]


@case("calls.csv")
def calls_name_no_cell(f):
    return with_calls(f, "cell,cd8_positive\n1,1\n")


@case("calls.csv")
def calls_have_an_unknown_phenotype(f):
    return with_calls(f, "label,phenotype\n1,melanocyte\n")


@case("calls.csv")
def calls_name_a_cell_twice(f):
    return with_calls(f, "label,cd8_positive\n1,1\n1,0\n")


@case("calls.csv")
def calls_hold_a_word_for_a_number(f):
    return with_calls(f, "label,cd8_positive\n1,perhaps\n")


@case("gate")
def gate_cannot_be_read(f):
    return [write_slide(f), "--gate", "pdl1>3"]


@case("gate")
def gate_has_an_unknown_method(f):
    return [write_slide(f), "--gate", "pdl1=magic"]


@case("cd8")
def lineage_marker_is_gated_by_phenotype(f):
    return [write_slide(f), "--labels", write_labels(f), "--gate", "cd8@tumour=fixed:3"]


# --- corrections ---------------------------------------------------------------------------------


def with_edits(f: Path, rows: str) -> list[object]:
    header = "time,user,action,x_um,y_um,before,after,reason\n"
    edits = write(f / "edits.csv", header + rows)
    return [write_slide(f), "--labels", write_labels(f), "--edits", edits]


@case("absent.csv does not exist; pass an existing file with --edits")
def corrections_are_missing(f):
    return [write_slide(f), "--labels", write_labels(f), "--edits", f / "absent.csv"]


@case("edits.csv, line 2: the action 'paint' is unknown; give one of call")
def corrections_have_an_unknown_action(f):
    return with_edits(f, "2026-01-01T00:00:00.000000Z,,paint,1,1,,,\n")


@case("edits.csv, line 1:")
def corrections_are_another_table(f):
    path = write(f / "edits.csv", "label,phenotype\n1,tumour\n")
    return [write_slide(f), "--labels", write_labels(f), "--edits", path]


# --- parameters and places -----------------------------------------------------------------------


@case("width_um is -5")
def parameter_is_out_of_range(f):
    return [write_slide(f), "--margin.width-um", "-5"]


@case("--colour")
def flag_is_unknown(f):
    return [write_slide(f), "--colour", "red"]


@case("tissue")
def choice_is_unknown(f):
    return [write_slide(f), "--tissue", "perhaps"]


@case("nosuchmodel")
def model_is_unknown(f):
    return [write_slide(f), "--segment.model", "nosuchmodel"]


@case("mine.safetensors")
def model_is_no_model(f):
    return [write_slide(f), "--segment.model", write(f / "mine.safetensors", b"nonsense" * 9)]


@case("cpdino")
def model_cannot_be_downloaded(f):
    return [write_slide(f), "--segment.model", "cpdino"]


@pytest.mark.parametrize("name", CASES)
def test_one_line_and_nothing_left(name, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CELLPOSE_LOCAL_MODELS_PATH", str(tmp_path / "models"))
    make, message = CASES[name]
    words = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code = main(["run", *map(str, words), "-o", str(tmp_path / "out"), "--quiet"])
    printed = capsys.readouterr()
    assert code == 2, printed.err
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err
    assert str(tmp_path) not in printed.err
    left = [p for p in sorted(tmp_path.rglob("*")) if p not in before]
    assert [p for p in left if "models" not in p.parts] == []


def test_there_are_many_kinds():
    assert len(CASES) >= 50


def test_no_output_folder_is_one_line(tmp_path, capsys):
    assert main(["run", str(write_slide(tmp_path))]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_unknown_command_is_one_line(capsys):
    assert main(["analyze"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def labelled(folder: Path, name: str = "slide") -> list[str]:
    return [str(write_slide(folder, name)), "--labels", str(write_labels(folder)), "--quiet"]


def test_the_output_is_a_file(tmp_path, capsys):
    words = labelled(tmp_path)
    (tmp_path / "out").write_text("")
    assert main(["run", *words, "-o", str(tmp_path / "out")]) == 2
    assert "-o" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == ""


def test_the_folder_holds_another_slide(tmp_path, capsys):
    out = ["-o", str(tmp_path / "out")]
    assert main(["run", *labelled(tmp_path / "a"), *out]) == 0
    other = write_slide(tmp_path / "b")
    changed = drawn_image(drawn_labels())
    changed[1] += 1
    other.unlink()
    from immunescape.io import write_ome_tiff

    write_ome_tiff(other, changed, CHANNELS, 0.5)
    kept = (tmp_path / "out" / "slide" / "summary.csv").read_text()
    words = ["run", str(other), "--labels", str(tmp_path / "a" / "cells.tif"), "--quiet", *out]
    assert main(words) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "out" / "slide" / "summary.csv").read_text() == kept
    assert main([*words, "--overwrite"]) == 0


def test_the_folder_holds_something_else(tmp_path, capsys):
    words = labelled(tmp_path)
    (tmp_path / "out" / "slide").mkdir(parents=True)
    (tmp_path / "out" / "slide" / "thesis.txt").write_text("mine")
    assert main(["run", *words, "-o", str(tmp_path / "out")]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "out" / "slide" / "thesis.txt").read_text() == "mine"


def test_debug_gives_the_traceback(tmp_path):
    from immunescape.errors import SlideError

    with pytest.raises(SlideError):
        main(["run", str(tmp_path / "absent.tif"), "-o", str(tmp_path / "out"), "--debug"])


@pytest.mark.parametrize("command", ["info", "init"])
def test_other_commands_refuse_in_one_line(command, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([command, str(tmp_path / "absent.tif")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_interrupting_leaves_only_tiles_to_go_on_from(tmp_path, monkeypatch, capsys):
    import immunescape.pipeline.making as module

    def interrupt(*_args, **_keywords):
        raise KeyboardInterrupt

    words = [*labelled(tmp_path), "-o", str(tmp_path / "deep" / "out")]
    with monkeypatch.context() as patch:
        patch.setattr(module, "measure_labelled", interrupt)
        assert main(["run", *words]) == 130
    assert [p.name for p in (tmp_path / "deep" / "out").iterdir()] == [".slide.tiles"]
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["run", *words]) == 0
    assert [p.name for p in (tmp_path / "deep" / "out").iterdir()] == ["slide"]


@pytest.mark.parametrize(
    ("command", "goes_on"),
    [
        *((command, "from the tiles that are done") for command in ("run", "cohort", "demo")),
        ("train", "from its last checkpoint"),
        *((command, "") for command in ("info", "init", "report", "gui", "simulate", "status")),
    ],
)
def test_only_what_keeps_its_work_is_said_to_go_on(command, goes_on, monkeypatch, capsys):
    def interrupt(*_args, **_keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr("immunescape.cli.app.app", interrupt)
    assert main(["--debug", command, "x.tif"]) == 130
    told = capsys.readouterr().err
    said = "immunescape: interrupted; nothing half-written was left behind"
    assert told == said + (f", and the same command goes on {goes_on}\n" if goes_on else "\n")


def test_a_failure_of_the_system_is_one_line_without_a_folder(tmp_path, monkeypatch, capsys):
    def closed(*_args, **_keywords):
        raise PermissionError(13, "Permission denied", str(tmp_path / "deep" / "slide.ome.tif"))

    monkeypatch.setattr("immunescape.cli.options.open_slide", closed)
    assert main(["info", "slide.ome.tif"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "slide.ome.tif" in said and "Permission denied" in said
    assert str(tmp_path) not in said


def test_simulate_refuses_a_full_folder(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("")
    assert main(["simulate", "-o", str(tmp_path)]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_train_refuses_what_is_no_folder(tmp_path, capsys):
    assert main(["train", str(tmp_path / "no"), "-o", str(tmp_path / "w.safetensors")]) == 2
    (tmp_path / "data").mkdir()
    assert main(["train", str(tmp_path / "data"), "-o", str(tmp_path / "w.pth")]) == 2
    assert main(["train", str(tmp_path / "data"), "-o", str(tmp_path / "w.safetensors")]) == 2
    assert capsys.readouterr().err.count("\n") == 3
    shutil.rmtree(tmp_path / "data")
    assert list(tmp_path.iterdir()) == []
