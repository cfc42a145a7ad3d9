"""Metrics for Prometheus (the extra ``prometheus``), read from the database when they are scraped.

Counters in the processes' memory would be wrong: workers come and go, and each would have its own.
"""
