"""Reading and writing files, one format a module; pixels are read only when asked for."""

from immunescape.io.fingerprint import Fingerprint, fingerprint
from immunescape.io.slides import open_slide
from immunescape.io.write_ome_tiff import write_ome_tiff

__all__ = ["Fingerprint", "fingerprint", "open_slide", "write_ome_tiff"]
