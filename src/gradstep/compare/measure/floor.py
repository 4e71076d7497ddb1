"""The former name of the read limit; goes when its last importer has gone."""

from gradstep.compare.measure.read_limit import NAME

__all__ = ["NAME"]
