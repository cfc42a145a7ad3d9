"""Shows the state of any workflow, and keeps the page up to date."""
