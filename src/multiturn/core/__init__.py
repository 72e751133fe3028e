"""The ground floor: errors, records, files and places. It imports nothing of the project."""
