"""The record as MLflow holds it: its vocabulary, its client, its values."""

from analysis.record.environment import prepare_environment

prepare_environment()  # any module of this room may import MLflow, which reads it then or later
