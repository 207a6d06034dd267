"""Which steps a run can take over from an earlier result: each is keyed by all that decides it."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immunescape import __version__
from immunescape.errors import OutputError
from immunescape.io import fingerprint
from immunescape.io.mosaic_planes import MosaicPlanes
from immunescape.panel import Panel
from immunescape.phenotype import Gate
from immunescape.pipeline.given import PERSONAL_NAMES
from immunescape.segment import COMPACT_WEIGHTS
from immunescape.slide import Slide
from immunescape.study import Input, Study

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immunescape.io.edits import Edit

__all__ = ["Earlier", "StageKeys", "earlier_result", "stage_keys"]

# The tile bounds memory and the device does the arithmetic; the model is keyed by its weights.
_NO_EFFECT = {"tile_px", "block_px", "device", "model", "exclude"}


@dataclass(frozen=True)
class StageKeys:
    """Hash of all that decides the labels, measurements, contacts, gates and their inspection.

    The labels are those that were found; all else follows from the labels as a person corrected
    them, but ``unedited`` and ``unedited_contacts``, which are those of the labels as found. The
    version of this program is part of it: what an older one computed is not taken over.
    """

    labels: str
    measurements: str
    contacts: str
    gates: str
    inspection: str = ""
    unedited: str = ""
    unedited_contacts: str = ""


def stage_keys(
    slide: Slide,
    panel: Panel,
    study: Study,
    inputs: tuple[Input, ...],
    edits: "Sequence[Edit]" = (),
) -> StageKeys:
    """Return the keys of the stages that take long.

    Parameters
    ----------
    slide
        The opened slide.
    panel
        Its stains.
    study
        Parameters.
    inputs
        The files given, with their hashes.
    edits
        Corrections of labels that hold.
    """
    imported = [i.sha256 for i in inputs if i.role == "labels"]
    source = [i.sha256 for i in inputs if i.role == "slide"]
    labels: dict[str, Any] = {
        "version": __version__,
        "slide": source,
        "scene": study.slide.scene,
        "pixel_size_um": slide.pixel_size_um,
        "imported": imported,
        "labels_are": study.slide.labels_are if imported else "",
        "nuclear": [slide.index(s.channel) for s in panel.nuclear] if not imported else [],
        "segment": _settings(study.segment) if not imported else study.segment.grow_um,
        "model": _model_key(study.segment.model) if not imported else "",
    }
    if isinstance(planes := slide.arrays[0], MosaicPlanes):
        # exactly: of large tiles the hash samples a few places alone
        labels["tiles"] = _digest(planes.layout)
    measurements: dict[str, Any] = {
        "labels": labels,
        # of all stains: one that is no marker may be subtracted, or tell pigment from stain
        "panel": [(slide.index(s.channel), s.role, s.marker, s.compartment) for s in panel.stains],
        "measure": _settings(study.measure),
        "correction": _settings(study.correction),
        "quality": _settings(study.quality),
        "tissue": _settings(study.tissue),
    }
    contacts: dict[str, Any] = {"labels": labels, "contact": _settings(study.contact)}
    unedited, unedited_contacts = _digest(measurements), _digest(contacts)
    if edits:
        corrected = [(e.time, e.action, e.x_um, e.y_um, e.after) for e in edits]
        # a merge fills what lies between two cells that touch across a gap
        measurements |= {"edits": corrected, "gap_um": study.contact.gap_um if imported else 0.0}
        contacts |= {"edits": corrected}
    gates = {
        "measurements": measurements,
        "drawn": [i.sha256 for i in inputs if i.role in ("annotations", "calls")],
        "set": [dataclasses.asdict(spec) for spec in study.gate],
        "rules": [dataclasses.asdict(rule) for rule in study.rule],
        "gating": _settings(study.gating),
        "tumour": _settings(study.tumour),
        "exclude": study.quality.exclude,
        "seed": study.seed,
    }
    inspection = {
        "measurements": measurements,
        "nuclear": [slide.index(s.channel) for s in panel.nuclear],
        "limits": _settings(study.segmentation_quality),
        "seed": study.seed,
    }
    return StageKeys(
        labels=_digest(labels), measurements=_digest(measurements), contacts=_digest(contacts),
        gates=_digest(gates), inspection=_digest(inspection), unedited=unedited,
        unedited_contacts=unedited_contacts,
    )  # fmt: skip


def _model_key(name: str) -> str:
    """Return the hash of the weights, or the name of a network that Cellpose keeps."""
    path = COMPACT_WEIGHTS if name == "compact" else Path(name).expanduser()
    return fingerprint(path).sha256 if path.is_file() else name


def _settings(params: Any) -> dict[str, Any]:
    return {k: v for k, v in dataclasses.asdict(params).items() if k not in _NO_EFFECT}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Earlier:
    """What an earlier run left in a result folder.

    Parameters
    ----------
    slide_sha256
        Hash of the slide it was made from.
    keys
        Keys of its stages.
    measured_columns
        Columns of its cell table that were measured rather than concluded.
    origin
        How its labels came about.
    correction
        What was taken from its pixels.
    gates
        Its gates, exactly, by kind and variant of the way they were found; empty where they were
        found together with other slides.
    warnings, label_warnings
        What was noticed while the pixels were read, and while cells were found in them.
    inspection
        What was told of the nuclei.
    corrected
        Labels that corrections made or changed, and by time of a correction why it was not
        applied.
    unedited
        What was told of the labels and measurements before they were corrected; empty where they
        were not.
    pictures
        What is told of its pictures, by name.
    whole_sha256
        Hash of every byte of the slide, however large; empty where none was taken.
    """

    slide_sha256: str
    keys: StageKeys
    measured_columns: tuple[str, ...]
    origin: Mapping[str, Any]
    correction: Mapping[str, Any]
    gates: Mapping[tuple[str, str], tuple[Gate, ...]]
    warnings: tuple[str, ...]
    label_warnings: tuple[str, ...]
    inspection: Mapping[str, Any]
    corrected: Mapping[str, Any]
    unedited: Mapping[str, Any]
    pictures: Mapping[str, Any] = field(default_factory=dict)
    whole_sha256: str = ""


def earlier_result(folder: Path) -> Earlier | None:
    """Read what an earlier run left in a folder; None where there is none.

    A folder that holds nothing but what a person made, such as corrections, is as good as none.

    Raises
    ------
    OutputError
        If the folder holds something else than a result.
    """
    if not folder.exists() or all(p.name in PERSONAL_NAMES for p in folder.iterdir()):
        return None
    try:
        data = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        return Earlier(
            slide_sha256=data["input"]["sha256"],
            keys=StageKeys(**data["stages"]["keys"]),
            measured_columns=tuple(data["stages"]["measured_columns"]),
            origin=data["segmentation"],
            correction=data["correction"],
            gates={
                (kept["kind"], kept["variant"]): tuple(Gate(**gate) for gate in kept["gates"])
                for kept in data["stages"]["gates"]
            },
            warnings=tuple(data["stages"]["warnings"]),
            label_warnings=tuple(data["stages"]["label_warnings"]),
            inspection=data.get("segmentation_quality", {}),
            corrected=data["stages"].get("corrected", {}),
            unedited=data["stages"].get("unedited", {}),
            pictures=dict(data.get("pictures", {})),
            whole_sha256=str(data["input"].get("whole_sha256", "")),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"the folder {folder.name} exists and holds no complete result; "
            "pass --overwrite to replace it, or another folder with -o"
        ) from error
