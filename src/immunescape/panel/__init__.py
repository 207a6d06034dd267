"""The panel: which channel shows which marker, and how channel names are matched to markers."""

from immunescape.panel.match import (
    PanelMatch,
    match_panel,
    missing_costs,
    propose_panel,
    require_nuclear,
)
from immunescape.panel.model import (
    COMPARTMENTS,
    EXPECTED_MARKERS,
    TITLES,
    Compartment,
    Panel,
    Role,
    Stain,
)
from immunescape.panel.names import Reading, read_name

__all__ = [
    "COMPARTMENTS",
    "EXPECTED_MARKERS",
    "TITLES",
    "Compartment",
    "Panel",
    "PanelMatch",
    "Reading",
    "Role",
    "Stain",
    "match_panel",
    "missing_costs",
    "propose_panel",
    "read_name",
    "require_nuclear",
]
