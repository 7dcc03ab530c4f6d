"""What to run next and where it has room: decisions, with neither Ray nor MLflow."""
