"""How far people are with each slide, from the files that they leave; no window."""

import csv
import dataclasses
import shutil

import pytest

from immunescape.cohort.handover import HANDED_OVER, sheet_to_run
from immunescape.cohort.plan import work_on
from immunescape.cohort.sheet import read_sheet
from immunescape.cohort.signing import SIGNED, read_signatures, sign
from immunescape.cohort.worklist import (
    content_signed,
    entry_of,
    gates_to_carry,
    is_sheet,
    kept_folder,
    next_sample,
    read_worklist,
    with_kept,
)
from immunescape.errors import OutputError, SheetError
from immunescape.io.edits import EDITS_COLUMNS
from immunescape.io.reviews import Answer, append_answer
from immunescape.phenotype import GateSpec
from immunescape.study import Study, write_study
from tests.cohort.small import write_small_slide

ROWS = (
    "slide;sample_id;patient;timepoint;day;annotations;labels;JAK1\n"
    "a.tif;A 1;P1;baseline;0;drawn.geojson;n.tif|c.tif;wt\n"
    "b.tif;B;P1;response;30,5;;;wt\n"
    "c.tif;C;P1;relapse;90;;;lost\n"
    "d.tif;D;P2;baseline;0;;;wt\n"
)
GATE = GateSpec(marker="pdl1", parent="tumour", method="fixed", value=2.5, confirmed=True)
OTHER = GateSpec(marker="cd8", method="fixed", value=7.0, confirmed=True)


def opened(sample):
    return sample.slide.name.split(".")[0], []


@pytest.fixture
def sheet(tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()
    for name in ("a.tif", "b.tif", "c.tif", "d.tif", "n.tif", "drawn.geojson"):
        (folder / name).write_bytes(b"{}")
    (folder / "samples.csv").write_text(ROWS, encoding="utf-8")
    return read_sheet(folder / "samples.csv", opened)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def kept(out, sample):
    folder = kept_folder(out, sample)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def set_gates(out, sample, *gates, by="anna"):
    write_study(kept(out, sample) / "study.toml", Study(gate=gates, reviewed_by=by))


def answer(out, sample, reader="KL"):
    said = Answer(
        time="2026-01-02T03:04:05.000000Z", reader=reader, marker="pdl1", called="positive",
        answer="yes", x_um=1.0, y_um=2.0,
    )  # fmt: skip
    append_answer(kept(out, sample) / "review.csv", said)


def test_a_slide_goes_from_to_do_to_signed(sheet, out):
    given, plain = sheet.samples[:2]
    assert entry_of(given, out).standing == "annotated"  # the sheet names a drawing
    assert entry_of(plain, out).standing == "to do"
    (kept(out, plain) / "annotations.geojson").write_text("{}")
    assert entry_of(plain, out).standing == "annotated"
    set_gates(out, plain, GATE, by="")
    assert entry_of(plain, out).standing == "annotated"  # nobody says that they looked
    set_gates(out, plain, GATE)
    told = entry_of(plain, out)
    assert (told.standing, told.gates, told.gated_by) == ("gated", ("pdl1@tumour",), "anna")
    answer(out, plain)
    answer(out, plain, "MN")
    told = entry_of(plain, out)
    assert (told.standing, told.answers, told.readers) == ("reviewed", 2, ("KL", "MN"))
    sign(kept(out, plain) / SIGNED, " Dr.  Anna ", content_signed(plain, out))
    told = entry_of(plain, out)
    assert told.standing == "signed" and told.signature.person == "Dr. Anna"


def test_a_gate_of_the_result_that_nobody_confirmed_is_left(sheet, out):
    sample = sheet.samples[1]
    result = out / "slides" / sample.sample_id
    result.mkdir(parents=True)
    (result / "gates.csv").write_text(
        "marker,parent,source,threshold\npdl1,tumour,bic,2.0\ncd8,tumour,bic,1.0\n"
        "cd8,non_tumour,bic,1.0\nfoxp3,all,imported,0.5\nsox10,all,none,\n"
    )
    set_gates(out, sample, GATE)
    told = entry_of(sample, out)
    assert told.gates_left == ("cd8@non_tumour", "cd8@tumour") and told.standing == "to do"
    set_gates(out, sample, GATE, OTHER)  # one for every parent
    assert entry_of(sample, out).standing == "gated"


@pytest.mark.parametrize("changed", ["annotations", "edits", "study", "removed", "sheet"])
def test_a_signature_is_withdrawn_by_whatever_changes(sheet, out, changed):
    sample = sheet.samples[0]
    set_gates(out, sample, GATE)
    folder = kept(out, sample)
    sign(folder / SIGNED, "Anna", content_signed(sample, out))
    answer(out, sample)  # answers are about the calls; they change none
    (out / "slides" / sample.sample_id).mkdir()
    (out / "slides" / sample.sample_id / "edits.csv").write_text(",".join(EDITS_COLUMNS) + "\n")
    assert entry_of(sample, out).standing == "signed"  # no correction stands there
    if changed == "annotations":
        (folder / "annotations.geojson").write_text('{"features": []}')
    elif changed == "edits":
        (folder / "edits.csv").write_text("anything")
    elif changed == "study":
        set_gates(out, sample, dataclasses.replace(GATE, value=2.6))
    elif changed == "removed":
        (folder / "study.toml").unlink()
    else:
        sample.annotations.write_text('{"features": [1]}')
    told = entry_of(sample, out)
    assert told.signature is None and told.withdrawn.person == "Anna"
    assert told.standing == "reviewed"


def test_a_signature_is_taken_back_and_all_rows_stay(sheet, out):
    sample = sheet.samples[0]
    path = kept(out, sample) / SIGNED
    sign(path, "Anna", content_signed(sample, out))
    sign(path, "Bea")
    told = entry_of(sample, out)
    assert told.signature is None and told.withdrawn is None
    assert [r.person for r in read_signatures(path)] == ["Anna", "Bea"]
    with pytest.raises(OutputError, match="enter a name"):
        sign(path, "  ", "abc")


def test_a_damaged_file_is_told_and_counts_for_nothing(sheet, out):
    sample = sheet.samples[1]
    for name in ("study.toml", "review.csv", SIGNED):
        (kept(out, sample) / name).write_text("garbage = = =\n")
    told = entry_of(sample, out)
    assert told.standing == "to do"
    assert [p.split()[0] for p in told.problems] == ["study.toml", "review.csv", SIGNED]
    with pytest.raises(OutputError, match="move it elsewhere"):
        sign(kept(out, sample) / SIGNED, "Anna", "abc")


def test_what_a_person_made_and_cannot_be_read_keeps_nobody_from_the_worklist(tmp_path, out):
    slide = write_small_slide(tmp_path, "a", 4, 1)
    path = tmp_path / "samples.csv"
    path.write_text(f"slide,sample_id,patient,timepoint\n{slide.name},A,P1,baseline\n")
    (sample,) = read_worklist(path, out).samples
    for name in ("study.toml", "annotations.geojson"):
        (kept(out, sample) / name).write_text("garbage = = =")
    assert read_worklist(path, out).samples == (sample,)
    (kept(out, sample) / "study.toml").unlink()
    path.write_text(f"slide,sample_id,patient,timepoint,study\n{slide.name},A,P1,baseline,no\n")
    with pytest.raises(SheetError, match="study no does not exist"):
        read_worklist(path, out)


def test_gates_come_from_the_nearest_slide_of_the_patient_before(sheet, out):
    first, second, third, stranger = sheet.samples
    set_gates(out, third, OTHER)
    assert gates_to_carry(second, sheet.samples, out)[0] == "C"  # none before it is set
    set_gates(out, first, GATE)
    name, study = gates_to_carry(second, sheet.samples, out)
    assert name == "A 1" and study.gate == (GATE,)
    assert gates_to_carry(stranger, sheet.samples, out)[0] == ""
    sign(kept(out, second) / SIGNED, "Anna", content_signed(second, out))
    assert gates_to_carry(second, sheet.samples, out)[0] == ""  # it would be withdrawn
    (kept(out, second) / SIGNED).unlink()
    set_gates(out, second, by="")  # somebody was here
    assert gates_to_carry(second, sheet.samples, out)[0] == ""


def test_the_run_gets_what_was_made_and_all_that_the_sheet_says(sheet, out, tmp_path):
    assert sheet_to_run(sheet, out) == sheet.path and not out.exists()
    first, second = sheet.samples[:2]
    (sheet.path.parent / "lesions.csv").write_text("patient,lesion,day,area_mm2\nP1,L1,0,3\n")
    set_gates(out, second, GATE)
    (kept(out, second) / "edits.csv").write_text("x")
    (kept(out, first) / "annotations.geojson").write_text("{}")
    path = sheet_to_run(sheet, out)
    assert path == out / HANDED_OVER
    with path.open(newline="") as file:
        assert not any(v.startswith("/") for row in csv.reader(file) for v in row)
    moved = tmp_path / "elsewhere"  # slides, sheet and results together
    moved.mkdir()
    for name in ("given", "out"):
        shutil.move(tmp_path / name, moved / name)
    again = read_sheet(moved / "out" / HANDED_OVER, opened)
    assert len(again.lesions) == 1 and again.carried == ("JAK1",)
    for before, after in zip(sheet.samples, again.samples, strict=True):
        same = ("sample_id", "patient", "timepoint", "specimen", "day", "carried", "batch")
        assert [getattr(before, n) for n in same] == [getattr(after, n) for n in same]
        assert after.slide.read_bytes() and len(after.labels) == len(before.labels)
    one, two = again.samples[:2]
    assert one.annotations.parent.name == "A 1.session" and one.study is None
    assert two.study.parent.name == two.edits.parent.name == "B.session"
    work = work_on(two, Study(), moved / "out")
    assert work.inputs.edits == two.edits and work.study.gate == (GATE,)


def test_corrections_in_the_sheet_are_part_of_what_tells_finished_work(sheet, out):
    sample = sheet.samples[1]
    edits = kept(out, sample) / "edits.csv"
    edits.write_text("header\nrow\n")
    own = with_kept(sample, out)
    before = work_on(own, Study(), out).key
    result = out / "slides" / sample.sample_id
    result.mkdir()
    shutil.copy(edits, result)  # as a run does
    assert work_on(own, Study(), out).key == before
    edits.write_text("header\nrow\nrow\n")
    assert work_on(own, Study(), out).key != before


def test_a_sheet_is_told_by_its_header(sheet, tmp_path):
    assert is_sheet(sheet.path)
    for name, text in (("cells.csv", "label,x_um\n1,2\n"), ("a.csv", ""), ("b.csv", "\0\xff")):
        (tmp_path / name).write_text(text)
        assert not is_sheet(tmp_path / name)
    assert not is_sheet(tmp_path) and not is_sheet(tmp_path / "nothing.csv")


def test_next_and_previous_end_at_the_ends(sheet):
    names = [s.sample_id for s in sheet.samples]
    assert next_sample(sheet.samples, "", 1).sample_id == names[0]
    assert next_sample(sheet.samples, "B", 1).sample_id == "C"
    assert next_sample(sheet.samples, "B", -1).sample_id == names[0]
    assert next_sample(sheet.samples, names[0], -1) is None
    assert next_sample(sheet.samples, names[-1], 1) is None
