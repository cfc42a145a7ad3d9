"""The only place that reads or writes the tables. One function is one atomic change; losing a race returns a value."""
