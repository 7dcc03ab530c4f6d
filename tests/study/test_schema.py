"""What `make schema` writes."""

from pathlib import Path

from study import schema

DEFAULTS = Path(__file__).parents[1] / "trainables" / "defaults.json"


def test_writing_adds_to_the_file_and_changes_nothing_that_is_there(tmp_path, capsys):
    schema_file, defaults_file = tmp_path / "schema.json", tmp_path / "defaults.json"
    files = [str(schema_file), "--defaults", str(defaults_file)]
    assert schema.main([*files, "--check"]) == 1
    told = capsys.readouterr().err
    assert "schema.json is not up to date" in told and "defaults.json is not up to date" in told
    assert schema.main(files) == 0
    assert defaults_file.read_text() == DEFAULTS.read_text()
    assert schema.main([*files, "--check"]) == 0
    changed = DEFAULTS.read_text().replace('lamix.beta": 0.5', 'lamix.beta": 0.4')
    defaults_file.write_text(changed)
    assert schema.main(files) == 1
    assert "`regularizers.lamix.beta` was released with the default 0.4" in capsys.readouterr().err
    assert defaults_file.read_text() == changed
