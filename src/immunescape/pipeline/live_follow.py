"""What follows a moved gate: the calls, and where a run would move them other gates and regions."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from immunescape.phenotype import Gate, GateSpec, find_spec
from immunescape.pipeline.calling import ToCall, call_cells, recall
from immunescape.pipeline.live import LiveGates

if TYPE_CHECKING:
    from immunescape.study import Study

__all__ = ["fixed_spec", "followed"]


def followed(live: LiveGates, study: "Study", calls: Path | None = None) -> LiveGates:
    """Return the slide under another study, with all that follows, for another thread.

    Where only gates moved that nothing else depends on, the cells are called again and that
    is all. Else the automatic gates, the tumour region and the margin are found anew, as a
    run would find them.

    Parameters
    ----------
    live
        The slide.
    study
        Its gates, rules and limits count; measurements and contacts stay.
    calls
        Table of calls made elsewhere, where the slide has one.
    """
    measured = live.measured
    gates = _moved_alone(live, study)
    if gates is not None:
        called = dataclasses.replace(
            live.called,
            gates=gates,
            calls=recall(live.called, measured.cells, gates, study),
        )
        margin = live.margin
    else:
        measured = dataclasses.replace(measured, exclude_proposed=study.quality.exclude)
        slide = ToCall(measured, live.annotations, calls, live.called.by_hand)
        (called,) = call_cells([slide], study)
        margin = called.mapped(measured.counted_tissue(), live.annotations, study)
    return LiveGates.assemble(
        measured, called, live.contacts, margin, study, live.annotations, live.control
    )


def _moved_alone(live: LiveGates, study: "Study") -> tuple[Gate, ...] | None:
    """Return the gates of a study that moves some and changes nothing else; None otherwise."""
    if dataclasses.replace(study, gate=live.study.gate, reviewed_by="") != (
        dataclasses.replace(live.study, reviewed_by="")
    ):
        return None
    gates = []
    for gate in live.called.gates:
        before, after = (
            find_spec(s.gate, gate.marker, gate.parent, study.gating) for s in (live.study, study)
        )
        if gate.source == "imported" or before == after:
            gates.append(gate)
            continue
        if after.method != "fixed" or after.statistic not in ("", gate.statistic):
            return None
        moved = dataclasses.replace(
            gate, method="fixed", source="fixed", threshold=after.value, note="",
            gate_low=after.gate_low, gate_high=after.gate_high, confirmed=True,
        )  # fmt: skip
        swing = None if after.value == gate.threshold else live.prepare(gate.marker, gate.parent)
        if swing is not None and live.kept_while_moving(swing):
            return None
        gates.append(moved)
    return tuple(gates)


def fixed_spec(gate: Gate, threshold: float | None = None) -> GateSpec:
    """Return what a study says of a gate that a person has confirmed.

    Parameters
    ----------
    gate
        The gate that was looked at.
    threshold
        Where it was put; its own where not given. The range that resampling gave is kept as long
        as it holds the threshold.

    Raises
    ------
    StudyError
        If there is no threshold at all.
    """
    value = gate.threshold if threshold is None else float(threshold)
    low, high = gate.gate_low, gate.gate_high
    if value is None or low is None or high is None or not low <= value <= high:
        low = high = None
    return GateSpec(
        marker=gate.marker, parent=gate.parent, method="fixed", value=value,
        statistic=gate.statistic, gate_low=low, gate_high=high, confirmed=True,
    )  # fmt: skip
