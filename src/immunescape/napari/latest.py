"""Work asked for again and again, where only the newest request matters."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal

from immunescape.napari.step_widget import tell_error
from immunescape.napari.work import Work

__all__ = ["Latest"]

Wish = Callable[[], tuple[Any, ...] | None]


class Latest(QObject):
    """Calls a function on another thread; of requests that wait, the last one counts.

    Parameters
    ----------
    function
        What to call.
    parent
        With which it ends.
    wish
        Where the next call builds on what the last one brought: returns the arguments when a call
        begins, None where there is nothing to do. Every answer is handed on then; without a wish,
        arguments come with the request and outdated answers are passed over.
    """

    returned = Signal(object)
    """What came back, on the main thread."""
    busy_changed = Signal(bool)
    """Whether work is under way now."""

    def __init__(
        self,
        function: Callable[..., Any],
        parent: QObject | None = None,
        *,
        wish: Wish | None = None,
    ) -> None:
        super().__init__(parent)
        self._function = function
        self._wish = wish
        self._work: Work | None = None
        self._next: tuple[Any, ...] | None = None
        self._wanted = True

    @property
    def busy(self) -> bool:
        """Whether something is asked for and has not come back."""
        return self._work is not None

    def ask(self, *arguments: Any) -> None:
        """Ask for the function's answer, to these arguments or to those wished for then."""
        if self._work is not None:
            self._next, self._wanted = arguments, self._wish is not None
            return
        found = arguments if self._wish is None else self._wish()
        if found is None:
            return
        self._wanted = True
        work = self._work = Work(self._function, *found, tells=False)
        work.returned.connect(self._give)
        work.failed.connect(self._fail)
        work.ended.connect(self._go_on)
        self.busy_changed.emit(True)
        work.start()

    def forget(self) -> None:
        """Want no answer any more."""
        self._next, self._wanted = None, False

    def wait(self, seconds: float = 60.0) -> None:
        """Hold the caller until the function has ended; its answer is passed over."""
        self.forget()
        if self._work is not None:
            self._work.wait(seconds)

    def _give(self, value: Any) -> None:
        if self._wanted:
            self.returned.emit(value)

    def _fail(self, error: Exception) -> None:
        if self._wanted:
            tell_error(error)

    def _go_on(self) -> None:
        self._work = None
        self.busy_changed.emit(False)
        if self._next is not None:
            arguments, self._next = self._next, None
            self.ask(*arguments)
