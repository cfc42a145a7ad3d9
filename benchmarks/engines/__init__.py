"""The same workloads on each engine, in the settings that were found best for it."""
