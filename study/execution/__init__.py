"""The execution, by Ray Tune: actors, nodes, results. It decides nothing."""

from study.execution.environment import prepare_environment

prepare_environment()  # any module of this room imports Ray, which reads the environment then
