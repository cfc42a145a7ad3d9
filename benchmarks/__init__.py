"""Benchmarks: what the engine costs, beside the database alone and beside other engines on the same machine."""
