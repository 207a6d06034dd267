"""One slide to be analysed: its inputs, opened, and the folder of its result."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from immunescape.io.output import check_folder_name
from immunescape.pipeline.inputs import Inputs, Opened, open_inputs
from immunescape.pipeline.named_files import with_model_found
from immunescape.pipeline.stages import StageKeys, stage_keys

if TYPE_CHECKING:
    from immunescape.study import Study

__all__ = ["Job", "open_job"]


@dataclass(frozen=True, eq=False)
class Job:
    """One slide, opened: what it is made from and where its result goes."""

    inputs: Inputs
    study: "Study"
    opened: Opened
    folder: Path
    keys: StageKeys

    @property
    def kept(self) -> "Study":
        """The study that repeats the result: with its panel, its files and no folder."""
        return dataclasses.replace(
            self.study,
            panel=self.opened.panel.stains,
            input=self.opened.files,
            # the weights' own name: a result holds no path of the machine that made it
            segment=dataclasses.replace(
                self.study.segment, model=Path(self.study.segment.model).name
            ),
        )

    def with_study(self, study: "Study") -> "Job":
        """Return the job with other parameters and the keys that follow."""
        opened = self.opened
        return dataclasses.replace(self, study=study, keys=_keys(opened, study))


def open_job(inputs: Inputs, out: Path, study: "Study", name: str = "") -> Job:
    """Open the files of a slide and name its folder, after the slide or as told; write nothing."""
    study = with_model_found(inputs, study)
    name = name or inputs.name
    opened = open_inputs(inputs, study, out, name)
    folder = out / check_folder_name(name or opened.slide.name)
    return Job(inputs, study, opened, folder, _keys(opened, study))


def _keys(opened: Opened, study: "Study") -> StageKeys:
    return stage_keys(opened.slide, opened.panel, study, opened.files, opened.edits.of_labels)
