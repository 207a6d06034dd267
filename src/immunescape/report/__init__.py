"""Results as people read them; knows result tables, not how they came about."""

from immunescape.report.text import NOT_FOR_DIAGNOSIS, headline_tables

__all__ = ["NOT_FOR_DIAGNOSIS", "headline_tables"]
