"""The parts of `load_test.py`."""
