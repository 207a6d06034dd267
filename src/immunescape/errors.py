"""Every error a user can meet: it names the file, the thing and the remedy, in one line."""

__all__ = [
    "AnnotationError",
    "CallsError",
    "ChannelNamesError",
    "ClusterError",
    "ControlError",
    "EditsError",
    "ImmunescapeError",
    "LabelsError",
    "ModelError",
    "OutputError",
    "PanelError",
    "ParameterError",
    "PixelSizeError",
    "SceneError",
    "SheetError",
    "SlideError",
    "StudyError",
]


class ImmunescapeError(Exception):
    """Root of all errors that a user can mend; the command line turns it into exit code 2."""


class SlideError(ImmunescapeError, ValueError):
    """A slide file that cannot be used as it is."""


class PixelSizeError(SlideError):
    """A slide whose pixel size has to be given."""


class SceneError(SlideError):
    """A file with several scenes, of which one has to be chosen.

    Parameters
    ----------
    message
        The one line.
    scenes
        Number, size and channels of each, in order.
    """

    def __init__(self, message: str, scenes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.scenes = scenes


class ChannelNamesError(SlideError):
    """A slide whose channels have to be named."""


class PanelError(ImmunescapeError, ValueError):
    """Channels that cannot be matched to markers without a decision."""


class AnnotationError(ImmunescapeError, ValueError):
    """Regions drawn by hand that cannot be read or used."""


class LabelsError(ImmunescapeError, ValueError):
    """Imported masks that do not fit the slide."""


class CallsError(ImmunescapeError, ValueError):
    """Imported cell calls that do not fit the cells."""


class ControlError(ImmunescapeError, ValueError):
    """A control slide whose result cannot be read."""


class EditsError(ImmunescapeError, ValueError):
    """Corrections made by hand that cannot be read or written."""


class StudyError(ImmunescapeError, ValueError):
    """A study file that cannot be understood."""


class ParameterError(ImmunescapeError, ValueError):
    """A parameter outside its range."""


class ModelError(ImmunescapeError, RuntimeError):
    """A segmentation model that cannot be found, loaded or run."""


class OutputError(ImmunescapeError, OSError):
    """An output folder that cannot be written, or holds something else."""


class SheetError(ImmunescapeError, ValueError):
    """A sample sheet that cannot be used: all that is wrong with it, at once.

    Parameters
    ----------
    name
        The sheet, without its folder.
    problems
        One line each, with the line of the sheet where it has one.
    """

    def __init__(self, name: str, problems: tuple[str, ...]) -> None:
        self.name, self.problems = name, problems
        count = len(problems)
        text = f"{name} has {count} problem{'' if count == 1 else 's'}; nothing was run"
        super().__init__("\n".join((text, *(f"  {problem}" for problem in problems))))

    def __reduce__(self) -> tuple[type, tuple[str, tuple[str, ...]]]:
        return type(self), (self.name, self.problems)


class ClusterError(ImmunescapeError, RuntimeError):
    """Worker processes that cannot be reached or started."""
