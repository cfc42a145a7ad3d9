"""The examples of long jobs: one that can be canceled and cleans up, one that works in pieces; both show progress."""
