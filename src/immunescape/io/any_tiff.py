"""Which kind of TIFF a file is; its own reader takes over."""

from pathlib import Path
from typing import TYPE_CHECKING

from immunescape.errors import SlideError
from immunescape.io.found import Found

if TYPE_CHECKING:
    from tifffile import TiffFile

__all__ = ["read_any_tiff"]


def read_any_tiff(
    tif: "TiffFile", path: Path, scene: str | int | None, names: tuple[str, ...] | None
) -> Found:
    """Read the header of a TIFF file by what kind of it it is; no pixel is read.

    Raises
    ------
    SlideError
        If it holds no stains, or its reader finds something wrong.
    """
    first = tif.pages.first
    description = first.description
    if first.is_svs or first.is_ndpi or first.is_scn or first.is_bif or first.is_philips:
        raise SlideError(
            f"{path.name} is a brightfield slide scan, not separate stains; "
            "give the multiplex-fluorescence slide"
        )
    if "<SegmentationImage>" in description or "<TissueClassMap>" in description:
        raise SlideError(
            f"{path.name} holds inForm's segmentation maps, not stains; "
            "give the component_data.tif here and pass this file with --labels"
        )
    if first.is_ome:
        from immunescape.io.ome_tiff import read_ome_tiff

        return read_ome_tiff(tif, path, scene)
    if first.is_qpi or "<PerkinElmer-QPI-ImageDescription" in description:
        if "<IsUnmixedComponent>True<" in description and first.dtype.kind == "f":
            from immunescape.io.component import read_component

            return read_component(tif, path, scene)
        from immunescape.io.qptiff import read_qptiff

        return read_qptiff(tif, path, scene)
    from immunescape.io.tiff_stack import read_tiff_stack

    return read_tiff_stack(tif, path, scene, names)
