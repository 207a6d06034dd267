"""Where cells are and what they touch: contacts, neighbours, densities, the headline."""

from immunescape.spatial.alternatives import Alternative
from immunescape.spatial.block_counts import block_counts
from immunescape.spatial.contacts import ContactParams, Contacts, find_contacts
from immunescape.spatial.density import DensityParams, band_table, region_table
from immunescape.spatial.neighbours import (
    count_within,
    nearest_distance_um,
    pairs_within,
    touches_within,
)
from immunescape.spatial.rows import SummaryParams
from immunescape.spatial.sensitivity import (
    SensitivityParams,
    sensitivity_table,
    sensitivity_warnings,
    sox10_alone,
    sox10_alternative,
)
from immunescape.spatial.stains import control_positives, unproven_stains
from immunescape.spatial.summary import summarise
from immunescape.spatial.touching import add_contact_columns, contact_table

__all__ = [
    "Alternative",
    "ContactParams",
    "Contacts",
    "DensityParams",
    "SensitivityParams",
    "SummaryParams",
    "add_contact_columns",
    "band_table",
    "block_counts",
    "contact_table",
    "control_positives",
    "count_within",
    "find_contacts",
    "nearest_distance_um",
    "pairs_within",
    "region_table",
    "sensitivity_table",
    "sensitivity_warnings",
    "sox10_alone",
    "sox10_alternative",
    "summarise",
    "touches_within",
    "unproven_stains",
]
