"""Work on the main thread that takes turns with the window, so that it never stands still long."""

import contextlib
from collections.abc import Hashable, Iterator

from qtpy.QtCore import QObject, QTimer

__all__ = ["Turns"]


class Turns:
    """Does what only the main thread may do in small acts, one a turn of Qt's event loop.

    Parameters
    ----------
    parent
        The window with which it ends.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        self._waiting: dict[Hashable, Iterator[None]] = {}
        self._timer = QTimer(parent)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._act)

    @property
    def busy(self) -> bool:
        """Whether acts are left."""
        return bool(self._waiting)

    def begin(self, key: Hashable, acts: Iterator[None]) -> None:
        """Do the first act now and the others later, after those of other keys that wait.

        Parameters
        ----------
        key
            What the acts are about; what is left of earlier acts of the same key is dropped.
        acts
            Does an act whenever it is asked for the next value.
        """
        self.later(key, acts)
        self._advance(key)

    def later(self, key: Hashable, acts: Iterator[None]) -> None:
        """Do acts as `begin` does, but none of them now."""
        self.drop(key)
        self._waiting[key] = acts
        self._go_on()

    def drop(self, key: Hashable) -> None:
        """Do no more of what is left of a key."""
        self._waiting.pop(key, None)

    def stop(self) -> None:
        """Do nothing more at all; the window may be gone already."""
        self._waiting.clear()
        with contextlib.suppress(RuntimeError):
            self._timer.stop()

    def _act(self) -> None:
        if self._waiting:
            self._advance(next(iter(self._waiting)))

    def _advance(self, key: Hashable) -> None:
        acts = self._waiting[key]
        ended = True
        try:
            next(acts)
            ended = False
        except StopIteration:
            pass
        finally:
            # an act may have begun or dropped others of its own key
            if ended and self._waiting.get(key) is acts:
                self.drop(key)
            self._go_on()

    def _go_on(self) -> None:
        if self._waiting:
            with contextlib.suppress(RuntimeError):  # the window is gone
                self._timer.start()
