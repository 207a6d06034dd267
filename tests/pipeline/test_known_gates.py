"""Gates are fitted once: a run that changes nothing about them takes them over, and only then."""

from dataclasses import replace

import pytest

from immunescape.pipeline import Inputs, run_slide
from immunescape.simulate import FieldParams, simulate_field, write_field
from immunescape.study import Study

pytestmark = pytest.mark.usefixtures("without_reports")

QUICK = replace(
    Study(),
    gating=replace(Study().gating, bootstrap_draws=20),
    sensitivity=replace(Study().sensitivity, tables="none"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    params = FieldParams(width_um=300, height_um=260, roughness_um=8)
    write_field(simulate_field(params, "response", 5, "made"), folder)
    truth = folder / "truth"
    return folder, Inputs(
        slide=folder / "made.ome.tif",
        annotations=folder / "made.geojson",
        labels=(truth / "made_nuclei.tif", truth / "made_cells.tif"),
    )


def tables(folder):
    return {path.name: path.read_text() for path in sorted(folder.glob("*.csv"))}


def counted(monkeypatch):
    """Count how often a gate is fitted."""
    import immunescape.phenotype.gating as gating

    calls = []
    fit = gating.fit_gate
    monkeypatch.setattr(gating, "fit_gate", lambda *a, **k: calls.append(1) or fit(*a, **k))
    return calls


@pytest.mark.slow
def test_another_margin_fits_no_gate_and_gives_what_a_fresh_run_gives(made, monkeypatch):
    folder, inputs = made
    base = replace(QUICK, sensitivity=Study().sensitivity)
    other = replace(base, margin=replace(base.margin, width_um=50.0))
    run_slide(inputs, folder / "out", base)
    calls = counted(monkeypatch)
    run_slide(inputs, folder / "out", other)
    assert not calls
    run_slide(inputs, folder / "fresh", other)
    assert calls
    assert tables(folder / "out" / "made") == tables(folder / "fresh" / "made")


@pytest.mark.parametrize("step", ["gating", "gate", "seed", "annotations"])
def test_what_decides_a_gate_has_it_fitted_again(made, step, monkeypatch):
    folder, inputs = made
    out = folder / step
    run_slide(inputs, out, QUICK)
    study, given = QUICK, inputs
    if step == "gating":
        study = replace(study, gating=replace(study.gating, method="otsu"))
    elif step == "gate":
        from immunescape.phenotype import parse_gate

        study = replace(study, gate=(parse_gate("cd8=fixed:400"),))
    elif step == "seed":
        study = replace(study, seed=3)
    else:
        given = replace(inputs, annotations=None)
    calls = counted(monkeypatch)
    run_slide(given, out, study)
    assert calls
