"""What can be done to a workflow, one verb per module. Each is: load, let core decide, write in one transaction."""
