"""The built wheel carries all it needs: it runs the demo in an environment of its own.

What the demo finds in the shipped patient is compared with the simulator's record of it.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from immunescape.cli.demo import sample_folder

ROOT = Path(__file__).resolve().parents[1]
TIMEPOINTS = ("response", "baseline", "relapse")


def run(*words: object, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(w) for w in words], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT,
        cwd=folder,
    )  # fmt: skip
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_weights_samples_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "immunescape/segment/weights/compact.safetensors" in names
    assert "immunescape/sample_images/samples.csv" in names
    assert "immunescape/py.typed" in names
    assert "immunescape/napari/napari.yaml" in names
    tops = {name.split("/")[0] for name in names}
    assert len(tops) == 2 and "immunescape" in tops
    assert wheel.stat().st_size < 45e6


@pytest.fixture(scope="module")
def demo(wheel, tmp_path_factory) -> tuple[Path, str]:
    """Where the demo of the wheel, alone in an environment, left its results; what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    uv = shutil.which("uv", path=f"{ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    python = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    if uv:
        run(uv, "venv", "--quiet", "--python", sys.executable, folder / "env", cwd=folder)
        run(uv, "pip", "install", "--quiet", "--python", python, wheel, cwd=folder)
    else:
        run(sys.executable, "-m", "venv", folder / "env", cwd=folder)
        run(python, "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    printed = run(python.with_name("immunescape"), "demo", "--quiet", cwd=folder)
    return folder / "immunescape-demo", printed


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel_alone(demo):
    results, printed = demo
    assert "For research use, not for diagnosis" in printed
    for timepoint in TIMEPOINTS:
        assert timepoint in printed
        assert (results / f"P01_{timepoint}" / "summary.csv").stat().st_size > 1000


@pytest.fixture(scope="module")
def numbers(demo) -> dict[str, tuple[dict, dict]]:
    """Numbers found by the demo and those the simulator recorded, of each timepoint."""
    both = {}
    for timepoint in TIMEPOINTS:
        name = f"P01_{timepoint}"
        found = pd.read_csv(demo[0] / name / "summary.csv")
        found = found[found["phenotype"].isin(("tumour", "cd8_t", "any"))]
        found = found[found["neighbourhood"].fillna("").isin(("contact", ""))]
        found = found[(found["metric"] != "cell_count") | (found["phenotype"] == "any")]
        true = pd.read_csv(sample_folder() / "truth" / f"{name}_summary.csv")
        both[timepoint] = tuple(
            {(r.metric, r.region): r.value for r in table.itertuples()} for table in (found, true)
        )
    return both


@pytest.mark.slow
@pytest.mark.parametrize("timepoint", TIMEPOINTS)
@pytest.mark.parametrize(
    ("metric", "region", "within"),
    [
        ("cell_count", "tissue", 0.07),
        ("cd8_density", "tumour", 0.15),
        ("cd8_density", "margin", 0.15),
    ],
)
def test_counts_and_densities_are_near_the_truth(numbers, timepoint, metric, region, within):
    found, true = numbers[timepoint]
    assert found[metric, region] == pytest.approx(true[metric, region], rel=within)


@pytest.mark.slow
@pytest.mark.parametrize("timepoint", TIMEPOINTS)
def test_the_headline_is_near_the_truth(numbers, timepoint):
    found, true = numbers[timepoint]
    key = ("pdl1_negative_fraction_touching_cd8", "tissue")
    assert found[key] == pytest.approx(true[key], abs=0.10)


@pytest.mark.slow
def test_the_timepoints_stand_in_the_order_they_were_simulated(numbers):
    key = ("pdl1_negative_fraction_touching_cd8", "tissue")
    shares = [numbers[t][0][key] for t in TIMEPOINTS]
    assert shares == sorted(shares)
    assert len(set(shares)) == 3
