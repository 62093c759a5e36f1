"""The version: `pyproject.toml` reads it here, the image has no other, and that of the client has to be the same."""

NAME = "insights-platform"
VERSION = "0.2.0"
