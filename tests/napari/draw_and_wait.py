"""Opens a slide, draws with the pointer and goes on drawing until it is killed.

Run as ``python -m tests.napari.draw_and_wait SLIDE``.
"""

import sys
from pathlib import Path

from qtpy.QtTest import QTest

from tests.napari.pointer import Pointer

TUMOUR = [(20, 20), (100, 20), (100, 60), (20, 60)]
HALF_A_LOOP = [(20, 80), (60, 80), (60, 100)]


def main(slide):
    import napari
    from immunescape.napari.workbench import workbench_of

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    bench = workbench_of(viewer)
    viewer.open(slide, plugin="immunescape")
    while bench.session.slide is None:
        QTest.qWait(20)
    panel = bench.show_step("regions")
    QTest.qWait(200)
    pointer = Pointer(viewer)
    panel.take("freehand")
    pointer.drag(TUMOUR)
    panel.box.set_role("necrosis")
    panel.take("freehand")
    pointer.press(*HALF_A_LOOP[0])
    for point in HALF_A_LOOP[1:]:
        pointer.move(*point)
    assert panel.pen.busy
    bench.autosave.set_interval(0.5)
    print("drawing", flush=True)
    while True:
        QTest.qWait(50)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
