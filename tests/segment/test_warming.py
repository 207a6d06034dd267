"""What is loaded ahead of the first preview."""

import gc
import subprocess
import sys

import pytest

from immunescape.segment.warming import uncollected, warm_loops

_FRESH = """
import sys
from numba.core.dispatcher import Dispatcher
from immunescape.segment.warming import warm_libraries, warm_loops

def loaded():
    return {
        f"{name}.{key}": len(value.signatures)
        for name, module in list(sys.modules.items()) if name.startswith("immunescape.segment.")
        for key, value in vars(module).items() if isinstance(value, Dispatcher)
    }

warm_libraries()
assert "torch" not in sys.modules
if sys.platform == "linux":
    assert "libtorch_cpu" in open("/proc/self/maps").read()
warm_loops()
before = loaded()
assert "torch" not in sys.modules
from immunescape.cli.demo import sample_folder
from immunescape.io import open_slide
from immunescape.segment import preview_block, preview_nuclei
slide = open_slide(sample_folder() / "P01_baseline.ome.tif")
found = preview_nuclei(slide, ("DAPI",), preview_block(slide, (100, 100, 220, 220), 500))
assert found.count > 10, found.count
assert loaded() == before, set(loaded().items()) ^ set(before.items())
warm_libraries()
print(sum(before.values()))
"""


def test_the_made_up_nucleus_is_found():
    assert warm_loops() == 1


def test_a_preview_finds_its_loops_loaded_and_torch_works_once_mapped():
    """In a fresh Python, warming loads every loop that a preview of a slide calls."""
    done = subprocess.run([sys.executable, "-c", _FRESH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 8


def test_the_collector_rests_and_works_again_whatever_happens():
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="midway"), uncollected():
        raise ValueError("midway")
    assert gc.isenabled()
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()  # whoever had it rest wakes it
    finally:
        gc.enable()
