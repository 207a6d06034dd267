"""The sample sheet: read however an office writes it, and all that is wrong with it at once."""

import pytest
from openpyxl import Workbook

from immunescape.cohort.sheet import read_sheet
from immunescape.errors import SheetError


def opened(sample):
    """A slide that can be opened, named like its file."""
    return sample.slide.name.split(".")[0], []


def written(folder, text, *files, encoding="utf-8"):
    for name in files:
        (folder / name).write_bytes(b"")
    sheet = folder / "samples.csv"
    sheet.write_bytes(text.encode(encoding))
    return sheet


ROWS = "slide,patient,timepoint,day,JAK1\na.tif,P1,baseline,0,wt\nb.tif,P1,relapse,1.5,lost\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (ROWS, "utf-8"),
        (ROWS.replace(",", ";").replace("1.5", "1,5"), "utf-8-sig"),
        (ROWS.replace(",", "\t").replace("\n", "\r\n"), "utf-8"),
        (ROWS.replace(",", "\t"), "utf-16"),
        ("\n\n" + ROWS.replace("slide,patient", " Slide ,PATIENT"), "utf-8"),
    ],
    ids=["comma", "semicolon_bom", "tab_crlf", "utf16", "blank_lines_and_capitals"],
)
def test_a_sheet_is_read_however_an_office_writes_it(tmp_path, text, encoding):
    sheet = read_sheet(written(tmp_path, text, "a.tif", "b.tif", encoding=encoding), opened)
    first, second = sheet.samples
    assert (first.sample_id, first.slide, first.patient) == ("a", tmp_path / "a.tif", "P1")
    assert (first.specimen, second.specimen) == ("P1_baseline", "P1_relapse")
    assert (first.day, second.day) == (0.0, 1.5)
    assert sheet.carried == ("JAK1",)
    assert dict(second.carried) == {"JAK1": "lost"}


def test_a_workbook_is_read_with_the_lines_that_it_shows(tmp_path):
    book = Workbook()
    sheet = book.active
    sheet.append(["slide", "patient", "timepoint", "day", "batch"])
    sheet.append(["a.tif", 7, "baseline", 0, None])
    sheet.append([None, None, None, None, None])
    sheet.append(["b.tif", 7, "relapse", 540.5, "B1"])
    book.save(tmp_path / "samples.xlsx")
    written(tmp_path, "", "a.tif", "b.tif")
    found = read_sheet(tmp_path / "samples.xlsx", opened).samples
    assert [(s.patient, s.day, s.batch, s.line) for s in found] == [
        ("7", 0.0, "", 2),
        ("7", 540.5, "B1", 4),
    ]


def test_every_problem_is_listed_at_once_with_its_line(tmp_path):
    text = (
        "slide,patient,timepoint,sample_id,specimen,day,annotations,study,labels\n"
        "a.tif,P1,baseline,one,S1,0,,,\n"
        "b.tif,,baseline,ONE,S2,0,,,\n"
        "c.tif,P1,,con,S3,soon,,,\n"
        "absent.tif,P1,relapse,four,S1,9,nowhere.geojson,none.toml,x.tif|y.tif\n"
        "a.tif,p1,relapse,five,S5,9,,,\n"
        "d.tif,P1,relapse,six,S6,9,,,,surplus\n"
    )
    with pytest.raises(SheetError) as raised:
        read_sheet(written(tmp_path, text, "a.tif", "b.tif", "c.tif", "d.tif"), opened)
    problems = raised.value.problems

    def told(line, *words):
        return any(p.startswith(f"line {line}: ") and all(w in p for w in words) for p in problems)

    assert told(3, "patient is empty")
    assert told(3, "sample_id ONE is that of line 2", "capital")
    assert told(4, "timepoint is empty")
    assert told(4, "sample_id", "'con'")
    assert told(4, "day is 'soon'")
    for name in ("slide absent.tif", "nowhere.geojson", "none.toml", "x.tif", "y.tif"):
        assert told(5, name, "does not exist")
    assert told(5, "specimen S1 has the timepoint relapse", "baseline on line 2")
    assert told(6, "slide a.tif is that of line 2")
    assert told(6, "patient 'p1' is written 'P1' on line 2")
    assert told(7, "more values than columns")
    lines = [int(p.split(":")[0].removeprefix("line ")) for p in problems]
    assert lines == sorted(lines)
    assert str(raised.value).startswith(f"samples.csv has {len(problems)} problems")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "it is empty"),
        ("slide,patient\na.tif,P1\n", "line 1: the column timepoint is absent"),
        ("slide,patient,timepoint\n", "no row follows the header"),
        ("slide,patient,timepoint,timepoint\na.tif,P1,x,y\n", "timepoint stands there twice"),
        ("slide,patient,timepoint,value\na.tif,P1,x,3\n", "value has the name of a column of the"),
        ('slide,patient,timepoint\na.tif,"P1,x\n', "line 2"),
    ],
    ids=["empty", "no_timepoint", "no_rows", "twice", "reserved", "open_quote"],
)
def test_a_sheet_that_is_none(tmp_path, text, expected):
    with pytest.raises(SheetError) as raised:
        read_sheet(written(tmp_path, text, "a.tif"), opened)
    assert any(expected in problem for problem in raised.value.problems)


def test_a_batch_is_needed_where_gates_are_shared_by_it(tmp_path):
    text = "slide,patient,timepoint,batch\na.tif,P1,baseline,\nb.tif,P1,relapse,B1\n"
    sheet = written(tmp_path, text, "a.tif", "b.tif")
    assert len(read_sheet(sheet, opened).samples) == 2
    with pytest.raises(SheetError, match="line 2: batch is empty"):
        read_sheet(sheet, opened, batches=True)


def test_what_opening_finds_is_listed_with_the_rest(tmp_path):
    sheet = written(tmp_path, ROWS.replace(",0,", ",x,"), "a.tif", "b.tif")
    with pytest.raises(SheetError) as raised:
        read_sheet(sheet, lambda sample: ("", [f"{sample.slide.name} has no pixel size"]))
    assert raised.value.problems == (
        "line 2: day is 'x'; give a number of days, or leave it empty",
        "line 2: a.tif has no pixel size",
        "line 3: b.tif has no pixel size",
    )


def test_lesions_beside_the_sheet_are_read_and_checked_alike(tmp_path):
    sheet = written(tmp_path, ROWS, "a.tif", "b.tif")
    assert read_sheet(sheet, opened).lesions.empty
    lesions = tmp_path / "lesions.csv"
    lesions.write_text("patient;lesion;day;area_mm2\nP1;L1;0;12,5\nP9;L1;30;4\n")
    found = read_sheet(sheet, opened)
    assert found.lesions.to_dict("list") == {
        "patient": ["P1", "P9"], "lesion": ["L1", "L1"], "day": [0.0, 30.0],
        "area_mm2": [12.5, 4.0],
    }  # fmt: skip
    assert found.warnings == ("lesions.csv: no slide is of P9",)
    lesions.write_text("patient,lesion,day,area_mm2\nP1,L1,x,3\n,L1,2,-1\nP1,L2,2,1\nP1,L2,2,1\n")
    with pytest.raises(SheetError) as raised:
        read_sheet(sheet, opened)
    text = "\n".join(raised.value.problems)
    for words in (
        "lesions.csv, line 2: day is 'x'",
        "lesions.csv, line 3: patient is empty",
        "lesions.csv, line 3: area_mm2 is '-1'",
        "lesions.csv, line 5: P1 L2 on day 2 stands on line 4",
    ):
        assert words in text


def test_days_against_the_usual_order_are_told(tmp_path):
    sheet = written(tmp_path, ROWS.replace(",0,", ",99,"), "a.tif", "b.tif")
    (told,) = read_sheet(sheet, opened).warnings
    assert told == "P1: by their days the timepoints come in the order relapse, baseline"
