"""Who may import whom, read from the source and watched at run time."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "deem"
ORDER = ("utils", "math", "core", "samplers", "models", "selection", "estimators", "ensembles")
TOPS = ("demo", "cli")
ALLOWED = {
    **{name: ORDER[: i + 1] for i, name in enumerate(ORDER)},
    "datasets": ("utils", "core", "datasets"),
    "visual": ("utils", "core", "visual"),
    **{name: (*ORDER, *TOPS, "datasets", "visual") for name in TOPS},
    # deem/__init__.py shows the front door, deem/__main__.py the command line.
    "": ORDER,
    "__main__": ("cli",),
}
BASES = ("BaseEstimator", "Mixin")
HOMES_OF_BASES = ("estimators", "ensembles")
TOOLS = ("base", "exceptions", "metrics", "model_selection", "utils")
HOMES_OF_LEARNERS = ("selection", "datasets", "demo")
NEVER = ("pandas", "polars", "pyarrow")
LATE = ("numba", "matplotlib", "skimage", "narwhals", "typer", "tqdm", "entmax")


def imports(source, is_late=False):
    """Every (module, name or None) that a source imports; late ones only on request."""
    found = []
    for node in ast.walk(ast.parse(source)) if is_late else _early(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [("." * node.level + (node.module or ""), x.name) for x in node.names]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            found += [(str(arg.value), None) for arg in node.args if isinstance(arg, ast.Constant)]
    return found


def _early(node):
    """Nodes that run at import: neither function bodies nor what only type checkers see."""
    for child in ast.iter_child_nodes(node):
        late = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        typing = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if not (late or typing):
            yield child
            yield from _early(child)


def package_of(path):
    """First part below deem: a package, a top-level module, or "" for deem/__init__.py."""
    first = path.relative_to(ROOT).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def violations(package, source):
    """What a source of a package imports against the rules, in words."""
    found = []
    for module, name in imports(source, is_late=True):
        top, _, rest = module.partition(".")
        below = rest.partition(".")[0]
        if module.startswith("."):
            found.append(f"relative import of {module}{name or ''}")
        elif top == "deem":
            target = below or name
            if target != "__version__" and target not in ALLOWED[package]:
                found.append(f"{package} imports {target}")
        elif top == "sklearn":
            found += _sklearn_violations(package, below or name, name)
        elif top in NEVER:
            found.append(f"{package} imports {top}")
    return found


def _sklearn_violations(package, part, name):
    if name is not None and name.endswith(BASES) and package not in HOMES_OF_BASES:
        return [f"{package} builds on sklearn's {name}"]
    if part not in TOOLS and package not in HOMES_OF_LEARNERS:
        return [f"{package} uses sklearn.{part}"]
    return []


SOURCES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_from_its_left(path):
    assert violations(package_of(path), path.read_text()) == []


@pytest.mark.parametrize(
    ("package", "source", "flag"),
    [
        ("math", "from deem.core.votes import Votes", "math imports core"),
        ("math", "def f():\n    import deem.models.irbm", "math imports models"),
        ("samplers", "from deem import models", "samplers imports models"),
        ("core", "from deem import DEEM", "core imports DEEM"),
        ("utils", "from deem.math import vote", "utils imports math"),
        ("estimators", "from deem.visual import weights", "estimators imports visual"),
        ("models", "import deem.datasets", "models imports datasets"),
        ("datasets", "from deem.models import SoftIRBM", "datasets imports models"),
        ("visual", "import deem.math.vote", "visual imports math"),
        ("core", "from ..math import vote", "relative import of ..mathvote"),
        ("core", "def f():\n    import pandas as pd", "core imports pandas"),
        ("cli", "from pyarrow import parquet", "cli imports pyarrow"),
        ("core", "from importlib import import_module\nx.import_module('polars')", "polars"),
        ("core", "from sklearn.base import BaseEstimator", "core builds on sklearn's"),
        ("selection", "from sklearn.base import ClassifierMixin", "ClassifierMixin"),
        ("estimators", "from sklearn.ensemble import BaggingClassifier", "sklearn.ensemble"),
        ("core", "def f():\n    from sklearn import tree", "core uses sklearn.tree"),
    ],
)
def test_the_check_flags_a_wrong_import(package, source, flag):
    (found,) = violations(package, source)
    assert flag in found


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("models", "from deem.core.model import Model\nfrom deem.models.irbm import SoftIRBM"),
        ("", "from deem.estimators.consensus import DEEM"),
        ("demo", "import deem.visual\nfrom sklearn.tree import DecisionTreeClassifier"),
        ("estimators", "from sklearn.base import BaseEstimator\nfrom sklearn.utils import tags"),
        ("datasets", "import numpy\nfrom sklearn.datasets import load_iris"),
    ],
)
def test_the_check_lets_a_right_import_pass(package, source):
    assert violations(package, source) == []


def module_file(module):
    """Source of a module of deem, None if there is none."""
    base = ROOT.parent.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def loaded_by(*roots):
    """All modules of deem that importing the roots loads, from the sources."""
    seen, todo = set(), list(roots)
    while todo:
        module = todo.pop()
        path = module_file(module)
        if module in seen or path is None:
            continue
        seen.add(module)
        todo.append(module.rpartition(".")[0])
        for target, name in imports(path.read_text()):
            todo += [target, f"{target}.{name}"]
    return seen


LIBRARY = ("deem", *(f"deem.{name}" for name in ORDER if (ROOT / name).is_dir()))


def test_heavy_libraries_are_imported_late():
    loaded = loaded_by(*LIBRARY)
    assert loaded >= {"deem.models.irbm", "deem.core.votes", "deem.math.random"}
    found = [
        (module, target)
        for module in loaded
        for target, _ in imports(module_file(module).read_text())
        if target.partition(".")[0] in LATE
    ]
    assert found == []


def test_late_imports_are_told_from_early_ones():
    source = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import typer
try:
    import numba
except ImportError:
    numba = None
class A:
    import tqdm
    def f(self):
        import matplotlib
"""
    assert [name for name, _ in imports(source)] == ["typing", "numba", "tqdm"]
    assert ("matplotlib", None) in imports(source, is_late=True)


WATCH = """
import builtins, sys
original, seen = builtins.__import__, set()
def watched(name, globals=None, locals=None, fromlist=(), level=0):
    importer = (globals or {{}}).get("__name__", "")
    if importer.partition(".")[0] == "deem":
        seen.add(name.partition(".")[0])
    return original(name, globals, locals, fromlist, level)
builtins.__import__ = watched
import {modules}
found = sorted(seen & {{{late}}})
import logging
print(found, sorted(m for m in {own} if m in sys.modules), logging.getLogger("deem").handlers)
"""


def test_importing_the_library_loads_nothing_heavy_and_writes_no_file(tmp_path):
    code = WATCH.format(
        modules=", ".join(LIBRARY),
        late=", ".join(map(repr, LATE)),
        own=[
            *("deem.visual", "deem.cli", "deem.demo", "deem.math._latent_numba", "numba", "typer"),
            *("deem.selection.hyperparameters", "sklearn.ensemble"),
        ],
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT.parent), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "[] [] []"
    assert list(tmp_path.iterdir()) == []


def test_the_watch_sees_an_early_import(tmp_path):
    (tmp_path / "deem").mkdir()
    (tmp_path / "deem" / "__init__.py").write_text("import tqdm\n")
    code = WATCH.format(modules="deem", late="'tqdm'", own=[])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("['tqdm']")
