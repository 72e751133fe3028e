"""Reports on saved runs: statistics, tables, figures and pages, from the records alone."""
