"""The targets of gradstep's speed, and how they are measured."""
