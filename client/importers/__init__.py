"""Files of conversations, read row by row: one module for each shape that a file can have."""
