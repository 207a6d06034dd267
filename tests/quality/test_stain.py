import numpy as np
import pytest

from immunescape.panel import Panel, Stain, match_panel
from immunescape.quality import looks_mixed, pigmented_cells, stain_check
from immunescape.simulate import CHANNELS, SCENARIOS, FieldParams, simulate_field
from immunescape.slide import Slide
from tests.quality.fields import PANEL, field
from tests.real_data import DATA, needs

REAL = ["inform/FIHC4__0929309_HP_IM3_2_component_data.tif", "qptiff/small_vectra.qptiff"]


def unstained(slide) -> list[str]:
    return [c.marker for c in stain_check(slide, PANEL) if not c.stained]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_stained_fields_are_passed_in_silence(scenario):
    assert unstained(field(scenario, 11).slide) == []


def test_a_field_of_tumour_alone_with_a_handful_of_cd8_cells_is_stained():
    made = field("cold", 31, nest_sides=4)
    assert 0 < (made.truth.cells["phenotype"] == "cd8_t").sum() < 12
    assert unstained(made.slide) == []


@pytest.mark.parametrize(
    ("scenario", "marker", "at"),
    [("cold", "cd8", 1), ("response", "pdl1", 2), ("baseline", "s100", 3), ("node", "sox10", 4)],
)
def test_a_failed_stain_is_named(scenario, marker, at):
    gain = tuple(float(c != at) for c in range(5))
    small = FieldParams(width_um=200, height_um=200)
    made = simulate_field(small, scenario, 5, stain_gain=gain)
    assert unstained(made.slide) == [marker]


def test_the_warning_says_what_cannot_be_told():
    made = simulate_field(
        FieldParams(width_um=200, height_um=200), "baseline", 5, stain_gain=(1, 1, 0, 1, 1)
    )
    told = {c.marker: str(c) for c in stain_check(made.slide, PANEL)}
    assert told["pdl1"].startswith("PD-L1 shows no stain: ")
    assert "cannot be told from tissue without PD-L1" in told["pdl1"]
    assert told["cd8"] == "CD8 is stained"


def test_pigment_debris_and_glass_are_no_stain():
    made = field(
        "baseline", 32, unstained="pdl1", pigment=0.05, debris_per_mm2=60.0, glass_fraction=0.2
    )
    assert unstained(made.slide) == ["pdl1"]


def test_a_pedestal_and_another_unit_change_nothing():
    made = field("cold", 11)
    scaled = Slide("scaled", (made.image.astype(np.float32) / 300 + 7,), CHANNELS, 0.5)
    assert unstained(scaled) == []


def test_a_channel_of_one_value_is_not_stained_and_a_clipped_one_is():
    image = field("baseline", 11).image.copy()
    image[1] = 100
    image[2] = np.clip(image[2].astype(np.int64) - 180, 0, None)
    assert unstained(Slide("flat", (image,), CHANNELS, 0.5)) == ["cd8"]


def test_hardly_a_pixel_is_no_evidence():
    assert stain_check(Slide("dot", (np.zeros((5, 4, 4), np.uint16),), CHANNELS, 0.5), PANEL) == ()


@needs(*REAL[0].split("/"))
@pytest.mark.parametrize("path", REAL)
def test_real_stains_are_seen(path):
    from immunescape.io import open_slide

    slide = open_slide(DATA / path)
    assert all(c.stained for c in stain_check(slide, match_panel(slide.channels).panel))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_little_bleed_through_is_not_told(scenario):
    assert looks_mixed(field(scenario, 11).slide, PANEL) == ()


@pytest.mark.parametrize("params", [{"pigment": 0.05}, {"unstained": "cd8"}])
def test_neither_pigment_nor_a_failed_stain_looks_mixed(params):
    assert looks_mixed(field("cold", 11, **params).slide, PANEL) == ()


def test_strong_bleed_through_names_the_pair_and_the_share():
    found = looks_mixed(field("baseline", 33, bleed_through=0.2).slide, PANEL)
    by_pair = {(m.source, m.target): m for m in found}
    assert by_pair["DAPI", "CD8"].share == pytest.approx(0.2, abs=0.03)
    # light of each stain falls on the next channel alone, to a fifth
    assert all(
        CHANNELS.index(m.target) == CHANNELS.index(m.source) + 1 or m.share < 0.3 for m in found
    )
    assert "CD8 holds at least" in str(by_pair["DAPI", "CD8"])
    assert "unmixed" in str(by_pair["DAPI", "CD8"])


@needs(*REAL[0].split("/"))
def test_a_raw_scan_looks_mixed_and_unmixed_components_do_not():
    from immunescape.io import open_slide

    unmixed, raw = (open_slide(DATA / path) for path in REAL)
    assert looks_mixed(unmixed, match_panel(unmixed.channels).panel) == ()
    found = looks_mixed(raw, match_panel(raw.channels).panel)
    assert {(m.source, m.target) for m in found} <= {("Cy3", "FITC"), ("FITC", "Cy3")}
    assert found


@pytest.mark.parametrize("scenario", ["response", "cold"])
def test_pigmented_cells_are_told_and_hardly_any_other(scenario):
    from immunescape.measure import measure_cells

    made = field(scenario, 11, pigment=0.05)
    cells = measure_cells(made.slide, made.nuclei, made.cells, PANEL)
    truth = made.truth.cells.set_index("label").loc[cells.labels]
    true = truth["pigmented"].to_numpy(bool)
    found = pigmented_cells(cells, PANEL)
    assert found[true].mean() >= 0.8
    assert found[~true].mean() < 0.01
    touching = (truth["phenotype"] == "tumour") & truth["touching_cd8"] & ~true
    assert found[touching.to_numpy(bool)].mean() <= 0.02 if touching.any() else True


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_cell_of_a_clean_field_is_pigmented(scenario):
    from immunescape.measure import measure_cells

    made = field(scenario, 11)
    cells = measure_cells(made.slide, made.nuclei, made.cells, PANEL)
    assert pigmented_cells(cells, PANEL).mean() < 0.005


def test_two_markers_are_too_few_to_tell_pigment():
    from immunescape.measure import measure_cells

    made = field("cold", 11, pigment=0.05)
    cells = measure_cells(made.slide, made.nuclei, made.cells, PANEL)
    few = Panel(
        (
            Stain(channel="CD8", marker="cd8", compartment="membrane"),
            Stain(channel="PD-L1", marker="pdl1", compartment="membrane"),
        )
    )
    assert not pigmented_cells(cells, few).any()
