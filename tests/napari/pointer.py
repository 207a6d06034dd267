"""The pointer over the canvas of a viewer, by real Qt events at places in µm."""

from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

LEFT = Qt.MouseButton.LeftButton
NONE = Qt.MouseButton.NoButton
PLAIN = Qt.KeyboardModifier.NoModifier


class Pointer:
    """Presses, moves and clicks where a place of the slide is shown."""

    def __init__(self, viewer):
        self.viewer = viewer
        self.canvas = viewer.window._qt_viewer.canvas.native

    def at(self, x, y):
        """Pixel of the canvas at which a place is shown."""
        camera = self.viewer.scene.camera
        middle_y, middle_x = camera.center[-2:]
        across = self.canvas.width() / 2 + (x - middle_x) * camera.zoom
        down = self.canvas.height() / 2 + (y - middle_y) * camera.zoom
        return QPoint(round(across), round(down))

    def press(self, x, y):
        QTest.mousePress(self.canvas, LEFT, PLAIN, self.at(x, y))

    def move(self, x, y, held=LEFT):
        self._send(QEvent.Type.MouseMove, self.at(x, y), NONE, held)
        QTest.qWait(15)  # the canvas passes over moves in quick succession

    def release(self, x, y):
        QTest.mouseRelease(self.canvas, LEFT, PLAIN, self.at(x, y))

    def drag(self, points):
        first, *others = points
        self.press(*first)
        for point in others:
            self.move(*point)
        self.release(*points[-1])
        # well apart: what follows is no double click
        QTest.qWait(1)

    def click(self, x, y):
        self.press(x, y)
        self.release(x, y)

    def double_click(self, x, y):
        self._send(QEvent.Type.MouseButtonDblClick, self.at(x, y), LEFT, LEFT)
        self.release(x, y)

    def key(self, key, modifier=PLAIN):
        self.canvas.setFocus()
        QTest.keyClick(self.canvas, key, modifier)

    def _send(self, kind, place, button, held):
        seen = QPointF(place), QPointF(self.canvas.mapToGlobal(place))
        QApplication.sendEvent(self.canvas, QMouseEvent(kind, *seen, button, held, PLAIN))
