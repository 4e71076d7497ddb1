"""The asv suite: what is measured over the history of the project. README.md says how to run it."""
