"""The command line without the window system: it says what to install, and loads none of it."""

import subprocess
import sys

import pytest

from immunescape.cli import main

WINDOW = ("napari", "qtpy", "magicgui", "PyQt6", "vispy", "superqt")


@pytest.mark.parametrize("words", [["--help"], ["gui", "--help"]])
def test_help_loads_no_window_system(words):
    code = (
        "import sys; from immunescape.cli import main; main(sys.argv[1:]);"
        "print(' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert "gui" in done.stdout
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded.isdisjoint(WINDOW)


def test_without_the_extra_it_says_what_to_install():
    """In a process that finds no napari, as after a plain ``pip install immunescape``."""
    code = """
import sys, importlib.abc
class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("napari", "qtpy", "magicgui"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Nothing())
from immunescape.cli import main
raise SystemExit(main(["gui"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert 'pip install "immunescape[all]"' in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_path_that_is_not_there_is_one_line(tmp_path, capsys):
    assert main(["gui", str(tmp_path / "absent.ome.tif")]) == 2
    told = capsys.readouterr().err
    assert told.startswith("immunescape: absent.ome.tif does not exist")
    assert str(tmp_path) not in told
