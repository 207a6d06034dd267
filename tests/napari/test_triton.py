"""A window drawn without a graphics card, and then a network: both in one process."""

import subprocess
import sys

SCRIPT = """
from qtpy.QtGui import QOffscreenSurface, QOpenGLContext
from qtpy.QtWidgets import QApplication

app = QApplication([])
context, surface = QOpenGLContext(), QOffscreenSurface()
assert context.create()
surface.create()
assert context.makeCurrent(surface)

from immunescape.segment import load_model
from immunescape.segment.learning.run import TrainingRun
from immunescape.segment.learning.train import TrainParams

import torch
from pathlib import Path

model = load_model("compact")
run = TrainingRun(torch.nn.Linear(2, 2), TrainParams(), Path("none"))  # asks for triton
import torchvision  # as cellpose does, and asks too

print("alive", flush=True)
"""


def test_a_network_is_loaded_and_taught_in_a_process_that_draws_by_mesa():
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", SCRIPT], capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "alive"
