"""What gives access to a server is in no text that is shown, however unusual its address."""

import logging
import os
import sys

import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st

from analysis.record.credentials import HidingFormatter, hide_logins, without_login

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"postgresql://ada:{SECRET}@host/db", "postgresql://***@host/db"),
        (f"postgresql://ada:pa/{SECRET}@host:5432/db", "postgresql://***@host:5432/db"),
        (f"postgresql://ada:a@{SECRET}@host/db", "postgresql://***@host/db"),
        (f"postgresql://ada:a?b#{SECRET}@host/db", "postgresql://***@host/db"),
        (f"mysql+pymysql://ada:1/{SECRET}@host/db", "mysql+pymysql://***@host/db"),
        (f"postgresql://host/db?password={SECRET}", "postgresql://host/db?password=***"),
        (f"postgresql://db?user=a&password={SECRET}", "postgresql://db?user=***&password=***"),
        (f"mssql+pyodbc:///?odbc_connect=DSN%3Dx;PWD%3D{SECRET}", "mssql+pyodbc:///?odbc_connect=***"),
        (f"https://mlflow.example/api?token={SECRET}", "https://mlflow.example/api?token=***"),
        (f"https://mlflow:8080/?token={SECRET}&a=b", "https://mlflow:8080/?token=***&a=***"),
        (f"https://ada:pa/{SECRET}@mlflow.example/x", "https://***@mlflow.example/x"),
        (f"https://{SECRET}@mlflow.example/x", "https://***@mlflow.example/x"),
        (f"s3://key:{SECRET}@bucket/path", "s3://***@bucket/path"),
        (f"s3://b/path?endpoint=http://a&secret={SECRET}", "s3://b/path?endpoint=***&secret=***"),
        (f"no connection: password={SECRET} host=db", "no connection: password=*** host=db"),
        (f"Driver=x;UID=ada;PWD={SECRET};Server=db", "Driver=x;UID=ada;PWD=***;Server=db"),
        (f"AWS_SECRET_ACCESS_KEY={SECRET}", "AWS_SECRET_ACCESS_KEY=***"),
        (f"'MLFLOW_TRACKING_TOKEN': '{SECRET}'", "'MLFLOW_TRACKING_TOKEN': ***"),
    ],
)  # fmt: skip
def test_a_secret_is_not_shown(text, shown):
    assert hide_logins(text) in (shown, text.replace(SECRET, "***"))
    assert SECRET not in hide_logins(f"Cannot use {text}: refused.")


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:///mlflow.db",
        "sqlite:////home/ada/my study/mlflow.db",
        "http://127.0.0.1:5000",
        "https://mlflow.example/#/experiments/1/runs/2",
        "https://host:8080/packages/@scope/name",
        "s3://bucket/runs/a@b.pt",
        "write to ada@example.org",
        "the token is asked for: ray get-auth-token prints it",
        "regularizer.beta=0.3 seed=1",
    ],
)
def test_what_is_no_secret_stays(text):
    assert hide_logins(text) == text


@given(
    password=st.text("abcXYZ019/?#@:;=&%+!$", min_size=1, max_size=12).map(lambda p: f"Q{p}Q"),
    scheme=st.sampled_from(["postgresql", "mysql+pymysql", "mssql+pyodbc"]),
)
def test_no_password_of_a_data_base_is_shown_whatever_it_holds(password, scheme):
    assert password not in hide_logins(f"cannot use {scheme}://ada:{password}@host:5432/db now")


@given(password=st.text(min_size=1, max_size=12))
def test_sqlalchemys_own_rendering_of_any_password_shows_none_of_it(password):
    url = sqlalchemy.URL.create("postgresql", "ada", password, "host", 5432, "db")
    written = url.render_as_string(hide_password=False)
    assert hide_logins(written) == "postgresql://***@host:5432/db"


def test_a_login_goes_to_the_environment(monkeypatch):
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "before")
    assert without_login("https://ada:p%40ss/w@mlflow.example/x") == "https://mlflow.example/x"
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "ada"
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "p@ss/w"


def test_a_traceback_in_a_log_hides_them():
    try:
        raise OSError(f"cannot reach postgresql://ada:{SECRET}@host/db")
    except OSError:
        record = logging.getLogger("x").makeRecord(
            "x", logging.ERROR, __file__, 1, "failed", (), exc_info=sys.exc_info()
        )
    assert SECRET not in HidingFormatter(logging.BASIC_FORMAT).format(record)
