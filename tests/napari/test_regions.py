"""Regions drawn with the pointer, and what the margin and the proposals make of them."""

import json
import time

import numpy as np
import pytest
import shapely
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest

from immunescape.io import open_slide
from immunescape.io.geojson import read_annotations
from immunescape.margin.preview import INNER, OUTER
from immunescape.napari.drawn_geometry import geometry_of
from immunescape.napari.latest import Latest
from immunescape.napari.panels._regions_margin_picture import dashes
from immunescape.napari.panels._regions_pen import segments_of
from immunescape.napari.workbench import workbench_of
from immunescape.regions import Regions
from tests.napari.pointer import Pointer
from tests.napari.small import write_small

SQUARE = [(20, 20), (60, 20), (60, 60), (20, 60)]


def box_points(x0, y0, x1, y1):
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def disc(x, y, r, n=10):
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return [(x + r * np.cos(a), y + r * np.sin(a)) for a in t]


@pytest.fixture
def bench(make_napari_viewer, qtbot, tmp_path):
    """The workbench at its step Regions, with a slide of 120 µm x 120 µm."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    bench = workbench_of(viewer)
    viewer.open(write_small(tmp_path), plugin="immunescape")
    qtbot.waitUntil(lambda: bench.session.slide is not None)
    bench.show_step("regions")
    qtbot.wait(50)
    yield bench
    bench.close_work()


def near(shape, wanted, within=0.6):
    """Whether two outlines are the same to within a pixel of the canvas or two."""
    return shapely.hausdorff_distance(shapely.boundary(shape), shapely.boundary(wanted)) < within


def test_every_tool_draws_and_every_step_is_taken_back(bench, qtbot, tmp_path):
    session, panel = bench.session, bench.panel("regions")
    pointer, drawing = Pointer(session.viewer), session.drawing
    states = [drawing.state]

    def stroke(tool, points):
        if panel.pen.tool != tool:  # a second click puts it down
            qtbot.mouseClick(panel.box.tools[tool], Qt.MouseButton.LeftButton)
        assert panel.pen.tool == tool
        pointer.drag(points)
        states.append(drawing.state)
        return drawing.state.get(panel.box.role)

    square = shapely.box(20, 20, 60, 60)
    assert near(stroke("freehand", SQUARE), square)
    zoom = session.viewer.scene.camera.zoom
    wide = stroke("add", box_points(50, 30, 80, 50))
    assert near(wide, shapely.union(square, shapely.box(50, 30, 80, 50)))
    cut = stroke("subtract", box_points(10, 10, 30, 70))
    assert near(cut, shapely.difference(wide, shapely.box(10, 10, 30, 70)), 1)
    holed = stroke("hole", box_points(40, 35, 50, 45))
    assert len(holed.geoms[0].interiors) == 1
    assert holed.area == pytest.approx(cut.area - 100, rel=0.03)
    # what a tool cannot do is refused, and changes nothing
    assert stroke("hole", box_points(70, 40, 100, 60)) is holed
    assert stroke("add", box_points(100, 100, 110, 110)) is holed
    del states[-2:]
    # brush and eraser, in a radius changed with a key on the canvas
    qtbot.mouseClick(panel.box.tools["brush"], Qt.MouseButton.LeftButton)
    panel.box.radius.setValue(8)
    pointer.key(Qt.Key.Key_BracketRight)
    assert panel.box.radius.value() == 10
    pointer.key(Qt.Key.Key_BracketLeft)
    assert panel.pen.radius_um == panel.box.radius.value() == 8
    pointer.drag([(20, 100), (60, 100), (100, 100)])
    states.append(drawing.state)
    sausage = shapely.LineString([(20, 100), (100, 100)]).buffer(8)
    assert near(drawing.state["tumour"].geoms[1], sausage)
    pointer.key(Qt.Key.Key_E)
    pointer.drag([(60, 85), (60, 115)])
    states.append(drawing.state)
    assert len(drawing.state["tumour"].geoms) == 3
    panel.take("move")
    pointer.drag([(25, 100), (25, 95), (25, 90)])
    states.append(drawing.state)
    moved = drawing.state["tumour"]
    assert moved.area == pytest.approx(states[-2]["tumour"].area)
    assert shapely.contains_xy(moved, 25, 83.5) and not shapely.contains_xy(moved, 25, 100)
    # a polygon, corner by corner, closed with Enter
    panel.box.set_role("excluded")
    pointer.key(Qt.Key.Key_P)
    assert session.viewer.layers.selection.active.name == "Exclude"
    for corner in box_points(90, 10, 110, 30):
        pointer.click(*corner)
    pointer.key(Qt.Key.Key_Return)
    states.append(drawing.state)
    assert near(drawing.state["excluded"], shapely.box(90, 10, 110, 30))
    # what lies beyond the frame is cut off
    states_before = len(states)
    corner = stroke("freehand", box_points(-3, -3, 8, 8))
    assert corner.bounds[:2] == (0, 0)
    # a line
    panel.box.set_role("margin_line")
    assert not panel.box.tools["brush"].isEnabled()
    line = stroke("freehand", [(5, 110), (50, 112), (110, 110)])
    assert line.geom_type == "MultiLineString"
    assert line.length == pytest.approx(105.1, abs=1)
    assert len(states) == states_before + 2

    # nothing that was clicked moved or zoomed the picture
    assert session.viewer.scene.camera.zoom == zoom
    # the layers show the truth, in µm, and the list says it
    for layer in panel.layers.drawn():
        role = layer.metadata["immunescape"]["role"]
        line = role == "margin_line"
        assert near(geometry_of(layer, line=line), drawing.state.get(role), 0.01)
        assert [str(u) for u in layer.units] == ["micrometer"] * 2
    rows = [
        [panel.list.topLevelItem(n).text(c) for c in range(4)]
        for n in range(panel.list.topLevelItemCount())
    ]
    assert [row[0] for row in rows] == [
        "Tumour 1", "Tumour 2", "Tumour 3", "Margin line 1", "Exclude 1", "Exclude 2",
    ]  # fmt: skip
    assert rows[0][1] == f"{max(p.area for p in moved.geoms) / 1e6:.4f} mm²"
    assert rows[0][3] == "1"
    assert rows[3][1:3] == ["", "0.11 mm"]
    # undo by keys down to nothing, and redo up again
    for state in states[-2::-1]:
        pointer.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert drawing.state is state
    assert not panel.box.actions_["Undo"].isEnabled()
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    for state in states[1:]:
        pointer.key(Qt.Key.Key_Z, both)
        assert drawing.state is state

    # select, simplify, fill, delete
    panel.list.topLevelItem(0).setSelected(True)
    assert panel.box.role == "tumour"
    qtbot.mouseClick(panel.box.actions_["Fill holes"], Qt.MouseButton.LeftButton)
    assert all(not p.interiors for p in drawing.state["tumour"].geoms)
    corners = len(shapely.get_coordinates(drawing.state["tumour"]))
    qtbot.mouseClick(panel.box.actions_["Simplify"], Qt.MouseButton.LeftButton)
    assert len(shapely.get_coordinates(drawing.state["tumour"])) < corners
    panel.list.topLevelItem(1).setSelected(True)
    panel.list.topLevelItem(2).setSelected(True)
    pointer.key(Qt.Key.Key_Delete)
    assert len(drawing.state["tumour"].geoms) == 1
    # out and in again: QuPath's GeoJSON, in pixels
    out = tmp_path / "drawn.geojson"
    panel.files.export_to(out)
    qtbot.waitUntil(lambda: out.exists() and not panel.work.running)
    slide = session.slide
    read = read_annotations(out, pixel_size_um=slide.pixel_size_um, slide_name=slide.name)
    wanted = drawing.state
    assert sorted(read) == sorted(wanted)
    drawing.push(Regions(), "nothing")
    qtbot.waitUntil(panel.content.isEnabled)
    panel.files.import_from(out)
    qtbot.waitUntil(lambda: bool(drawing.state.shapes))
    for role in wanted:
        assert near(drawing.state[role], wanted[role], 0.01)
    # and all of it lies where a run will find it
    assert session.inputs.annotations == session.annotations_path
    assert near(
        read_annotations(
            session.annotations_path, pixel_size_um=slide.pixel_size_um, slide_name=slide.name
        )["tumour"],
        wanted["tumour"],
        0.01,
    )


def test_a_stroke_goes_on_while_layers_come_and_other_tools_are_understood(bench, qtbot):
    session, panel = bench.session, bench.panel("regions")
    viewer, drawing = session.viewer, session.drawing
    pointer = Pointer(viewer)
    panel.take("freehand")
    pointer.press(*SQUARE[0])
    pointer.move(*SQUARE[1])
    layer = viewer.layers.selection.active
    viewer.add_points(np.array([[5.0, 5.0]]), name="something else")
    viewer.layers.selection.active = layer
    qtbot.wait(20)
    pointer.move(*SQUARE[2])
    pointer.move(*SQUARE[3])
    pointer.release(*SQUARE[3])
    assert near(drawing.state["tumour"], shapely.box(20, 20, 60, 60))
    # two quick dabs of the brush, the second of which comes as a double click, do not zoom
    zoom = viewer.scene.camera.zoom
    panel.box.radius.setValue(5)
    panel.take("brush")
    pointer.click(90, 90)
    pointer.double_click(91, 90)
    assert viewer.scene.camera.zoom == zoom
    assert drawing.state["tumour"].area == pytest.approx(1600 + np.pi * 25 + 10, rel=0.02)
    # Escape gives a stroke up, once more the tool
    before = drawing.state
    pointer.press(30, 90)
    pointer.move(40, 95)
    pointer.key(Qt.Key.Key_Escape)
    pointer.release(40, 95)
    assert drawing.state is before
    pointer.key(Qt.Key.Key_Escape)
    assert panel.pen.tool == ""
    center = viewer.scene.camera.center
    pointer.drag([(50, 50), (60, 55), (70, 60)])
    assert viewer.scene.camera.center != center  # the pointer moves the picture again
    assert drawing.state is before
    # another layer chosen: the tool is put down
    panel.take("brush")
    viewer.layers.selection.active = viewer.layers["something else"]
    qtbot.waitUntil(lambda: panel.pen.tool == "")
    # napari's own tools are picked up, undo takes them back
    layer.add_rectangles(np.array([[70, 70], [80, 80]]))
    qtbot.waitUntil(lambda: drawing.state is not before)
    assert drawing.undo_name == "shape edited"
    assert shapely.contains_xy(drawing.state["tumour"], 75, 75)
    panel.undo()
    assert drawing.state is before
    assert near(geometry_of(layer), before["tumour"], 0.01)
    layer.selected_data = {0}
    layer.remove_selected()
    qtbot.waitUntil(lambda: drawing.state is not before)
    # a layer that is taken away takes nothing along
    panel.undo()
    viewer.layers.remove(layer)
    assert drawing.state is before
    panel.take("eraser")
    pointer.drag([(10, 30), (70, 35)])
    qtbot.wait(20)
    assert drawing.state["tumour"].area < before["tumour"].area
    assert near(geometry_of(viewer.layers["Tumour"]), drawing.state["tumour"], 0.01)


def truth(session, sample_inputs):
    slide = session.slide
    return read_annotations(
        sample_inputs.annotations, pixel_size_um=slide.pixel_size_um, slide_name=slide.name
    )["tumour"]


@pytest.mark.slow
def test_margin_and_proposals_of_a_result(
    make_napari_viewer, qtbot, analysed, sample_inputs, tmp_path
):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    bench = workbench_of(viewer)
    session = bench.session
    slide = open_slide(sample_inputs.slide)
    panel = bench.show_step("regions")
    session.open(slide, sample_inputs.slide, out=analysed, annotations=sample_inputs.annotations)
    qtbot.waitUntil(lambda: session.finished is not None, timeout=120_000)
    margin, tables = panel.margin, session.finished.tables
    qtbot.waitUntil(lambda: margin.mapped is not None, timeout=60_000)
    drawn = session.drawing.state["tumour"]
    assert drawn.equals(truth(session, sample_inputs))

    # in words and numbers: what the tables say
    regions = tables["regions"].drop_duplicates("region").set_index("region").area_mm2
    length = session.finished.margin.areas.margin_length_mm
    text = margin.text.text()
    assert f"{length:.2f} mm long" in text
    assert f"Inner margin {regions['inner_margin']:.3f} mm²" in text
    assert f"outer margin {regions['outer_margin']:.3f} mm²" in text
    rest = shapely.boundary(drawn).length / 1e3 - length
    assert "of the outline lies at the frame: not counted" in text
    assert f"{rest:.2f} mm" in text
    layers = viewer.layers
    bands = layers["Margin bands"]
    area = {code: (bands.data == code).sum() * bands.scale[0] ** 2 / 1e6 for code in (1, 2)}
    assert area[INNER] == pytest.approx(regions["inner_margin"], rel=0.02)
    assert area[OUTER] == pytest.approx(regions["outer_margin"], rel=0.02)
    dashed = layers["Outline not counted"].data
    assert np.hypot(*dashed[:, 1].T).sum() / 1e3 == pytest.approx(rest / 2, rel=0.1)

    # dragging the slider: the bands follow, the study waits until it is let go
    slider = margin.slider
    before = bands.data.copy()
    grip = QPoint(round(slider.width() * 95 / 595), slider.height() // 2)
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, grip)
    assert slider.isSliderDown()
    slider.setSliderPosition(60)
    assert (bands.data != before).any()
    assert session.study.margin.width_um == 100
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, grip)
    assert session.study.margin.width_um == margin.width_um != 100
    qtbot.waitUntil(lambda: not margin.busy, timeout=60_000)
    ground = margin.ground
    qtbot.mouseClick(margin.presets[40], Qt.MouseButton.LeftButton)
    assert session.study.margin.width_um == 40
    qtbot.waitUntil(lambda: margin.mapped is not None, timeout=60_000)
    exact = session.finished.mapped(40.0).areas.areas_mm2
    assert margin.mapped.areas.areas_mm2["inner_margin"] == exact["inner_margin"]
    assert f"Inner margin {exact['inner_margin']:.3f} mm²" in margin.text.text()
    qtbot.waitUntil(lambda: not margin.busy, timeout=60_000)
    # another width alone has the same ground: it was not looked for anew
    assert margin.ground is ground and "Counting" not in margin.text.text()
    assert margin.text.height() >= margin.text.heightForWidth(margin.text.width())

    # the tumour of the cells becomes a drawn one
    qtbot.mouseClick(panel.files.buttons["Tumour from cells"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: session.drawing.undo_name == "tumour from cells", timeout=60_000)
    found = session.drawing.state["tumour"]
    overlap = shapely.intersection(found, drawn).area / shapely.union(found, drawn).area
    assert 0.85 < overlap < 1
    panel.undo()
    assert session.drawing.state["tumour"] is drawn

    # proposals
    proposals = panel.proposals
    quality = tables["quality"]
    quality = quality[quality.region == "tissue"].set_index("issue")
    qtbot.waitUntil(lambda: bool(proposals.places), timeout=30_000)
    assert {p.issue for p in proposals.places} <= set(quality.index)
    for issue in {p.issue for p in proposals.places}:
        group = [p for p in proposals.places if p.issue == issue]
        for count in ("cells", "tumour_cells", "cd8_cells"):
            assert sum(getattr(p, count) for p in group) == quality[count][issue]
        assert sum(p.area_mm2 for p in group) == pytest.approx(quality.area_mm2[issue])
    first, *others = proposals.places
    assert others
    top = proposals.tree.topLevelItem(0)
    top.setExpanded(True)
    top.child(0).setSelected(True)
    qtbot.mouseClick(proposals.buttons["Accept"], Qt.MouseButton.LeftButton)
    excluded = session.drawing.state["excluded"]
    assert near(excluded, first.shape, 3)
    assert (proposals.status(first), proposals.status(others[0])) == ("left out", "")
    qtbot.mouseClick(proposals.buttons["Reject all"], Qt.MouseButton.LeftButton)
    assert proposals.status(first) == "left out"
    assert {proposals.status(p) for p in others} == {"rejected"}
    kept = json.loads((session.kept / "proposals.json").read_text("utf-8"))
    assert len(kept["rejected"]) == len(others)
    panel.undo()
    assert proposals.status(first) == ""
    qtbot.mouseClick(proposals.buttons["Accept all"], Qt.MouseButton.LeftButton)
    assert {proposals.status(p) for p in proposals.places} == {"left out"}
    covered = shapely.union_all([p.shape for p in proposals.places])
    assert shapely.difference(covered, session.drawing.state["excluded"]).area < 1
    bench.close_work()


def test_lines_as_pieces_and_as_dashes():
    ring = shapely.box(0, 0, 40, 20)
    pieces = segments_of(ring)
    assert pieces.shape == (4, 2, 2)
    assert np.hypot(*pieces[:, 1].T).sum() == 120
    two = shapely.MultiLineString([[(0, 0), (10, 0)], [(50, 5), (50, 8)]])
    assert segments_of(two).tolist() == [[[0, 0], [0, 10]], [[5, 50], [3, 0]]]  # (y, x)
    assert dashes(two, 2.0).tolist() == [
        [[0, 0], [0, 2]], [[0, 4], [0, 2]], [[0, 8], [0, 2]], [[5, 50], [2, 0]],
    ]  # fmt: skip
    assert dashes(shapely.MultiLineString(), 2.0).shape == (0, 2, 2)
    long = shapely.LineString([(0, 0), (1e6, 0)])
    assert len(dashes(long, 1.0)) <= 4001


def test_of_many_requests_the_newest_counts(qtbot):
    seen = []
    latest = Latest(lambda value: (time.sleep(0.02), value)[1])
    latest.returned.connect(seen.append)
    for value in range(30):
        latest.ask(value)
    qtbot.waitUntil(lambda: not latest.busy)
    assert seen == [29]
    latest.ask(1)
    latest.forget()
    qtbot.waitUntil(lambda: not latest.busy)
    assert seen == [29]
    # what was asked for just now is not begun any more once the window waits for its end
    called = []
    held = []
    latest = Latest(called.append)

    def ask_and_wait():
        latest.ask(1)
        began = time.monotonic()
        latest.wait(30.0)
        held.append(time.monotonic() - began)

    QTimer.singleShot(0, ask_and_wait)  # as in a window: what is asked for there begins in a turn
    qtbot.waitUntil(lambda: bool(held) and not latest.busy)
    assert not called
    assert held[0] < 10
