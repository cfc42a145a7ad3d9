"""Says in sentences how workflows stand, in the reader's language; for commands and admin alike."""
