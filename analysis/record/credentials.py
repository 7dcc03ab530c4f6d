"""Names and passwords of a tracking server: kept in the environment, out of all that is shown.

MLflow repeats the address of the server in its messages, so MLflow must not be given an address
that holds a password.
"""

import logging
import os
import re
from urllib.parse import unquote, urlsplit, urlunsplit

USERINFO = re.compile(r"(?<=://)[^/\s]*@")


def without_login(uri: str) -> str:
    """Move an HTTP server's user and password to where MLflow also looks; return the bare address.

    >>> without_login("https://ada:pass@mlflow.example/")
    'https://mlflow.example/'
    """
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return uri
    os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username or "")
    os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password or "")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def hide_logins(text: str) -> str:
    """Return a text without the users and passwords of the addresses in it.

    >>> hide_logins("cannot use postgresql://ada:pass@host/records")
    'cannot use postgresql://***@host/records'
    """
    return USERINFO.sub("***@", text)


class HidingFormatter(logging.Formatter):
    """Formats as usual, tracebacks included, without users and passwords."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or lines."""
        return hide_logins(super().format(record))
