"""The record as MLflow holds it: its vocabulary, its client, its values."""
