"""Channel names as microscopes, staining kits and people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunescape.errors import PanelError
from immunescape.panel import (
    EXPECTED_MARKERS,
    Panel,
    Stain,
    match_panel,
    missing_costs,
    propose_panel,
    read_name,
    require_nuclear,
)

NAMES = {
    "dapi": """DAPI|DAPI_3|Hoechst|Hoechst 33342|DNA1|DNA|DNA_12|Nuclei|DAPI (Opal Polaris 480)
        |cyc003_DAPI|191Ir_DNA1|DAPI-01|hoechst33342_2|C1 DAPI|DRAQ5""",
    "pdl1": """PD-L1|PDL1|pd-l1|CD274|B7-H1|PD-L1 (Opal 520)|PD-L1 (CD274)|Opal520_PDL1|PD‑L1
        |PD-L1 (28-8)|PD-L1 clone 22C3 - Opal 520|PD-L1 rabbit mAb|r2 PDL1|PD-L1_3|PDL1-Cy5.5""",
    "cd8": """CD8|CD8a|CD8A|CD8 alpha|CD8α|cd-8|Opal 570 (CD8)|CD8-AF647|Alexa Fluor 647 CD8|CD8 Cy7
        |cyc03_CD8|CD8_r2|CD8 (Opal Polaris 780)|647-CD8|anti-human CD8 (clone C8/144B)|01 - CD8
        |Nd146_CD8a|CD8 TRITC|CD8 PE-Cy7|CD8 ATTO 550|FITC-CD8""",
    "sox10": "SOX10|Sox-10|sox 10|SOX10 (Opal 690)|Yb173Di_SOX10|SOX10 FITC|round 4 SOX10",
    "s100": "S100|S-100|S100B|S100 beta|S100β|S100B protein|S100 (Opal 620)|cycle 3_S100B",
    "s100_sox10": """S100/SOX10|SOX10+S100|S100-SOX10 cocktail|Melanoma cocktail (S100+SOX10)
        |S100B/SOX10 (Opal 690)|SOX-10 & S-100|s100 and sox10 mix""",
    "autofluorescence": """AF|Autofluorescence|autofluor|Sample AF|blank|Blank_2|AF FITC
        |Sample AF (Opal 780)|A488_background""",
}
EXAMPLES = [(name.strip(), key) for key, names in NAMES.items() for name in names.split("|")]

OTHERS = {
    "S100A8": "s100a8",
    "S100-A9": "s100a9",
    "S100P": "s100p",
    "S100A4": "s100a4",
    "CD80": "cd80",
    "CD-86": "cd86",
    "CD81": "cd81",
    "CD83": "cd83",
    "CD8b": "cd8b",
    "CD8-6": "cd86",
    "PD-1": "pd1",
    "PD 1": "pd1",
    "PD-L2": "pdl2",
    "CD27": "cd27",
    "CD279": "cd279",
    "CD273": "cd273",
    "SOX9": "sox9",
    "Sox-11": "sox11",
    "B7-H3": "b7h3",
    "CD3 (Opal 540)": "cd3",
    "CD3_2": "cd3_2",
    "Ki-67": "ki67",
    "HLA-DR": "hladr",
    "Granzyme B (Opal 480)": "granzymeb",
    "CD8/PD-L1": "cd8_pdl1",
    "Kaftan": "kaftan",
    "DNA-PK": "dnapk",
}


@pytest.mark.parametrize(("name", "key"), EXAMPLES)
def test_alias_matches_whole_name(name: str, key: str) -> None:
    assert read_name(name).marker == key


@pytest.mark.parametrize(("name", "key"), OTHERS.items())
def test_no_alias_matches_a_longer_or_neighbouring_name(name: str, key: str) -> None:
    reading = read_name(name)
    assert reading.kind == "marker"
    assert reading.marker == key
    assert key not in EXPECTED_MARKERS


@given(st.sampled_from(sorted(EXPECTED_MARKERS)), st.from_regex(r"[a-z0-9]{1,3}", fullmatch=True))
def test_a_prefix_is_never_enough(marker: str, tail: str) -> None:
    known = {"cd8a", "s100b"}
    key = read_name(marker + tail).marker
    assert (key == marker) == (marker + tail in known)


@given(
    st.sampled_from(["pd l1", "cd 8a", "s 100b", "sox 10", "b7 h1", "cd 274"]),
    st.sampled_from(["", "-", "_", " ", ".", "/", "‑"]),
    st.booleans(),
)
def test_case_and_punctuation_do_not_matter(words: str, mark: str, upper: bool) -> None:
    plain = words.replace(" ", "")
    dressed = words.replace(" ", mark)
    assert read_name(dressed.upper() if upper else dressed).marker == read_name(plain).marker


@given(st.permutations(["Hoechst", "CD8", "PD-L1 (Opal 520)", "S100/SOX10", "CD80", "AF", "Cy5"]))
def test_order_of_channels_does_not_matter(channels: list[str]) -> None:
    panel = match_panel(channels).panel
    assert [s.channel for s in panel.stains] == channels
    assert {s.channel: (s.marker, s.role) for s in panel.stains} == {
        "Hoechst": ("dapi", "nuclear"),
        "CD8": ("cd8", "marker"),
        "PD-L1 (Opal 520)": ("pdl1", "marker"),
        "S100/SOX10": ("s100_sox10", "marker"),
        "CD80": ("cd80", "marker"),
        "AF": ("autofluorescence", "autofluorescence"),
        "Cy5": ("cy5", "marker"),
    }
    assert panel.missing == ()


def test_compartments_follow_the_protein() -> None:
    channels = ["DAPI", "S100", "SOX10", "CD8", "PD-L1", "FOXP3", "CD3", "PD-1", "odd thing"]
    stains = match_panel(channels).panel.stains
    assert [s.compartment for s in stains] == [
        "nucleus", "cell", "nucleus", "membrane", "membrane", "nucleus", "membrane", "membrane",
        "cell",
    ]  # fmt: skip


def test_first_of_several_nuclear_stains_is_used() -> None:
    match = match_panel(["DAPI_1", "CD8", "DAPI_2", "Hoechst"])
    assert [(s.marker, s.role) for s in match.panel.stains] == [
        ("dapi", "nuclear"), ("cd8", "marker"), ("dapi_2", "nuclear_unused"),
        ("dapi_3", "nuclear_unused"),
    ]  # fmt: skip
    assert any("DAPI_2, Hoechst" in w and "--nuclear" in w for w in match.warnings)


def test_nuclear_chooses_one_or_combines_several() -> None:
    channels = ["DAPI_1", "CD8", "DAPI_2", "DAPI_3"]
    one = match_panel(channels, nuclear=("dapi 2",)).panel
    assert [s.channel for s in one.nuclear] == ["DAPI_2"]
    assert one["dapi"].channel == "DAPI_2"
    two = match_panel(channels, nuclear=("DAPI_3", "DAPI_1")).panel
    assert [(s.channel, s.marker) for s in two.nuclear] == [
        ("DAPI_1", "dapi"),
        ("DAPI_3", "dapi_2"),
    ]


def test_marker_chosen_as_nuclear_stain_is_no_marker() -> None:
    match = match_panel(["SOX10", "CD8"], nuclear=("SOX10",))
    assert [s.marker for s in match.panel.nuclear] == ["sox10"]
    assert "sox10" not in match.panel
    assert any("SOX10 is a nuclear stain, not a marker" in w for w in match.warnings)


def test_unknown_nuclear_channel_lists_the_channels() -> None:
    with pytest.raises(PanelError, match=r"P1 has no channel 'DAPI9'.*--nuclear.*DAPI, CD8"):
        match_panel(["DAPI", "CD8"], nuclear=("DAPI9",), slide_name="P1")


@pytest.mark.parametrize(
    "channels", [("CD8", "CD8a"), ("PD-L1", "CD274"), ("Sox-10 FITC", "SOX10"), ("S100/SOX10",) * 2]
)
def test_two_channels_of_one_marker_are_refused(channels: tuple[str, str]) -> None:
    with pytest.raises(PanelError) as caught:
        match_panel(["DAPI", *channels], slide_name="P1")
    assert all(repr(channel) in str(caught.value) for channel in channels)
    assert "P1" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cocktail_stands_beside_a_marker_of_its_own() -> None:
    panel = match_panel(["DAPI", "S100/SOX10", "SOX10"]).panel
    assert panel.standing_for("sox10") == panel["sox10"]
    assert panel.standing_for("s100") == panel["s100_sox10"]


def test_no_nuclear_stain_is_refused_only_when_needed() -> None:
    panel = match_panel(["CD8", "PD-L1"]).panel
    assert panel.nuclear == ()
    with pytest.raises(PanelError, match=r"P1 .*CD8, PD-L1.*--nuclear NAME.*--labels"):
        require_nuclear(panel, "P1")
    assert require_nuclear(match_panel(["DNA1"]).panel)[0].channel == "DNA1"


def test_missing_markers_are_warnings_that_say_the_cost() -> None:
    warnings = match_panel(["DAPI", "SOX10", "CD8"], slide_name="P1").warnings
    assert len(warnings) == 2
    assert "P1 has no S100 channel" in warnings[0]
    assert "PD-L1" in warnings[1] and "not evaluable" in warnings[1]


def test_a_dye_is_kept_and_warned_about() -> None:
    match = match_panel(["Alexa 594", "Cy3", "Cy5", "DAPI", "FITC"])
    assert [s.marker for s in match.panel.stains] == ["alexa_594", "cy3", "cy5", "dapi", "fitc"]
    assert sum("Alexa 594, Cy3, Cy5, FITC name a dye" in w for w in match.warnings) == 1
    assert match.panel.missing == tuple(EXPECTED_MARKERS)


def test_repeated_other_markers_keep_keys_apart() -> None:
    channels = ["CD3 (Opal 520)", "CD3 (Opal 690)", "AF", "AF 2", "核", "Alexa 594"]
    stains = match_panel(channels).panel.stains
    assert [s.marker for s in stains] == [
        "cd3_opal_520", "cd3_opal_690", "autofluorescence", "autofluorescence_2", "channel_5",
        "alexa_594",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=12), max_size=6, unique=True))
def test_any_names_give_unique_usable_keys(channels: list[str]) -> None:
    try:
        panel = match_panel(channels).panel
    except PanelError:
        return
    keys = [s.marker for s in panel.stains]
    assert len(set(keys)) == len(channels)
    assert all(key and key.isascii() and key.replace("_", "").isalnum() for key in keys)
    assert all(key == key.lower() for key in keys)


def test_no_channels_make_an_empty_panel() -> None:
    assert match_panel([]).panel.stains == ()


def test_panel_refuses_one_key_twice() -> None:
    with pytest.raises(PanelError, match="'a' and 'b' both show cd8"):
        Panel(
            (
                Stain(channel="a", marker="cd8", compartment="membrane"),
                Stain(channel="b", marker="cd8", compartment="membrane"),
            )
        )


def test_an_ignored_channel_may_keep_the_key_of_the_one_in_use() -> None:
    panel = Panel(
        (
            Stain(channel="a", marker="cd8", compartment="membrane", role="ignored"),
            Stain(channel="b", marker="cd8", compartment="membrane"),
        )
    )
    assert panel["cd8"].channel == "b"
    assert [s.channel for s in panel.measured] == ["b"]


@pytest.mark.parametrize("key", ["PD-L1", "pd l1", "", "../pdl1"])
def test_a_key_that_cannot_name_columns_is_refused(key: str) -> None:
    with pytest.raises(PanelError, match="such as pdl1"):
        Stain(channel="PD-L1", marker=key, compartment="membrane")


def test_a_proposal_takes_the_first_of_two_channels_and_says_what_was_to_be_refused():
    channels = ["DAPI", "CD8", "CD8a", "SOX10"]
    with pytest.raises(PanelError) as refused:
        match_panel(channels, slide_name="P07")
    proposed = propose_panel(channels, slide_name="P07")
    assert [(s.channel, s.marker, s.role) for s in proposed.panel.stains] == [
        ("DAPI", "dapi", "nuclear"),
        ("CD8", "cd8", "marker"),
        ("CD8a", "cd8a", "ignored"),
        ("SOX10", "sox10", "marker"),
    ]
    assert proposed.warnings[0] == str(refused.value)
    assert "name the one to use in the study's panel" in proposed.warnings[0]
    assert proposed.warnings[1:] == missing_costs(proposed.panel, "P07")


def test_a_proposal_is_the_match_where_nothing_is_in_doubt():
    channels = ["Hoechst", "PD-L1 (Opal 520)", "CD80", "AF"]
    assert propose_panel(channels) == match_panel(channels)


def test_each_missing_marker_is_told_with_its_cost():
    panel = match_panel(["DAPI", "SOX10", "S100", "PD-L1"]).panel
    (cost,) = missing_costs(panel, "P07")
    assert cost.startswith("P07 has no CD8 channel")
    assert "touching" in cost
