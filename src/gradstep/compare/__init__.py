"""One comparison, in four wings: record what a run is, measure it, judge it, show it."""
