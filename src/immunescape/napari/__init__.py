"""The napari plugin: panels on the core, which holds all the science."""
