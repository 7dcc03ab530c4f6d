"""Many trials: the study file, the search, the execution and the record."""
