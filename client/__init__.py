"""The Python client of the Insights Platform."""
