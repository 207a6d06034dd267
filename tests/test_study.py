"""A study file says everything that decides the numbers, and refuses what it does not know."""

import dataclasses
import tomllib

import pytest

from immunescape.errors import StudyError
from immunescape.panel import Stain
from immunescape.phenotype import parse_gate
from immunescape.study import STEPS, Input, SlideOptions, Study, read_study, study_toml, write_study


def full_study() -> Study:
    return Study(
        seed=7,
        slide=SlideOptions(pixel_size_um=0.497, channel_names=("DAPI", "Cy3"), scene="2"),
        panel=(
            Stain(channel="DAPI", marker="dapi", compartment="nucleus", role="nuclear"),
            Stain(channel="Cy3", marker="pdl1", compartment="membrane"),
        ),
        gate=(parse_gate("pdl1@tumour=fixed:3.6"),),
        input=(Input(role="slide", file="Fall Ü.tif", size_bytes=12, sha256="ab"),),
        margin=dataclasses.replace(Study().margin, width_um=360.0),
    )


@pytest.mark.parametrize("study", [Study(), full_study()], ids=["default", "full"])
def test_a_study_comes_back_unchanged(tmp_path, study):
    write_study(tmp_path / "study.toml", study)
    assert read_study(tmp_path / "study.toml") == study


def test_every_parameter_stands_in_the_file_with_a_comment():
    text = study_toml(Study())
    data = tomllib.loads(text)
    for name, params in STEPS.items():
        assert set(data[name]) == {f.name for f in dataclasses.fields(params)}
    lines = text.splitlines()
    assert lines[lines.index("width_um = 100.0") - 1].startswith("# ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[margin]\nwidth_mm = 1", "width_mm"),
        ("[margins]\nwidth_um = 1", "margins"),
        ("[margin]\nwidth_um = -5", "width_um is -5"),
        ("[margin]\nwidth_um = 'wide'", "width_um"),
        ("seed = ", "not valid TOML"),
        ("format = 99", "format 99"),
        ("[[panel]]\nchannel = 'DAPI'", "panel"),
        ("[[panel]]\nchannel='a'\nmarker='b'\ncompartment='nose'", "compartment"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path, text, message):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(StudyError, match=message) as caught:
        read_study(tmp_path / "bad.toml")
    assert str(caught.value).startswith("bad.toml")
    assert "\n" not in str(caught.value)


def test_an_absent_study_names_the_flag(tmp_path):
    with pytest.raises(StudyError, match=r"none\.toml does not exist; .*--study"):
        read_study(tmp_path / "none.toml")


def test_a_study_that_cannot_be_read_is_named_without_its_folder(tmp_path):
    folder = tmp_path / "study.toml"
    folder.mkdir()
    with pytest.raises(StudyError, match=r"study\.toml is no text") as caught:
        read_study(folder)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[quality]\nexclude = "no"\n', "exclude: 'no' is neither true nor false"),
        ("[quality]\nexclude = 1\n", "exclude: 1 is neither true nor false"),
        ("[summary]\nmin_cells = 20.9\n", "min_cells: 20.9 is no whole number"),
        ("[summary]\nmin_cells = true\n", "min_cells: True is no number"),
        ('[margin]\nwidth_um = "40"\n', "width_um: '40' is no number"),
        ('[tissue]\nmethod = "hole"\n', "method: 'hole' is none of image, whole"),
        ("seed = 1.5\n", "seed: 1.5 is no whole number"),
    ],
)
def test_a_value_of_another_kind_is_refused(tmp_path, text, says):
    """Python reads the word no as true, and 20.9 as the whole number 20."""
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(StudyError) as error:
        read_study(path)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_whole_number_serves_where_a_fraction_may_stand(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text("[margin]\nwidth_um = 40\n[summary]\nmin_cells = 20.0\n")
    study = read_study(path)
    assert (study.margin.width_um, study.summary.min_cells) == (40.0, 20)
    assert isinstance(study.summary.min_cells, int)
