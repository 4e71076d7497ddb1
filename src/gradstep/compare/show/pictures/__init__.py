"""The pictures of a record, one module each; `drawing` writes them."""
