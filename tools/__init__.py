"""What maintainers of this project run; no part of the package."""
