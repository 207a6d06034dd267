"""What became of a network taught on annotated pairs, and the files that say so."""

import csv
import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunescape.errors import OutputError
from immunescape.io import fingerprint
from immunescape.io.output import atomic_path

if TYPE_CHECKING:
    from immunescape.segment.learning.comparison import Comparison

__all__ = ["Tuned", "begin_tuning", "state_file", "write_tuned"]


@dataclass(frozen=True)
class Tuned:
    """What became of a network that was taught on annotated pairs.

    Parameters
    ----------
    weights
        Safetensors file that ``SegmentParams.model`` accepts.
    compared_with
        Name of the network that ``comparison`` calls before: the one that training started from,
        or ``compact`` where it started from nothing.
    steps, seconds
        Updates done and wall time spent, those before a resumption included.
    held_out
        How nuclei were held out, in words.
    comparison
        Before and after on the nuclei held out; None where none were.
    notes
        What a user should know.
    """

    weights: Path
    compared_with: str
    steps: int
    seconds: float
    held_out: str
    comparison: "Comparison | None"
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Whether the new weights should be used, as one sentence."""
        new, old = self.weights.name, self.compared_with
        if self.comparison is None:
            return f"nothing was held out, so nobody knows whether {new} is better than {old}"
        return {
            "better": f"{new} is better than {old} on nuclei that it has not seen",
            "worse": f"{new} is worse than {old} on nuclei that it has not seen; go on with {old}",
            "not shown to be better": (
                f"{new} is not shown to be better than {old}: "
                + (
                    "too few nuclei were held out to tell"
                    if math.isnan(self.comparison["AP@0.5"].change_interval[0])
                    else "the interval of the change in AP@0.5 holds 0"
                )
                + f"; go on with {old}, or annotate more"
            ),
        }[self.comparison.verdict]


def state_file(out: Path) -> Path:
    """Return where training keeps what a resumption needs."""
    return out.with_suffix(".state.pt")


def begin_tuning(out: Path, plan: dict[str, Any], resume: bool) -> tuple[int, float] | None:
    """Make sure that what lies at the place is this training, or nothing; note the plan there.

    A training that is taken up with other pairs would judge by what it was taught before.

    Parameters
    ----------
    out
        Weights file to write.
    plan
        What decides the weights, ready for JSON.
    resume
        Whether an earlier training may go on; otherwise what lies there is given up.

    Returns
    -------
    tuple or None
        Updates and seconds of the training if it had come to its end.

    Raises
    ------
    OutputError
        If weights lie there that were made otherwise.
    """
    state, record = state_file(out), out.with_suffix(".json")
    if resume and (out.exists() or state.exists()):
        try:
            known = json.loads(record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        if {key: known.get(key) for key in plan} != json.loads(json.dumps(plan)):
            raise OutputError(
                f"{out.name} exists already and was made from other pairs or parameters; pass "
                "--overwrite, or another file with -o"
            )
        whole = out.exists() and fingerprint(out).sha256 == known.get("weights_sha256")
        return (known["steps"], known["seconds"]) if whole else None
    state.unlink(missing_ok=True)
    _write_json(record, {**plan, "finished": False})
    return None


def write_tuned(tuned: Tuned, plan: dict[str, Any], sha256: str) -> None:
    """Write the comparison (``.scores.csv``) and all that is known of the weights (``.json``).

    Parameters
    ----------
    tuned
        What became of the training.
    plan
        As ``begin_tuning`` noted it.
    sha256
        Hash of the weights.
    """
    comparison = tuned.comparison
    record: dict[str, Any] = {
        **plan,
        "finished": True,
        "steps": tuned.steps,
        "seconds": round(tuned.seconds, 1),
        "weights_sha256": sha256,
        "compared_with": tuned.compared_with,
        "verdict": tuned.verdict,
        "warnings": list(tuned.notes),
    }
    if comparison is not None:
        record["comparison"] = _plain(dataclasses.asdict(comparison))
        table: list[list[Any]] = [
            ["metric", "before", "before_low", "before_high", "after", "after_low", "after_high",
             "change", "change_low", "change_high"],
            *(
                [s.metric, *map(_number, (s.before, *s.before_interval, s.after, *s.after_interval,
                                          s.after - s.before, *s.change_interval))]
                for s in comparison.scores
            ),
            ["nuclei drawn", comparison.drawn, "", "", comparison.drawn, "", "", "", "", ""],
            ["nuclei found", comparison.found[0], "", "", comparison.found[1], "", "",
             comparison.found[1] - comparison.found[0], "", ""],
        ]  # fmt: skip
        with (
            atomic_path(tuned.weights.with_suffix(".scores.csv")) as beside,
            beside.open("w", encoding="utf-8", newline="") as file,
        ):
            csv.writer(file, lineterminator="\n").writerows(table)
    _write_json(tuned.weights.with_suffix(".json"), record)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"


def _plain(value: Any) -> Any:
    """Return a value with None for what is no number, as JSON needs it."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with atomic_path(path) as beside:
        beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
