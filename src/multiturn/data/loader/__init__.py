"""Reading packed corpora: any row by its global number, and the way back to its documents."""
