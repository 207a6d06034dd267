"""Timepoints and groups compared: specimens, patients, and when it is more than chance."""
