"""The panels of the workbench, one a module, in the words of the work."""
