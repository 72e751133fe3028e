"""The problem sets that measure how well models write programs in turns."""
