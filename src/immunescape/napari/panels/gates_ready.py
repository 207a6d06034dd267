"""One gate made ready to be moved, for another thread."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from immunescape.pipeline.live import LiveGates
from immunescape.pipeline.live_follow import followed
from immunescape.pipeline.live_values import GateValues, gate_values

if TYPE_CHECKING:
    from immunescape.pipeline.finished import Finished
    from immunescape.study import Study

__all__ = ["Ready", "readied"]

Key = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Ready:
    """One gate, ready to be moved.

    Parameters
    ----------
    source
        The result that it is of.
    start, live
        The slide before, and under the study that was wanted.
    key
        Marker and parent.
    values
        The cells of the gate; None where the slide has no gate that can be moved.
    """

    source: "Finished"
    start: LiveGates
    live: LiveGates
    key: Key
    values: GateValues | None


def readied(
    finished: "Finished", live: LiveGates | None, wanted: "Study | None", key: Key
) -> Ready:
    """Get one gate ready: the slide under the study wanted, and the cells of the gate sorted.

    Parameters
    ----------
    finished
        The result on the workbench.
    live
        The slide as it is shown; None where it is not yet.
    wanted
        The study it is to follow; None for that of the result.
    key
        Marker and parent; the first gate of the slide where it has no such one.
    """
    start = live
    if start is None:
        job = finished.job
        start = LiveGates.of(
            finished.measured, finished.shared.called, finished.touching, finished.margin,
            job.study, annotations=job.opened.annotations, control=job.opened.control,
        )  # fmt: skip
    live = start
    if wanted is not None and live.study != wanted:
        live = followed(live, wanted, finished.job.opened.calls)
    keys = [(g.marker, g.parent) for g in live.gates]
    if not keys:
        return Ready(finished, start, live, key, None)
    key = key if key in keys else keys[0]
    live.prepare(*key)
    assert live.shares  # worked out here, so that the window finds it there
    return Ready(finished, start, live, key, gate_values(live, *key))
