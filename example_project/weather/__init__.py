"""The tutorial's app: a workflow that looks up a city, asks a weather service for its temperature, saves a report."""
