"""State that a handler in a test changes."""

LOG: list[int] = []
