"""Running a cohort from the window, in a process of its own, or writing its job for a cluster."""

import os
import signal
import sys
from collections.abc import Sequence

from qtpy.QtCore import QObject, QProcess, QTimer, Signal

__all__ = ["PROGRAM", "CohortProcess"]

PROGRAM = "import sys; from immunescape.cli import main; sys.exit(main(sys.argv[1:]))"
"""The command line in a fresh Python: the very code that a terminal runs."""
_PATIENCE_MS = 8000


class CohortProcess(QObject):
    """One ``immunescape cohort`` beside the window; it may be stopped, and gone on with later.

    Parameters
    ----------
    parent
        With which it ends.
    """

    told = Signal(str)
    """A line that it printed."""
    ended = Signal(int)
    """Its exit code; -1 where it was stopped or could not be started."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process = QProcess(self)
        self._process.setProcessChannelMode(QProcess.ProcessChannelMode.MergedChannels)
        self._process.readyReadStandardOutput.connect(self._read)
        self._process.finished.connect(self._finished)
        self._process.errorOccurred.connect(self._failed)
        self._rest = b""
        self._stopped = False
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_PATIENCE_MS)
        self._patience.timeout.connect(self._process.kill)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return bool(self._process.state() != QProcess.ProcessState.NotRunning)

    def start(self, words: Sequence[str]) -> None:
        """Begin; ``words`` are those after ``immunescape``."""
        self._rest, self._stopped = b"", False
        self._process.start(sys.executable, ["-c", PROGRAM, *words])

    def stop(self) -> None:
        """Ask it to end; it is made to after a while. What was finished stays."""
        if not self.running:
            return
        self._stopped = True
        number = self._process.processId()
        if os.name == "posix" and number:
            os.kill(number, signal.SIGINT)  # as Ctrl-C in a terminal: its workers end with it
            self._patience.start()
        else:
            self._process.kill()

    def close(self) -> None:
        """Stop it and wait for its end, before the window goes."""
        if not self.running:
            return
        self.blockSignals(True)
        self.stop()
        if not self._process.waitForFinished(_PATIENCE_MS):
            self._process.kill()
            self._process.waitForFinished(_PATIENCE_MS)

    def _read(self) -> None:
        data = self._rest + bytes(self._process.readAllStandardOutput().data())
        *lines, self._rest = data.split(b"\n")
        for line in lines:
            self._tell(line)

    def _tell(self, line: bytes) -> None:
        if text := line.decode("utf-8", "replace").rstrip():
            self.told.emit(text)

    def _finished(self, code: int, how: QProcess.ExitStatus) -> None:
        self._patience.stop()
        self._read()
        self._tell(self._rest)
        self._rest = b""
        crashed = how != QProcess.ExitStatus.NormalExit
        self.ended.emit(-1 if crashed or self._stopped else code)

    def _failed(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self.told.emit(f"{sys.executable} cannot be started")
            self.ended.emit(-1)
