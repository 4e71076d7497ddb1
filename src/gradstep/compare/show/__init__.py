"""Shows what was measured: words, tables, pictures and pages."""
