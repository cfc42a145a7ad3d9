"""The example of a parent workflow with many children."""
