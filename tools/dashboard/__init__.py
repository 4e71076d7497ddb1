"""Measures commits with asv and publishes what was found as pages: `make dashboard`."""
