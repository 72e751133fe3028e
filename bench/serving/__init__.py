"""Servers under load: what `server.py` measures, and what it measures with."""
