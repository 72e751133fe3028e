"""Saved benchmark runs in the page: listed, filtered, read, and replayed as sessions."""
