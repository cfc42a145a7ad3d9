"""The example of a series of e-mails over months."""
