"""One launch, from the valid study file to the exit status."""
