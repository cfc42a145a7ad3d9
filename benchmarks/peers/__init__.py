"""The same workloads on other engines, each in the settings that were found best for it."""
