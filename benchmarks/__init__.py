"""The asv suite: what is measured over the history of the project. README.md tells how to run it."""
