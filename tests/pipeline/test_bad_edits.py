"""A file of corrections that is none is refused in one line, before any work."""

import json

import pytest
from tests.napari.small import write_small

from immunescape.cli import main
from immunescape.io.edits import EDITS_COLUMNS
from immunescape.pipeline.given import find_edits

pytestmark = pytest.mark.usefixtures("without_reports")

HEAD = ",".join(EDITS_COLUMNS) + "\n"
ROW = "2024-01-01T00:00:00.000000Z,ab,{},{},9.0,,cd8=positive,\n"


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    return write_small(tmp_path_factory.mktemp("slide"), edge=32)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist"),
        ("folder", "is a folder"),
        (b"a,b\n1,2\n", "line 1: 'a,b' are not the columns"),
        (bytes(range(256)), "line 1: "),
        ((HEAD + ROW.format("recolour", "9.0")).encode(), "line 2: the action 'recolour'"),
        ((HEAD + ROW.format("call", "left")).encode(), "line 2: x_um is 'left'"),
        (HEAD.replace(",", ";").encode(), "line 1: "),
        ((HEAD + ROW.format("call", "9.0")).replace("ab", "ü").encode("latin-1"), "UTF-8"),
    ],
)
def test_what_is_no_file_of_corrections_is_refused(slide, tmp_path, capsys, content, words):
    path = tmp_path / "mine.csv"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    out = tmp_path / "out"
    assert main(["run", str(slide), "-o", str(out), "--edits", str(path)]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("immunescape: mine.csv") and words in said and "; " in said
    assert "\n" not in said and str(tmp_path) not in said
    assert not out.exists()


def test_an_empty_file_and_that_of_another_slide_are_told(tmp_path):
    path = tmp_path / "edits.csv"
    path.write_bytes(b"")
    found, told = find_edits(path, None, None, (), "one")
    assert not found.edits.rows and told == ("edits.csv is empty: no corrections are made",)
    path.write_text(HEAD + ROW.format("call", "9.0"), encoding="utf-8")
    (tmp_path / "provenance.json").write_text(json.dumps({"input": {"sha256": "other"}}))
    found, told = find_edits(path, None, None, (), "one")
    assert len(found.edits.rows) == 1
    assert told == (
        "edits.csv lies in the result of another slide: its positions may mean other cells",
    )
    assert not find_edits(path, None, None, (), "other")[1]
