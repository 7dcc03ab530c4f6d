"""Where a result comes from: the commit of these files, and what it takes to have them back."""

import subprocess

import pytest

from study.launching import provenance


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository of git with one committed file, in place of the project's own."""
    own = tmp_path / "study" / "provenance.py"
    own.parent.mkdir()
    own.write_text("first\n")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setattr(provenance, "OWN_FILE", own)
    for cached in (provenance.provenance_tags, provenance.is_tracked):
        cached.cache_clear()
    yield tmp_path
    for cached in (provenance.provenance_tags, provenance.is_tracked):
        cached.cache_clear()


def head(folder):
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout.decode()


def test_the_commit_is_that_of_the_repository_that_tracks_these_files(repository):
    tags = provenance.provenance_tags()
    assert (tags["git_commit"], tags["git_dirty"]) == (head(repository).strip(), "false")
    assert provenance.DIFF_FILE not in provenance.provenance_texts()


def test_the_commit_of_a_repository_around_an_environment_is_not_taken(repository, monkeypatch):
    installed = repository / ".venv" / "study" / "provenance.py"
    installed.parent.mkdir(parents=True)
    installed.write_text("installed\n")
    monkeypatch.setattr(provenance, "OWN_FILE", installed)
    tags = provenance.provenance_tags()
    assert (tags["git_commit"], tags["git_dirty"]) == ("unknown", "unknown")
    assert provenance.DIFF_FILE not in provenance.provenance_texts()


def test_a_tree_that_is_not_as_committed_can_be_had_back(repository, tmp_path_factory):
    (repository / "study" / "provenance.py").write_text("second\n")
    (repository / "new method.py").write_text("beta = 0.3\n")
    assert provenance.provenance_tags()["git_dirty"] == "true"
    diff = provenance.provenance_texts()[provenance.DIFF_FILE]
    copy = tmp_path_factory.mktemp("again") / "copy"
    subprocess.run(["git", "clone", "-q", str(repository), str(copy)], check=True)
    subprocess.run(["git", "apply", "-"], cwd=copy, input=diff.encode(), check=True)
    assert (copy / "study" / "provenance.py").read_text() == "second\n"
    assert (copy / "new method.py").read_text() == "beta = 0.3\n"


def test_the_installed_packages_are_listed_with_their_versions():
    packages = provenance.provenance_texts()[provenance.PACKAGES_FILE].splitlines()
    assert any(line.startswith("torch==") for line in packages)
    names = [line.partition("==")[0].lower() for line in packages]
    assert names == sorted(names)


def test_without_git_the_commit_is_unknown(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.provenance_tags()["git_commit"] == "unknown"
