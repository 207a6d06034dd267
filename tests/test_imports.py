"""The command line starts light: a fresh process loads no window system and no network."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "cellpose", "napari", "qtpy", "magicgui", "PyQt6", "matplotlib")


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import immunescape, immunescape.cli",
        "import immunescape.cli.app",
        "import immunescape.cli.run, immunescape.cli.demo, immunescape.cli.train",
        "import immunescape.cli.cohort, immunescape.cli.status",
        "import immunescape.segment, immunescape.study, immunescape.pipeline",
    ],
)
def test_nothing_heavy_is_loaded(statement):
    assert loaded_after(statement).isdisjoint(HEAVY)


def test_to_find_nuclei_loads_nothing_that_teaches_a_network():
    teaching = "immunescape.segment.learning"
    assert teaching not in loaded_after("import immunescape.segment, immunescape.pipeline")
    assert f"{teaching}.train" in loaded_after("from immunescape.segment import train_compact")
    assert f"{teaching}.pool" not in loaded_after("import immunescape.cli.train")


def test_a_name_that_segment_lacks_is_an_error():
    import immunescape.segment

    with pytest.raises(AttributeError, match="nosuch"):
        _ = immunescape.segment.nosuch


def test_the_package_itself_loads_no_table_library():
    assert loaded_after("import immunescape, immunescape.cli").isdisjoint({"pandas", "scipy"})


def test_public_names_are_there_when_asked_for():
    import immunescape

    for name in immunescape.__all__:
        assert getattr(immunescape, name) is not None
    with pytest.raises(AttributeError, match="nosuch"):
        _ = immunescape.nosuch
