"""Measures contenders on problems."""
