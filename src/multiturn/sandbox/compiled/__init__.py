"""Programs of compiled languages, and of others with a toolchain of their own."""
