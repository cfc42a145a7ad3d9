"""The list of workflows: what stands above it, what it shows of each, how it is filtered and searched."""
