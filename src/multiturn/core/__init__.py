"""Errors, records, files, retries and directories. Imports nothing else of the project."""
