"""The study file: read, resolved for one scale, and validated before anything starts."""
