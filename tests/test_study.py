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
