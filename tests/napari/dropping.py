"""Files dropped on the canvas of a viewer, as the window system tells Qt."""

from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication


def drop(viewer, *paths):
    """Drop files and folders."""
    bare = getattr(viewer, "__wrapped__", viewer)  # behind the proxy that plugins get
    target = bare.window._qt_viewer
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(p)) for p in paths])
    held = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    copy = Qt.DropAction.CopyAction
    QApplication.sendEvent(target, QDragEnterEvent(QPoint(50, 50), copy, mime, *held))
    QApplication.sendEvent(target, QDropEvent(QPointF(50, 50), copy, mime, *held))
