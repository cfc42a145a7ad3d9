"""Pages that follow an approval through the REST API: by long poll, and by an event stream."""
