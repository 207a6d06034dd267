"""Many slides of many patients: the sheet, the work spread out, and what comes of it together."""
