"""Every import of our ES modules is served under a hashed name; collectstatic runs for real."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command

SOURCES = sorted((settings.BASE_DIR / "static" / "js").rglob("*.js"))
# `import x from`, `import {…} from` over several lines, `import "…"`, `export … from`, and as Django writes them.
IMPORT = re.compile(
    r"""^\s*(?:import\s*(?:[\w$*\s{},]+?\s*from\s*)?|export\s*(?:\*[\w\s]*|\{[^}]*\})\s*from\s*)["']([^"']+)["'](;?)""",
    re.MULTILINE,
)
HASHED = re.compile(r"\.[0-9a-f]{12}\.js$")


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("static")
    with pytest.MonkeyPatch.context() as patch:
        storages = {**settings.STORAGES, "staticfiles": {"BACKEND": "config.static.HashedStorage"}}
        patch.setattr(settings, "STORAGES", storages)
        patch.setattr(settings, "STATIC_ROOT", root)
        _forget_storages()
        call_command("collectstatic", interactive=False, verbosity=0)
    _forget_storages()
    return root


def _forget_storages() -> None:
    from django.core.files.storage import storages
    from django.utils.functional import empty

    storages._storages.pop("staticfiles", None)
    storages.__dict__.pop("backends", None)
    storages._backends = None
    staticfiles_storage._wrapped = empty


def _imports(text: str) -> list[tuple[str, str]]:
    return IMPORT.findall(text)


def test_there_are_modules_with_imports():
    assert sum(len(_imports(source.read_text())) for source in SOURCES) >= 5


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_an_import_is_relative_and_ends_in_js_and_a_semicolon(source):
    for target, semicolon in _imports(source.read_text()):
        assert target.startswith((".", "/static/")) and target.endswith(".js") and semicolon, f"{source}: {target}"
        assert (source.parent / target).is_file(), f"{source} imports {target}, which does not exist"


def test_every_import_is_hashed(collected):
    names = json.loads((collected / "staticfiles.json").read_text())["paths"]
    checked = 0
    for source in SOURCES:
        name = source.relative_to(settings.BASE_DIR / "static").as_posix()
        served = collected / names[name]
        for target, _ in _imports(served.read_text()):
            assert HASHED.search(target), f"{name} is served with a plain import of {target}"
            assert (served.parent / target).resolve().is_file(), f"{name} is served with a dead import of {target}"
            checked += 1
    assert checked >= 5


def test_every_served_file_has_a_compressed_twin(collected):
    names = json.loads((collected / "staticfiles.json").read_text())["paths"]
    large = [
        names[name] for name in names if name.startswith(("js/", "css/")) and (collected / name).stat().st_size > 2000
    ]
    assert large
    assert all((collected / f"{name}.gz").is_file() for name in large)
