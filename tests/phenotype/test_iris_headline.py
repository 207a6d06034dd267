"""The headline of a real melanoma: the program against a recount cell by cell."""

import numpy as np
import pandas as pd
import pytest
from benchmarks import iris_headline

from immunescape.cells import CellTable
from immunescape.io.calls import ImportedCalls
from immunescape.panel import Panel, Stain
from immunescape.phenotype import GateParams, GateSpec, call_phenotypes, gate_by_parent
from immunescape.spatial import find_contacts, summarise
from tests.real_data import needs
from tests.spatial.real_fields import IRIS_PIXEL_UM, iris
from tests.spatial.recount import areas

real = needs("iris", "fields_r", "MEL2_7_cell_seg_data.txt")
PUBLISHED = pd.Series(3.64, index=list(iris_headline.FIELDS))


@pytest.fixture(scope="module")
def cells():
    return iris_headline.read_specimen()


def recount(number):
    """Tumour cells touching CD8 as ``{place: [negative, all]}``, by plain loops.

    Kinds and places are those of the published gate, of the drawn stroke and of the tumour mask.
    """
    field = iris(number)
    kind, place = field.cells["kind"].to_dict(), field.cells["region"].to_dict()
    touching = set()
    for row in find_contacts(field.labels, IRIS_PIXEL_UM).pairs.itertuples():
        for one, other in ((row.label_a, row.label_b), (row.label_b, row.label_a)):
            if kind[one].startswith("SOX10+") and kind[other].startswith("CD8+"):
                touching.add(one)
    counts = {}
    for label in touching:
        for where in ("whole", place[label]):
            counted = counts.setdefault(where, [0, 0])
            counted[0] += kind[label].endswith("PDL1-")
            counted[1] += 1
    return counts


@real
def test_the_published_gate_gives_what_a_recount_gives(cells):
    counts = [recount(str(number)) for number in iris_headline.FIELDS]
    whole, margin = (np.sum([c[where] for c in counts], axis=0) for where in ("whole", "Margin"))
    table = iris_headline.headline(cells, PUBLISHED)
    assert table.loc["tissue", ["negative", "touching"]].tolist() == whole.tolist()
    # The drawn stroke is an outline here and pixels there: a cell on its edge may change sides.
    assert table.loc["margin", ["negative", "touching"]].to_numpy() == pytest.approx(margin, abs=1)
    assert table.loc["tissue", "share"] == whole[0] / whole[1]


@real
def test_the_program_gives_the_same_headline_with_a_fixed_gate(cells):
    """Published kinds of cell, a study with the published gate, calls and summary of each field."""
    nuclear = Stain(channel="DAPI", marker="dapi", compartment="nucleus", role="nuclear")
    panel = Panel((nuclear, Stain(channel="Opal 690", marker="pdl1", compartment="membrane")))
    specs = (GateSpec("pdl1", "all", "fixed", 3.64),)
    counts = np.zeros(2)
    for number, mine in cells.groupby("field"):
        table = CellTable(mine[["x_um", "y_um", "region"]]).with_columns(
            {
                "pdl1_membrane_mean": mine["pdl1"],
                "edge_censored": False,
                "distance_to_margin_um": 0.0,
            }
        )
        imported = ImportedCalls(mine[["phenotype"]])
        first = call_phenotypes(table, (), imported=imported).cells
        gates = gate_by_parent(first, panel, specs)
        called = call_phenotypes(table, gates, imported=imported).cells
        pairs = find_contacts(iris_headline.read_labels(number), IRIS_PIXEL_UM).pairs
        summary = summarise(called, pairs, areas()).set_index(
            ["metric", "phenotype", "region", "neighbourhood"]
        )
        row = summary.loc[("pdl1_negative_fraction_touching_cd8", "tumour", "tissue", "contact")]
        counts += row[["numerator", "denominator"]].to_numpy(float)
    table = iris_headline.headline(cells, PUBLISHED)
    assert counts.tolist() == table.loc["tissue", ["negative", "touching"]].tolist()


def nothing(cells, pooled, draws):
    found = pd.DataFrame(np.nan, index=list(iris_headline.FIELDS), columns=["gate", "low", "high"])
    return found.assign(note="none")


@real
def test_ways_are_printed_in_the_order_of_what_they_give(cells):
    quick = {"3.64", "otsu, all cells", "otsu, tumour cells", "otsu of log, tumour cells"}
    ways = [way for way in iris_headline.ways() if way.name in quick]
    ways.append(iris_headline.Way("plain", "nothing", nothing))
    table = iris_headline.compare(cells, ways, draws=2)
    lines = iris_headline.printed(table).splitlines()[1:]
    assert len(lines) == len(table)
    shares = table["tissue"].dropna().to_numpy()
    assert (np.diff(shares) >= 0).all()
    assert table["tissue"].isna().to_numpy()[len(shares) :].all()
    for line, row in zip(lines, table.itertuples(), strict=True):
        assert row.method in line
        assert ("no gate" if np.isnan(row.tissue) else f"{100 * row.tissue:.0f}") in line
    published = table[table["group"] == "published"].iloc[0]
    assert published["tissue"] == iris_headline.headline(cells, PUBLISHED).loc["tissue", "share"]


def test_the_conclusion_is_read_from_the_table():
    rows = [
        ("control", "otsu", "each field", 0.31),
        ("program", GateParams().method, "both fields", 0.42),
        ("program", "tail", "both fields", 0.77),
        ("plain", "otsu", "both fields", 0.85),
        ("published", "3.64", "both fields", 0.9),
        ("control", "tail", "both fields", np.nan),
    ]
    table = pd.DataFrame(rows, columns=["group", "method", "fitted on", "tissue"])
    table = table.assign(gate="5.00", note="", tumour=table["tissue"])
    table = table.assign(margin=[0.2, 0.3, 0.4, 0.9, 0.6, np.nan])
    table = table.assign(**{"tissue low": table["tissue"] - 0.02, "tissue high": table["tissue"]})
    said = iris_headline.conclusion(table)
    assert "Published gate 90 %; automatic ones 31 % (control otsu, each field) to 77 %" in said
    assert "(5.00) gives 42 [40, 42] %" in said
    assert "moves it by 2 points, the choice of method by 46." in said
    assert said.endswith("higher in the tumour than in the margin under 4 of 5 gates.")


def drawn(rows):
    """Cells of one block as rows of field, phenotype, PD-L1, region and touching."""
    columns = ["field", "phenotype", "pdl1", "region", "touching"]
    return pd.DataFrame(rows, columns=columns).assign(block="2:0:0")


def test_a_headline_that_can_be_counted_by_eye():
    cells = drawn(
        [
            (2, "tumour", 1.0, "centre", True),
            (2, "tumour", 2.0, "inner_margin", True),  # at the threshold: negative
            (2, "tumour", 2.1, "outer_margin", True),
            (2, "tumour", 9.0, "centre", False),
            (2, "cd8_t", 1.0, "centre", True),
            (7, "tumour", 2.5, "stroma", True),  # another field, another gate: negative
        ]
    )
    table = iris_headline.headline(cells, pd.Series({2: 2.0, 7: 3.0}))
    assert table[["negative", "touching"]].to_numpy().tolist() == [[2, 2], [1, 2], [3, 4]]
    assert table["share"].tolist() == [1.0, 0.5, 0.75]
    without = iris_headline.headline(cells, pd.Series({2: 2.0, 7: np.nan}))
    assert without["share"].isna().all()
