"""Gates: the threshold that makes a cell positive, and which cells of the slide it came from."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.cells import CellTable
from immunescape.phenotype.methods import NoThreshold, Populations, Threshold
from immunescape.phenotype.specs import GateMethod, GateParams, GateSpec, Parent
from immunescape.results import GATES_COLUMNS, empty_table

__all__ = ["Gate", "fit_gate", "gate_table", "gate_warnings", "in_parent"]

Floats = npt.NDArray[np.float64]

_CONTROL: dict[str, Parent] = {"tumour": "non_tumour", "non_tumour": "tumour"}


@dataclass(frozen=True)
class Gate:
    """The threshold of one marker for the cells of one parent phenotype.

    Parameters
    ----------
    marker
        Key of the marker.
    parent
        ``all``, ``tumour`` or ``non_tumour``: the cells it decides for.
    statistic
        Column of the cell table that is compared with the threshold.
    method
        ``gmm``, ``otsu``, ``tail``, ``fixed`` or ``imported``.
    source
        Where the threshold comes from: ``slide:all``, ``slide:tumour``, ``slide:non_tumour``
        (cells of the slide), ``fixed`` (the study), ``imported`` (calls made elsewhere) or
        ``missing``.
    threshold
        Cells above it are positive, cells at it are not; None if missing or imported.
    gate_low, gate_high
        Range of the threshold; None where it was not estimated.
    confirmed
        Whether a person has looked at it; a fixed or imported one was made by a person.
    note
        What a reader should know; empty if all is as usual.
    """

    marker: str
    parent: Parent
    statistic: str
    method: str
    source: str
    threshold: float | None
    gate_low: float | None = None
    gate_high: float | None = None
    confirmed: bool = False
    note: str = ""


def fit_gate(
    values: npt.ArrayLike,
    control: npt.ArrayLike | None,
    spec: GateSpec,
    statistic: str,
    params: GateParams | None = None,
    *,
    parent: Parent | None = None,
) -> Gate:
    """Find the threshold of a marker for the cells of one parent.

    A fixed gate is what the study says. Otherwise, in this order: the parent's own cells, if they
    hold two populations; the slide's other cells, as a positive control; the value that the study
    gives for this case; and only then the gate is missing. Cells in which the method finds no
    second population are searched for a gap above the negative cells (``tail``) before they are
    given up, because positive cells may be few.

    Where the control holds two populations further apart than those of the parent, it also
    decides whether the parent's are a negative and a positive one: the parent's upper population
    must lie within two standard deviations of the control's positive one and nearer to it than to
    the negative one, and its lower population must be negative under the control. So the light
    that negative tumour cells receive from positive neighbours is not taken for tumour cells
    that are positive themselves.

    Parameters
    ----------
    values
        Intensities of the parent's cells, ``(n,)``; NaN is left out. May be empty.
    control
        Intensities of the slide's other cells; None where there are none, as for ``all``.
    spec
        What the study sets for the marker.
    statistic
        Column that the intensities come from.
    params
        The automatic method's settings.
    parent
        Cells that the gate decides for; the parent of the spec if not given.

    Returns
    -------
    gate
        With a control gate no cell of the parent may be positive: that is a count of 0.
    """
    params = params or GateParams()
    parent = parent or spec.parent

    def gate(source: str, found: Threshold | None, method: str, note: str = "") -> Gate:
        return Gate(
            spec.marker, parent, statistic, method, source, found.value if found else None,
            confirmed=method == "fixed", note=note,
        )  # fmt: skip

    fixed = spec.fixed()
    fallback = None if fixed is None else fixed(values)
    if spec.method == "fixed":
        return gate("fixed", fallback, "fixed")
    own, own_method = _search(values, spec.method, params)
    other: Threshold | NoThreshold = NoThreshold("there are none")
    other_method: GateMethod = spec.method
    if control is not None:
        other, other_method = _search(control, spec.method, params)
    if isinstance(own, Threshold):
        doubt = _doubt(own.populations, other)
        if doubt is None:
            return gate(f"slide:{parent}", own, own_method)
        own = NoThreshold(doubt)
    reasons = f"{'cells' if parent == 'all' else f'{parent} cells'}: {own.reason}"
    if isinstance(other, Threshold):
        reasons += f"; threshold of the slide's {_CONTROL[parent]} cells"
        return gate(f"slide:{_CONTROL[parent]}", other, other_method, reasons)
    if control is not None:
        reasons += f"; {_CONTROL[parent]} cells: {other.reason}"
    if fallback is not None:
        return gate("fixed", fallback, "fixed", f"{reasons}; value given by the study")
    return gate("missing", None, spec.method, reasons)


def gate_table(gates: Iterable[Gate], cells: CellTable) -> pd.DataFrame:
    """Return the gates as the table ``gates.csv``, with the calls among each parent's cells.

    Parameters
    ----------
    gates
        The gates, one row each.
    cells
        Cells called by `call_phenotypes`. A cell that may or may not be a tumour cell is in no
        parent but ``all``.
    """
    rows = []
    for gate in gates:
        calls = cells[f"{gate.marker}_positive"][in_parent(cells, gate.parent)]
        rows.append(
            {name: getattr(gate, name) for name in GATES_COLUMNS if hasattr(gate, name)}
            | {
                "positive": int(calls.sum()),
                "negative": int((~calls).sum()),
                "missing": int(calls.isna().sum()),
            }
        )
    if not rows:
        return empty_table(GATES_COLUMNS)
    table = pd.DataFrame(rows, columns=list(GATES_COLUMNS))
    numbers = ["threshold", "gate_low", "gate_high"]
    return table.assign(**{name: table[name].astype(np.float64) for name in numbers})


def gate_warnings(gates: Iterable[Gate]) -> tuple[str, ...]:
    """Return one line for each gate that did not come from its own cells or from the study."""
    lines = []
    for gate in gates:
        cells = "" if gate.parent == "all" else f" on {gate.parent} cells"
        if gate.source == "missing":
            lines.append(
                f"{gate.marker} has no gate{cells} ({gate.note}); set one with "
                f"--gate {gate.marker}@{gate.parent}=fixed:VALUE"
            )
        elif gate.note:
            lines.append(f"the gate of {gate.marker}{cells}: {gate.note}")
    return tuple(lines)


def in_parent(cells: CellTable, parent: Parent) -> npt.NDArray[np.bool_]:
    """Return which cells belong to a parent, ``(n,)``.

    Parameters
    ----------
    cells
        Cells with ``is_tumour`` (nullable boolean) unless the parent is ``all``.
    parent
        A cell that may or may not be a tumour cell belongs to ``all`` only.
    """
    if parent == "all":
        return np.ones(len(cells), dtype=bool)
    wanted = cells["is_tumour"] if parent == "tumour" else ~cells["is_tumour"]
    return np.asarray(wanted.fillna(False).to_numpy(dtype=bool))


def _search(
    values: npt.ArrayLike, method: GateMethod, params: GateParams
) -> tuple[Threshold | NoThreshold, GateMethod]:
    """Apply a method, then look for a few positive cells; return which of the two found it."""
    found = params.automatic(method)(values)
    if isinstance(found, NoThreshold):
        rare = params.automatic("tail")(values)
        if isinstance(rare, Threshold):
            return rare, "tail"
    return found, method


def _doubt(own: Populations | None, other: Threshold | NoThreshold) -> str | None:
    """Why the parent's two populations are not a negative and a positive one, if so."""
    if own is None or isinstance(other, NoThreshold) or other.populations is None:
        return None
    control = other.populations
    low, high = _unshifted(own)
    control_low, control_high = _unshifted(control)
    if control_high / control_low <= high / low:
        return None
    least = max(
        np.sqrt(control_low * control_high),
        np.exp(control.high - 2 * control.high_sd) - control.shift,
    )
    if high < least:
        return "the brighter population is dimmer than the control's positive cells"
    if low >= other.value:
        return "the dimmer population is positive under the control"
    return None


def _unshifted(populations: Populations) -> tuple[float, float]:
    """Centres of both populations in the marker's units, kept above 0 to be compared by ratio."""
    centres = np.exp([populations.low, populations.high])
    low, high = np.maximum(centres - populations.shift, centres * 0.05)
    return float(low), float(high)
