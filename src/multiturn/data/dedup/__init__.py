"""Documents that are there twice: exactly, nearly, or against their authors' wish."""
