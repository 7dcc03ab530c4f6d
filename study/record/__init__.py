"""The record of a study in MLflow: written in order, at once on file."""
