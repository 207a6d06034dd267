"""Other ways to judge a slide are left out where imported calls leave them nothing to judge."""

import pandas as pd
import pytest
from tests.slides import drawn_labels, square, write_geojson, write_labels, write_slide

from immunescape.cli import main

pytestmark = pytest.mark.usefixtures("without_reports")


@pytest.mark.parametrize(
    ("columns", "kinds"),
    [(("phenotype", "pdl1_positive"), set()), (("phenotype",), {"statistic", "gate"})],
)
def test_imported_calls_are_not_judged_by_gates_they_do_not_rest_on(tmp_path, columns, kinds):
    """A difference of 0 would look like a number that holds, whatever the gate."""
    labels = drawn_labels()
    calls = pd.DataFrame({"label": range(1, labels.max() + 1)})
    calls["phenotype"] = ["cd8_t" if k % 5 == 0 else "tumour" for k in calls["label"]]
    calls["pdl1_positive"] = [int(k % 3 == 0) for k in calls["label"]]
    calls[["label", *columns]].to_csv(tmp_path / "calls.csv", index=False)
    words = [
        "run", str(write_slide(tmp_path)), "-o", str(tmp_path / "out"), "--quiet",
        "--labels", str(write_labels(tmp_path, labels=labels)), "--tissue.method", "whole",
        "--annotations", str(write_geojson(tmp_path, square(0, 0, 180, 240))),
        "--calls", str(tmp_path / "calls.csv"),
    ]  # fmt: skip
    assert main(words) == 0
    table = pd.read_csv(tmp_path / "out" / "slide" / "sensitivity.csv")
    told = table[table["kind"].isin(["statistic", "gate", "method"])]
    assert kinds <= set(told["kind"])
    assert not told["variant"].str.startswith("cd8").any()
    if not kinds:
        assert told.empty


def test_a_gate_of_a_marker_whose_calls_are_given_is_named(tmp_path, capsys):
    labels = drawn_labels()
    calls = pd.DataFrame({"label": range(1, labels.max() + 1)})
    calls["pdl1_positive"] = [int(k % 3 == 0) for k in calls["label"]]
    calls.to_csv(tmp_path / "calls.csv", index=False)
    words = [
        "run", str(write_slide(tmp_path)), "-o", str(tmp_path / "out"), "--sensitivity.tables",
        "none", "--labels", str(write_labels(tmp_path, labels=labels)), "--tissue.method", "whole",
        "--calls", str(tmp_path / "calls.csv"), "--gate", "pdl1@tumour=fixed:80",
    ]  # fmt: skip
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "warning: the study's gate of pdl1 is not used: its calls were given" in told
