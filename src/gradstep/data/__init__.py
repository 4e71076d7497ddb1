"""Data files and trained models."""
