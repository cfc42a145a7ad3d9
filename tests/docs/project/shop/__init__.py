"""The shop that the documentation speaks of, as an app of the tests."""
