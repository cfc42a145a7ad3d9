"""Stands in for the package of that name: what the documentation uses of its documented interface, and no more."""
