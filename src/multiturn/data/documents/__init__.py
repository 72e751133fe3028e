"""A document with its provenance, files of documents, and the language of a text."""
