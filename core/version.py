"""The version, in the only place that states it: `pyproject.toml` reads it here, and the image has no other."""

NAME = "insights-platform"
VERSION = "0.2.0"
