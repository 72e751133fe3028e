"""The sections of a report, from the analyses: a file for each question that the report answers."""
