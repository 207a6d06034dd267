"""The list of doubts holds: its words are those of the program, and its tests are there.

`docs/doubts.md` names each case in which a reader must doubt a number, what the program says of
it, where, and the test that provokes it. The words are compared with the texts in the sources,
whose filled-in parts are written … here; and every sentence that the sources can say of a number
must stand in the list, so that a new doubt cannot be forgotten.
"""

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src" / "immunescape"
LIST = ROOT / "docs" / "doubts.md"

TELLING = (
    "margin", "measure", "phenotype", "quality", "spatial", "pipeline", "segment/engine.py",
    "panel/match.py",
    "io/calls.py", "io/call_rows.py", "io/found.py", "io/mosaic.py", "io/qptiff.py",
    "cohort/staining.py",
)  # fmt: skip
"""Modules whose sentences are about numbers: each must stand in the list."""

NO_DOUBT = {
    "write MARKER[@PARENT]=METHOD[:VALUE], such as pdl1@tumour=fixed:3.6 or cd8=otsu",
    "write STEP.PARAMETER=VALUE,VALUE, such as margin.width_um=40,100,360 or pdl1@tumour=2,3.6",
    "for research use, not for diagnosis",
    "there are none",  # before any cell was asked
    "inside the tumour region",  # part of a rule
    "outside the tumour region",  # part of a rule
    "columns … and …, which say the same",  # part of an error
    "has no pixel size",  # part of an error
    "no pixel size",  # likewise
    "a pixel of … x … µm",
    "from … to … x … px",  # of what is printed of a mosaic
    "tiles       …, placed by …",
    "overlap     … of the imaged pixels, each taken from the tile whose middle is nearest",
    "gaps        … of the frame, not imaged",
    "… is … x … px without a pyramid: viewing it will be slow",  # of the viewer, not of numbers
    "set by hand",
    "on tumour cells",
    "on other cells",
    "from a table of gates",  # where a gate
    "… of the …'s slides",
    "the tumour region",  # comes from, in the panel of gates
    "inside the tumour",
    "outside the tumour",
    "none: a person set the phenotype",  # why a cell
    "as the imported table says",
    "no rule holds",  # was called so
    "a value is missing: it could be …",
    "…… in … files, and … more while it runs",  # before a run, of its disk
}
"""Sentences of these modules that are no doubts, written as they stand there."""

LEAST_WORDS = 3
LEAST_SHARED = 12
"""Characters of the words that the file of the test must hold too."""


def templates(tree):
    """Texts of a module with … for what is filled in; neither docstrings nor errors."""
    if isinstance(tree, ast.Raise):
        return
    if isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Constant):
        return
    if isinstance(tree, ast.Constant):
        if isinstance(tree.value, str):
            yield tree.value
        return
    if isinstance(tree, ast.JoinedStr):
        yield "".join(v.value if isinstance(v, ast.Constant) else "…" for v in tree.values)
        parts = [v.value for v in tree.values if isinstance(v, ast.FormattedValue)]
    else:
        parts = ast.iter_child_nodes(tree)
    for part in parts:
        yield from templates(part)


@functools.cache
def texts_of(path):
    return tuple(templates(ast.parse(path.read_text(encoding="utf-8"))))


def telling():
    for name in TELLING:
        place = SOURCES / name
        yield from [place] if place.is_file() else sorted(place.rglob("*.py"))


def is_sentence(text):
    words = [word for word in re.split(r"[\s…]+", text) if word.isalpha()]
    return len(words) >= LEAST_WORDS and text.strip() not in NO_DOUBT


def rows():
    """Rows of the list as ``(case, words, where, tests)``."""
    for line in LIST.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 4 and cells[0] not in ("the case", "---"):
            case, words, where, tests = cells
            yield case, re.findall(r"`([^`]+)`", words), where, re.findall(r"`([^`]+)`", tests)


ROWS = tuple(rows())
IDS = [case[:60] for case, *_ in ROWS]


def squash(text):
    """Join the pieces of texts that are written over several lines of code."""
    return re.sub(r"\s+", " ", re.sub(r'"\s+f?"', "", text))


@functools.cache
def names_in(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))
    return {name for name in functions if name.startswith("test_")}


def test_every_row_is_read():
    lines = LIST.read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("|")]
    heads = [line for line in table if line.startswith(("| the case", "| ---"))]
    assert len(ROWS) == len(table) - len(heads) > 50


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_the_words_are_those_of_the_program(row):
    _, words, where, _ = row
    assert words
    assert where
    everywhere = [text for path in sorted(SOURCES.rglob("*.py")) for text in texts_of(path)]
    for phrase in words:
        assert any(phrase in text for text in everywhere), phrase


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_the_tests_are_there_and_speak_of_it(row):
    _, words, _, tests = row
    assert tests
    for test in tests:
        file, _, name = test.partition("::")
        assert name in names_in(ROOT / file), test
    held = squash("".join((ROOT / test.partition("::")[0]).read_text("utf-8") for test in tests))
    for phrase in words:
        pieces = [piece for part in phrase.split("…") if (piece := part.strip(" :;,"))]
        shared = [
            piece[i : i + LEAST_SHARED]
            for piece in pieces
            for i in range(max(len(piece) - LEAST_SHARED, 0) + 1)
        ]
        assert any(part in held for part in shared), phrase


@pytest.mark.parametrize("path", tuple(telling()), ids=lambda path: str(path.relative_to(SOURCES)))
def test_no_doubt_of_the_program_is_forgotten(path):
    listed = [phrase for _, words, _, _ in ROWS for phrase in words]
    forgotten = [
        text
        for text in texts_of(path)
        if is_sentence(text) and not any(phrase in text for phrase in listed if len(phrase) > 8)
    ]
    assert not forgotten, "add them to docs/doubts.md, each with the test that provokes it"
