"""The built wheel carries all it needs: it runs the demo in an environment of its own."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


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


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel_alone(wheel, tmp_path):
    uv = shutil.which("uv", path=f"{ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    python = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    if uv:
        run(uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "env", cwd=tmp_path)
        run(uv, "pip", "install", "--quiet", "--python", python, wheel, cwd=tmp_path)
    else:
        run(sys.executable, "-m", "venv", tmp_path / "env", cwd=tmp_path)
        run(python, "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    printed = run(python.with_name("immunescape"), "demo", "--quiet", cwd=tmp_path)
    assert "For research use, not for diagnosis" in printed
    for timepoint in ("baseline", "response", "relapse"):
        assert timepoint in printed
        folder = tmp_path / "immunescape-demo" / f"P01_{timepoint}"
        assert (folder / "summary.csv").stat().st_size > 1000
