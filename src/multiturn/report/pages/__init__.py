"""Tables, figures and pages of a report."""
