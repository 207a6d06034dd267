"""Undo and redo over states that never change: the newest is what is shown and saved."""

from typing import Generic, TypeVar

from psygnal import Signal

__all__ = ["History"]

State = TypeVar("State")


class History(Generic[State]):
    """A line of states with one of them at the front.

    States are immutable and share what they have in common, so that a long line costs little.
    napari's Shapes layers have no undo of their own: what is drawn is kept here, and the layers
    show it.

    Parameters
    ----------
    state
        The first state.
    most
        Number of steps that can be taken back; the oldest go first.
    """

    changed = Signal(object)
    """Another state is at the front; it is passed along."""

    def __init__(self, state: State, most: int = 500) -> None:
        self._most = most
        self.start(state)

    @property
    def state(self) -> State:
        """What holds now."""
        return self._states[self._at]

    @property
    def undo_name(self) -> str:
        """What undo would take back; empty where there is nothing."""
        return self._names[self._at] if self._at else ""

    @property
    def redo_name(self) -> str:
        """What redo would bring back; empty where there is nothing."""
        return self._names[self._at + 1] if self._at + 1 < len(self._states) else ""

    def start(self, state: State) -> None:
        """Begin anew with a state, nothing before it; listeners are told."""
        self._states: list[State] = [state]
        self._names = [""]
        self._at = 0
        self.changed.emit(state)

    def push(self, state: State, name: str) -> None:
        """Put a new state at the front; what was undone before it is gone.

        Parameters
        ----------
        state
            The new state; the very object that holds now is no change.
        name
            What was done, in one or two words.
        """
        if state is self.state:
            return
        del self._states[self._at + 1 :], self._names[self._at + 1 :]
        self._states.append(state)
        self._names.append(name)
        surplus = len(self._states) - 1 - self._most
        if surplus > 0:
            del self._states[:surplus], self._names[:surplus]
            self._names[0] = ""
        self._at = len(self._states) - 1
        self.changed.emit(state)

    def undo(self) -> str:
        """Take the last step back; return what it was, empty where there is none."""
        name = self.undo_name
        if name:
            self._at -= 1
            self.changed.emit(self.state)
        return name

    def redo(self) -> str:
        """Bring back the step last undone; return what it was, empty where there is none."""
        name = self.redo_name
        if name:
            self._at += 1
            self.changed.emit(self.state)
        return name
