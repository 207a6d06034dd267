"""The numbers in a real viewer: bars that are clicked, cells gone through, files taken along."""

import html
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QImage, QMouseEvent
from qtpy.QtWidgets import QApplication, QFileDialog, QLabel, QPushButton

from immunescape.cli.demo import sample_folder
from immunescape.io.slides import open_slide
from immunescape.napari.layers import layers_of_result
from immunescape.napari.panels import numbers
from immunescape.napari.panels._numbers_chosen import CHOSEN, LISTED, T_CELL
from immunescape.napari.workbench import workbench_of

NAME = "P01_baseline"


@pytest.fixture
def bench(make_napari_viewer_proxy, qtbot, analysed):
    """A workbench whose result was dropped on the window."""
    from napari.layers import Layer

    for path in sample_folder().glob(f"{NAME}.*"):
        shutil.copy(path, analysed / path.name)
    viewer = make_napari_viewer_proxy(show=True)
    bench = workbench_of(viewer)
    bench.show_step("numbers")
    for data in layers_of_result(analysed / NAME, slide=open_slide(analysed / f"{NAME}.ome.tif")):
        viewer.add_layer(Layer.create(*data))
    qtbot.waitUntil(lambda: bench.session.finished is not None, timeout=60_000)
    qtbot.waitUntil(lambda: bench.panels["numbers"].picker is not None, timeout=30_000)
    qtbot.waitExposed(bench)
    qtbot.waitUntil(lambda: not bench.arrivals.turns.busy)
    return bench


def place(canvas, x, y):
    """Return where a place in data coordinates lies within a canvas, in its pixels."""
    across, up = canvas.axes.transData.transform((x, y))
    ratio = canvas.device_pixel_ratio
    return QPoint(round(across / ratio), round((canvas.height() * ratio - up) / ratio))


def hover(canvas, at):
    """Tell a canvas of a pointer: the real one is shared by all windows of the screen."""
    none, point = Qt.MouseButton.NoButton, QPointF(at)
    there = QPointF(canvas.mapToGlobal(at))
    move = QMouseEvent(
        QEvent.Type.MouseMove, point, there, none, none, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(canvas, move)


def said(label):
    return html.unescape(label.text()).replace("\u00a0", " ").replace("\u2011", "-")


def outlined(panel, kind):
    return np.flatnonzero(panel.chosen.layer.colormap.classes == kind).tolist()


def test_numbers_with_the_cells_behind_them(bench, qtbot, tmp_path, monkeypatch):
    panel, session = bench.panels["numbers"], bench.session
    finished = session.finished
    summary = pd.read_csv(finished.job.folder / "summary.csv")
    cells = pd.read_parquet(finished.job.folder / "cells.parquet").set_index("label")
    qtbot.wait(50)

    # the headline: what the file says, and what it rests on
    row = summary[
        (summary["metric"] == "pdl1_negative_fraction_touching_cd8")
        & (summary["phenotype"] == "tumour")
        & (summary["region"] == "tissue")
        & (summary["neighbourhood"] == "contact")
    ].iloc[0]
    assert f"{100 * row['value']:.1f} %" in said(panel.headline.value)
    basis = said(panel.headline.basis)
    assert f"{row['numerator']:.0f} of {row['denominator']:.0f} cells" in basis
    assert "margin 100 µm each side" in basis
    assert "nobody confirmed" in said(panel.headline.doubt)
    assert finished.warnings
    for text in finished.warnings:
        assert text.replace("inner_margin", "inner margin") in said(panel.warnings.text)
    assert panel.state.isHidden()  # these numbers are those of what is set

    # a region where too few cells touch says so
    index = panel.headline.region_box.findData("stroma")
    panel.headline.region_box.setCurrentIndex(index)
    assert "not evaluable" in said(panel.headline.value)
    assert "20 needed" in said(panel.headline.doubt)
    panel.headline.region_box.setCurrentIndex(0)

    # a click on a bar of the profile outlines its cells, found here in the file itself
    scroll = panel.content.parent().parent()
    figure = panel.profile
    scroll.ensureWidgetVisible(figure)
    bar = next(b for b in figure.bars if b.count >= 2 and b.pick.band_um[0] >= 0)
    low, high = bar.pick.band_um

    def middle():
        """Where the bar is by now: the panel may still be laid out, which moves it."""
        figure.canvas.draw()
        return place(figure.canvas, (low + high) / 2, bar.value / 2)

    def pointed():
        hover(figure.canvas, middle())
        return figure.told.text() == bar.text

    qtbot.waitUntil(pointed)
    before = session.viewer.scene.camera.center
    qtbot.mouseClick(figure.canvas, Qt.MouseButton.LeftButton, pos=middle())
    mine = cells[
        (cells["phenotype"] == "cd8_t")
        & cells["distance_to_margin_um"].ge(low)
        & cells["distance_to_margin_um"].lt(high)
        & ~cells["edge_censored"]
        & (cells["region"] != "excluded")
    ]
    assert len(mine) == bar.count
    assert outlined(panel, CHOSEN) == sorted(mine.index)
    assert session.viewer.scene.camera.center != before

    # so do both parts of a bar by contact; the view stays where that is wished
    figure = panel.contacts
    scroll.ensureWidgetVisible(figure)
    panel.camera.setChecked(False)
    qtbot.wait(50)
    figure.canvas.draw()
    before = session.viewer.scene.camera.center
    positive = figure.bars[1]
    at = place(figure.canvas, 99.0, 0.0)
    qtbot.mouseClick(figure.canvas, Qt.MouseButton.LeftButton, pos=at)
    touching = cells[cells["touching_cd8"].fillna(False) & (cells["phenotype"] == "tumour")]
    touching = touching[touching["region"] != "excluded"]
    mine = touching[touching["pdl1_positive"] == True]  # noqa: E712
    assert positive.count == len(mine) == row["denominator"] - row["numerator"]
    assert outlined(panel, CHOSEN) == sorted(mine.index)
    assert session.viewer.scene.camera.center == before
    layers = len(session.viewer.layers)

    # PD-L1-negative tumour cells touching CD8, one by one, by key and by button
    escaped = touching[touching["pdl1_positive"] == False]  # noqa: E712
    assert len(panel.steps.labels) == len(escaped) == row["numerator"]
    scroll.verticalScrollBar().setValue(0)
    panel.setFocus()
    qtbot.keyClick(panel, ".")
    qtbot.keyClick(panel, ".")
    qtbot.mouseClick(panel.steps.next_button, Qt.MouseButton.LeftButton)
    assert panel.steps.count.text() == f"<b>3</b> of {len(escaped)}"
    qtbot.keyClick(panel, ",")
    assert panel.steps.count.text() == f"<b>2</b> of {len(escaped)}"
    label = int(panel.steps.labels[1])
    assert outlined(panel, CHOSEN) == [label]
    assert len(outlined(panel, LISTED)) == len(escaped) - 1
    assert len(outlined(panel, T_CELL)) == cells.loc[label, "n_cd8_contacts"] > 0
    assert set(cells.loc[outlined(panel, T_CELL), "phenotype"]) == {"cd8_t"}
    y, x = session.viewer.scene.camera.center[-2:]
    assert (x, y) == pytest.approx(tuple(cells.loc[label, ["x_um", "y_um"]]))
    assert len(session.viewer.layers) == layers  # one layer for all of it

    # a metric and a region alone in the table
    table = panel.table
    table.metric_box.setCurrentIndex(table.metric_box.findData("cd8_density"))
    table.region_box.setCurrentIndex(0)
    shown = [table.model.index(k, 1).data() for k in range(table.model.rowCount())]
    density = summary[summary["metric"] == "cd8_density"]
    assert [t.replace("\u00a0", " ") for t in shown] == [
        f"{value:.0f} per mm²" for value in density["value"]
    ]

    # figures, tables and the view, taken along
    svg, png, view = (tmp_path / n for n in ("profile.svg", "profile.png", "view.png"))
    panel.profile.canvas.save(svg)
    panel.profile.canvas.save(png)
    assert "<svg" in svg.read_text(encoding="utf-8")
    assert QImage(str(png)).width() > 1000
    panel.profile.copy_button.click()
    assert not QApplication.clipboard().image().isNull()
    numbers.save_picture(session.viewer, view)
    picture, canvas = QImage(str(view)), session.viewer.screenshot(flash=False)
    assert picture.width() == canvas.shape[1] and picture.height() > canvas.shape[0]
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a: str(tmp_path / "taken"))
    panel.ask_tables()
    qtbot.waitUntil(lambda: not panel.work.running, timeout=30_000)
    for name in ("summary.csv", "regions.csv", "bands.csv", "gates.csv"):
        taken = tmp_path / "taken" / NAME / name
        assert taken.read_bytes() == (finished.job.folder / name).read_bytes()
    assert len(pd.read_csv(tmp_path / "taken" / NAME / "cells.csv")) == len(cells)

    # the report is written from the result, and its folder is shown
    folder = session.folder
    for name in ("report.html", "report.xlsx"):
        (folder / name).unlink(missing_ok=True)
    shown = []
    monkeypatch.setattr(numbers, "QDesktopServices", SimpleNamespace(openUrl=shown.append))
    save = next(b for b in panel.findChildren(QPushButton) if b.text() == "Save report")
    qtbot.waitUntil(save.isEnabled)
    qtbot.mouseClick(save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(shown), timeout=120_000)
    assert Path(shown[0].toLocalFile()) == folder and (folder / "report.xlsx").is_file()
    assert NAME in (folder / "report.html").read_text(encoding="utf-8")

    # what is changed afterwards makes these the numbers of before
    session.annotations_changed.emit()
    assert "run again" in panel.state.text() and not panel.state.isHidden()

    # nothing is cut off: every label has the height that its text needs at this width
    for label in panel.findChildren(QLabel):
        if label.isVisible() and label.wordWrap():
            assert label.height() >= label.heightForWidth(label.width()), label.text()


def test_without_a_result_the_panel_waits_and_offers_to_run(
    make_napari_viewer_proxy, qtbot, tmp_path, monkeypatch
):
    viewer = make_napari_viewer_proxy()
    bench = workbench_of(viewer)
    panel = bench.show_step("numbers")
    assert panel.needs().startswith("Waits for a slide")
    path = sample_folder() / f"{NAME}.ome.tif"
    bench.session.open(open_slide(path), path, out=tmp_path)
    assert panel.needs() == "" and panel.results.isHidden()
    assert "No numbers yet" in panel.state.text()
    asked = []

    def finish(inputs, out, study, *, progress):
        asked.append((inputs.slide, Path(out), study))

    monkeypatch.setattr(numbers, "finish", finish)
    qtbot.mouseClick(panel.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(asked) and not panel.work.running, timeout=10_000)
    assert asked == [(path, tmp_path, bench.session.study)]
