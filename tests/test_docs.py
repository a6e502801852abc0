"""The documentation is whole: its code runs, and everything public says what it is."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from pages import ROOT, blocks, run_page

import deem
from deem.utils import exception

PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))
MODULES = [
    "deem",
    *(
        info.name
        for info in pkgutil.walk_packages(deem.__path__, "deem.")
        if not any(part.startswith("_") for part in info.name.split("."))
    ),
]


def public(module_name):
    """Names and objects of a module that say they are public."""
    module = importlib.import_module(module_name)
    return [(name, getattr(module, name)) for name in getattr(module, "__all__", ())]


def page(name):
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


FACTS = {
    "docs/add_a_model.md": lambda found: found["accuracy"] > 0.8 and min(found["weights"]) > 0,
    "docs/add_a_sampler.md": lambda found: found["distance"] < 0.02,
    "docs/baselines.md": lambda found: (
        len(found["hardest"]) == 10
        and found["accuracy"]["DEEM"] > found["accuracy"]["MajorityVote"] > 0.8
    ),
    "docs/command_line.md": lambda found: found["Path"]("probabilities.csv").is_file(),
    "docs/dependence.md": lambda found: (
        len(found["found"].clusters) == 3
        and min(found["accuracy"].values()) == found["accuracy"]["plain"]
    ),
    "docs/quickstart.md": lambda found: found["consensus"] > found["vote"],
}
"""What must hold after the code of a page has run."""


@pytest.fixture
def each_picture_once(monkeypatch):
    """Draw no picture over one of the same name: commands of a page repeat theirs."""
    draw = Figure.savefig

    def savefig(figure, path, **options):
        if not Path(path).exists():
            draw(figure, path, **options)

    monkeypatch.setattr(Figure, "savefig", savefig)


@pytest.mark.usefixtures("each_picture_once")
@pytest.mark.filterwarnings("ignore::deem.utils.exception.CopiedClassifierWarning")
@pytest.mark.parametrize("name", [name for name in PAGES if blocks(name, "python")])
def test_the_code_of_a_page_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run_page(name)
    assert name not in FACTS or FACTS[name](found)


def test_troubleshooting_lists_every_error_and_warning():
    listed = re.findall(r"^\| `(\w+)` \|", page("troubleshooting.md"), re.MULTILINE)
    classes = [name for name, value in public("deem.utils.exception") if inspect.isclass(value)]
    assert sorted(listed) == sorted(classes)
    errors = page("troubleshooting.md").partition("## Warnings")[0]
    for name in classes:
        is_warning = issubclass(getattr(exception, name), Warning)
        assert (f"| `{name}` |" in errors) is not is_warning


def own_methods(cls):
    """Public methods and properties of a class that are no overrides."""
    for name, value in vars(cls).items():
        is_code = inspect.isfunction(value) or isinstance(value, (property, classmethod))
        if name.startswith("_") or not (is_code or isinstance(value, staticmethod)):
            continue
        if not any(hasattr(base, name) for base in cls.__mro__[1:]):
            yield name, value


def undocumented(module_name):
    """Public names of a module, and methods below them, that say nothing."""
    for name, value in public(module_name):
        if not (inspect.isclass(value) or inspect.isroutine(value)):
            continue
        path = f"{module_name}.{name}"
        if not (value.__doc__ or "").strip() or value.__doc__.startswith(f"{name}("):
            yield path
        if inspect.isclass(value):
            for method, code in own_methods(value):
                if not (code.__doc__ or "").strip():
                    yield f"{path}.{method}"


@pytest.mark.parametrize("module_name", MODULES)
def test_everything_public_has_a_docstring(module_name):
    assert importlib.import_module(module_name).__doc__
    assert list(undocumented(module_name)) == []


def test_the_check_finds_what_says_nothing(monkeypatch):
    class Silent:
        """Says something, but its method does not."""

        def speak(self): ...

        def __len__(self): ...

    monkeypatch.setattr(exception, "Silent", Silent, raising=False)
    monkeypatch.setattr(exception, "__all__", ["Silent"])
    assert list(undocumented("deem.utils.exception")) == ["deem.utils.exception.Silent.speak"]
