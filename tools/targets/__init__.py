"""The targets of gradstep's speed, and how they are measured: developers run `make targets`."""
