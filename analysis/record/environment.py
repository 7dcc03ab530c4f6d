"""What MLflow reads from the environment, set before MLflow is imported or asked."""

import logging
import os

CONNECTIONS = 40
"""Connections to a server that a process which writes records keeps open."""


def prepare_environment() -> None:
    """Set what the user has not set, so that MLflow prints nothing between our own lines."""
    # MLflow would ask a host of its makers for a configuration, and report to it.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # A report downloads many small files: a progress bar for each is noise.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # With a server MLflow prints two lines for each run that ends.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # MLflow reports to standard error when it makes a database. It reads the variable when it is
    # imported; where somebody has imported it before, the level is set here.
    level = os.environ.get("MLFLOW_LOGGING_LEVEL") or "WARNING"
    os.environ["MLFLOW_LOGGING_LEVEL"] = level
    logging.getLogger("mlflow").setLevel(level.upper())
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # MLflow prints a traceback for each error of a database, and then raises the same error.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def prepare_writing() -> None:
    """Set what a process that writes records needs besides; MLflow reads it at each request."""
    # The spool asks again by itself; MLflow's own retries would hold its thread for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    # A connection for each of the spool's writers and for who reads beside them: one that finds no
    # place among those kept is made anew for each request, which a far server's answer waits for.
    os.environ.setdefault("MLFLOW_HTTP_POOL_MAXSIZE", str(CONNECTIONS))
