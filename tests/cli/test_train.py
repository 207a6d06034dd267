"""``immunescape train`` from the command line: the table, the defaults, the one-line errors."""

import json

import numpy as np
import pytest
import tifffile
from tests.segment.drawn import ellipses
from tests.segment.learning.annotating import write_pair, write_pairs

from immunescape.cli import main
from immunescape.segment import TrainParams
from immunescape.segment.learning.finetune import FINE_TUNING, FIRST_TRAINING

QUICK = (
    "--training.steps", "1", "--training.batch", "2", "--training.patch-px", "64",
    "--training.threads", "1", "--training.workers", "0", "--training.precision", "float32",
)  # fmt: skip


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs"), 2, (150, 160))


def training_of(out):
    return json.loads(out.with_suffix(".json").read_text())["training"]


def test_a_table_of_before_and_after_is_printed(pairs, tmp_path, capsys):
    out = tmp_path / "mine.safetensors"
    assert main(["train", str(pairs), "-o", str(out), *QUICK]) == 0
    printed = capsys.readouterr().out
    for words in ("before (compact)", "after", "AP@0.75", "F1@0.5", "nuclei found", "held out:",
                  "mine.safetensors is"):  # fmt: skip
        assert words in printed
    assert str(tmp_path) not in printed
    assert training_of(out)["learning_rate"] == FINE_TUNING.learning_rate


def test_a_first_training_has_the_defaults_of_one_but_for_what_is_given(pairs, tmp_path):
    out = tmp_path / "mine.safetensors"
    words = ["train", str(pairs), "-o", str(out), "-q", "--initial", "none", *QUICK]
    assert main([*words, "--training.weight-decay", "0.02"]) == 0
    training, usual = training_of(out), TrainParams()
    assert training["learning_rate"] == usual.learning_rate
    assert training["frozen_norm"] == usual.frozen_norm
    assert (training["steps"], training["weight_decay"]) == (1, 0.02)


def test_help_says_the_defaults_that_hold(capsys):
    assert main(["train", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"steps {FINE_TUNING.steps} ({FIRST_TRAINING.steps})" in said
    assert f"validation {FINE_TUNING.validation}," in said
    assert f"[default: {TrainParams().learning_rate}]" not in said


def test_it_is_quiet_when_asked(pairs, tmp_path, capsys):
    out = tmp_path / "mine.safetensors"
    assert main(["train", str(pairs), "-o", str(out), "-q", *QUICK]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def no_pairs(folder):
    return [folder]


def mask_missing(folder):
    write_pair(folder, "P1", ellipses((60, 60)))
    (folder / "masks" / "P1.tif").unlink()
    return [folder]


def shapes_differ(folder):
    write_pair(folder, "P1", ellipses((60, 60)))
    tifffile.imwrite(folder / "masks" / "P1.tif", ellipses((60, 61)))
    return [folder]


def no_nuclear_channel(folder):
    write_pair(folder, "P1", ellipses((60, 60)))
    return [folder, "--channel-names", "CD8,SOX10"]


def nuclear_is_no_channel(folder):
    write_pair(folder, "P1", ellipses((60, 60)))
    return [folder, "--nuclear", "Hoechst"]


def masks_without_nuclei(folder):
    write_pair(folder, "P1", ellipses((60, 60)))
    tifffile.imwrite(folder / "masks" / "P1.tif", np.zeros((60, 60), "uint16"))
    return [folder]


def few_nuclei(folder):
    write_pair(folder, "P1", ellipses((60, 60)))
    return [folder]


def initial_missing(folder):
    return [write_pairs(folder, 2), "--initial", "gone.safetensors"]


def held_out_unknown(folder):
    return [write_pairs(folder, 2), "--held-out", "P77"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (no_pairs, "holds no pictures to train on; put"),
        (mask_missing, "P1.ome.tif has no label image; add one named P1 to masks"),
        (shapes_differ, "P1.tif is 60 x 61 pixels but P1 is 60 x 60"),
        (no_nuclear_channel, "P1 has no channel named like a nuclear stain"),
        (nuclear_is_no_channel, "P1 has no channel 'Hoechst'"),
        (masks_without_nuclei, "P1.tif of P1 holds no nuclei"),
        (few_nuclei, "draw 20 or more"),
        (initial_missing, "gone.safetensors does not exist"),
        (held_out_unknown, "no picture is named P77"),
    ],
)
def test_unusable_input_is_one_line_and_exit_code_2(tmp_path, capsys, make, message):
    folder = tmp_path / "pairs"
    folder.mkdir()
    words = [str(word) for word in make(folder)]
    assert main(["train", *words, "-o", str(tmp_path / "mine.safetensors"), "-q"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert str(tmp_path) not in captured.err
    assert [p.name for p in tmp_path.iterdir()] == ["pairs"]


def test_a_folder_that_is_none(tmp_path, capsys):
    (tmp_path / "a.tif").write_bytes(b"x")
    words = ["train", str(tmp_path / "a.tif"), "-o", str(tmp_path / "mine.safetensors")]
    assert main(words) == 2
    assert "a.tif is not a folder; put pictures into images/" in capsys.readouterr().err
