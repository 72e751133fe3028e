"""Running the pieces of a build on a cluster."""
