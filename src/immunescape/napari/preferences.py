"""What a person set in napari's preferences: where things run, never what the numbers mean."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari.settings import get_plugin_settings, get_settings

if TYPE_CHECKING:
    from immunescape.study import Study

__all__ = ["Preferences", "prefer_own_reader", "read_preferences"]

PLUGIN = "immunescape"
OWN_ENDINGS = ("*.ome.tif", "*.ome.tiff", "*.qptiff", "*component_data.tif")
"""Files that no other reader of napari opens channel by channel and lazily."""


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """Preferences of the plugin, as declared in its manifest.

    Parameters
    ----------
    device
        Where networks run.
    tile_px
        Edge of a tile in pixels of the network.
    cache_folder
        Where downloaded networks are kept; None is the usual place.
    save_minutes
        Minutes between saves of what was drawn and corrected.
    """

    device: Literal["auto", "cpu", "cuda", "mps"]
    tile_px: int
    cache_folder: Path | None
    save_minutes: float

    def applied(self, study: "Study") -> "Study":
        """Return a study that runs on this device and in these tiles; its numbers stay."""
        segment = dataclasses.replace(study.segment, device=self.device, tile_px=self.tile_px)
        return dataclasses.replace(study, segment=segment)

    def use_cache(self) -> None:
        """Let networks be looked for and kept in the cache folder of this process."""
        if self.cache_folder is not None:
            os.environ["CELLPOSE_LOCAL_MODELS_PATH"] = str(self.cache_folder)


def read_preferences() -> Preferences:
    """Return the preferences as they are now."""
    work = get_plugin_settings(PLUGIN).work
    folder = str(work.cache_folder).strip()
    return Preferences(
        device=work.device,
        tile_px=int(work.tile_px),
        cache_folder=Path(folder).expanduser() if folder else None,
        save_minutes=float(work.save_minutes),
    )


def prefer_own_reader() -> None:
    """Let slides dropped on the window open with this plugin, where nobody chose otherwise.

    Without this napari asks which of several readers to use each time. A choice made by a person
    stays, and can be changed in the preferences under Plugins.
    """
    plugins = get_settings().plugins
    chosen = dict(plugins.extension2reader)
    wanted = {ending: PLUGIN for ending in OWN_ENDINGS if ending not in chosen}
    if wanted:
        plugins.extension2reader = {**chosen, **wanted}
