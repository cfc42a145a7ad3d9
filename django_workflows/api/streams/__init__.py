"""Server-sent events: one thread of each process watches all the workflows that somebody there follows."""
