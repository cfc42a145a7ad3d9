"""The example of a human in the loop: somebody approves one of several proposals, or rejects them."""
