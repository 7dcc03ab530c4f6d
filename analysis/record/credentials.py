"""Names, passwords and tokens of servers and stores: kept out of all that is shown.

MLflow, SQLAlchemy and their drivers repeat the address that they were given in their messages, so a
password in it must be taken out of every text before it is shown, logged or recorded.
"""

import logging
import os
import re
from urllib.parse import unquote, urlsplit, urlunsplit

HIDDEN = "***"
ADDRESS = re.compile(r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>[^\s'\"<>`|]*)")
"""An address within a text, up to white space or a quote."""
WEB = ("http", "https", "ray", "s3", "gs", "gcs", "wasbs", "abfss", "file", "hdfs", "ftp")
"""Schemes whose paths may hold an `@` that ends no password."""
SPACED_LOGIN = re.compile(
    r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*)://[^\s:@/'\"]*:(?!\d+(?:[/\s]|$))[^\n@'\"]* [^\n@'\"]*@"
)
"""A login whose password holds a space: SQLAlchemy leaves spaces as they are."""
QUERY_VALUE = re.compile(r"(?<=[?&;])([^=&;?#\s]+)=([^&#]*)")
"""A name and its value in the query of an address."""
NAMED_SECRET = re.compile(
    r"(?i)\b((?:\w*(?:password|passwd|secret|token|api_?key|access_?key|credential)\w*)|pwd|sig)"
    r"(['\"]?\s*[=:]\s*)(?!\*\*\*)(?:(['\"]).*?\3|[^\s;&,'\"<>]+)"
)
"""A secret that stands under its name outside an address, as drivers write it in their messages."""


def without_login(uri: str) -> str:
    """Move an HTTP server's user and password to where MLflow also looks; return the bare address.

    >>> without_login("https://ada:pass@mlflow.example/")
    'https://mlflow.example/'
    """
    scheme, mark, rest = uri.partition("://")
    if scheme not in ("http", "https") or not mark:
        return uri
    login, bare = _split_login(scheme, rest)
    if login is None:
        return uri
    user, _, password = login.partition(":")
    os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(user)
    os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(password)
    return urlunsplit(urlsplit(f"{scheme}://{bare}"))


def hide_logins(text: str) -> str:
    """Return a text without what gives access: logins and query values of addresses, named secrets.

    >>> hide_logins("cannot use postgresql://ada:pa/ss@host/records?password=word")
    'cannot use postgresql://***@host/records?password=***'
    """
    text = ADDRESS.sub(_hide_in_address, SPACED_LOGIN.sub(_hide_spaced, text))
    return NAMED_SECRET.sub(rf"\1\2{HIDDEN}", text)


def _hide_spaced(found: re.Match[str]) -> str:
    web = found["scheme"].partition("+")[0].lower() in WEB
    return found[0] if web else f"{found['scheme']}://{HIDDEN}@"


def _hide_in_address(found: re.Match[str]) -> str:
    scheme, rest = found["scheme"], found["rest"]
    login, bare = _split_login(scheme, rest)
    shown = QUERY_VALUE.sub(rf"\1={HIDDEN}", bare)
    return f"{scheme}://{'' if login is None else f'{HIDDEN}@'}{shown}"


def _split_login(scheme: str, rest: str) -> tuple[str | None, str]:
    """Return the login of an address, or None, and what follows it.

    A password may hold what should have been escaped: `/`, `?`, `#`, `@`. So the login ends at the
    last `@`, unless that belongs to a path or a query behind a host that is clearly one.
    """
    if "@" not in rest:
        return None, rest
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        # `a:b@c@host`: the last one within the authority ends the login, unless the password goes
        # on behind a slash: then another `@` follows where a path would have none.
        end = len(authority.rpartition("@")[0])
        later = rest.rpartition("@")[0]
        if len(later) > end and not _is_path(scheme, rest[end + 1 :]):
            end = len(later)
        return rest[:end], rest[end + 1 :]
    if _is_path(scheme, rest):
        return None, rest
    login, _, bare = rest.rpartition("@")
    return login, bare


def _is_path(scheme: str, rest: str) -> bool:
    """Return whether an `@` in what follows belongs to a path or query, not to a login.

    It does behind the host of the web or of a store: a name, an address or `host:port`.
    """
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host, colon, port = authority.rpartition(":")
    has_port = bool(colon) and port.isdecimal() and bool(host)
    return scheme.partition("+")[0].lower() in WEB and (not colon or has_port)


class HidingFormatter(logging.Formatter):
    """Formats as usual, tracebacks included, without what gives access."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or lines."""
        return hide_logins(super().format(record))
