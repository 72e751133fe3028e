"""The endpoints, one module for each group; `application` includes them."""
