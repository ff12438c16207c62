"""Reads of the environment; a bad value names its variable."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env
from config.settings import database


def test_a_missing_variable_is_its_default(monkeypatch):
    monkeypatch.delenv("WINNOW_PROBE", raising=False)
    assert env.text("WINNOW_PROBE", "here") == "here"
    assert env.integer("WINNOW_PROBE", 7) == 7
    assert env.number("WINNOW_PROBE", 0.5) == 0.5
    assert env.boolean("WINNOW_PROBE", default=True) is True
    assert env.words("WINNOW_PROBE") == []


def test_a_secret_may_be_in_a_file(monkeypatch, tmp_path):
    (tmp_path / "secret").write_text("from the file\n")
    monkeypatch.setenv("WINNOW_PROBE_FILE", str(tmp_path / "secret"))
    assert env.text("WINNOW_PROBE") == "from the file"


def test_a_secret_file_that_cannot_be_read_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("WINNOW_PROBE_FILE", str(tmp_path / "missing"))
    with pytest.raises(ImproperlyConfigured, match="WINNOW_PROBE_FILE"):
        env.text("WINNOW_PROBE")


@pytest.mark.parametrize(("text", "value"), [("yes", True), ("ON", True), ("0", False), ("false", False), ("", True)])
def test_a_boolean(monkeypatch, text, value):
    monkeypatch.setenv("WINNOW_PROBE", text)
    assert env.boolean("WINNOW_PROBE", default=True) is value


def test_a_bad_value_names_its_variable(monkeypatch):
    monkeypatch.setenv("WINNOW_PROBE", "often")
    for read in (
        lambda: env.boolean("WINNOW_PROBE", default=True),
        lambda: env.integer("WINNOW_PROBE", 1),
        lambda: env.number("WINNOW_PROBE", 1),
        lambda: env.choice("WINNOW_PROBE", "a", ("a", "b")),
    ):
        with pytest.raises(ImproperlyConfigured, match="WINNOW_PROBE must be .* not 'often'"):
            read()


def test_words_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("WINNOW_PROBE", " a.example, ,b.example ")
    assert env.words("WINNOW_PROBE") == ["a.example", "b.example"]


def test_a_database_url_becomes_a_database():
    made = database("postgresql://me:p%40ss@db.example:5433/winnow?sslmode=require")
    assert (made["NAME"], made["USER"], made["PASSWORD"]) == ("winnow", "me", "p@ss")
    assert (made["HOST"], made["PORT"], made["OPTIONS"]["sslmode"]) == ("db.example", "5433", "require")


def test_a_socket_is_a_host_too():
    made = database("postgresql://postgres@/winnow?host=/srv/winnow%20data/postgres")
    assert (made["NAME"], made["HOST"], made["PORT"]) == ("winnow", "/srv/winnow data/postgres", "")


def test_another_engine_is_refused():
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL must begin with postgresql://"):
        database("sqlite:///db.sqlite3")


@pytest.mark.parametrize("url", ["postgresql://[bad", "postgresql://db:fivethousand/winnow"])
def test_an_address_that_cannot_be_read_names_its_variable(url):
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL cannot be read as an address"):
        database(url)
