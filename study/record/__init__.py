"""The record of a study in MLflow: written in order, at once on file."""

from analysis.record.environment import prepare_writing

prepare_writing()  # any module of this room writes by MLflow, which reads it at each request
