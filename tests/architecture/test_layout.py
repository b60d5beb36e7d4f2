"""The tree keeps its shape: packages in tests, a purpose on the first line of each module."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "ingest", "alerts", "api", "firmware_sim")
MODULES = sorted(
    path.relative_to(ROOT) for name in (*PACKAGES, "tests") for path in (ROOT / name).rglob("*.py")
)


def test_there_are_modules_to_look_at() -> None:
    assert len(MODULES) > 100


@pytest.mark.parametrize(
    "folder", sorted({m.parent for m in MODULES if m.parts[0] == "tests"}), ids=str
)
def test_every_tests_folder_is_a_package(folder: Path) -> None:
    """Else ``tests/alerts`` would hide the real ``alerts``."""
    assert (ROOT / folder / "__init__.py").is_file()


@pytest.mark.parametrize("module", [m for m in MODULES if m.name != "__init__.py"], ids=str)
def test_every_module_says_first_what_it_is_for(module: Path) -> None:
    source = (ROOT / module).read_text()
    assert ast.get_docstring(ast.parse(source)), f"{module} has no docstring"
    assert source.startswith(('"""', 'r"""')), f"{module} does not begin with its docstring"


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_say_what_they_are_and_hold_nothing(name: str) -> None:
    for path in (ROOT / name).rglob("__init__.py"):
        body = ast.parse(path.read_text()).body
        kinds = [type(node) for node in body]
        assert kinds[:1] == [ast.Expr], f"{path} has no docstring"
        assert set(kinds[1:]) <= {ast.ImportFrom}, f"{path} holds code"


@pytest.mark.parametrize("name", ["ingest", "gateway"])
def test_no_module_bears_the_name_of_a_standard_one(name: str) -> None:
    import sys

    own = {path.stem for path in (ROOT / name).rglob("*.py")} - {"__init__", "__main__"}
    assert not own & set(sys.stdlib_module_names)


def test_no_module_of_the_hub_imports_relatively_or_from_tests() -> None:
    for module in MODULES:
        if module.parts[0] == "tests":
            continue
        for node in ast.walk(ast.parse((ROOT / module).read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module}: relative import"
                assert (node.module or "").split(".")[0] != "tests", f"{module}: imports tests"


def test_there_is_no_sixth_importable_folder() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*/__init__.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    tops = {line.split("/")[0] for line in listed.stdout.splitlines()}
    assert tops == {*PACKAGES, "tests"}
