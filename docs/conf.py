"""Configuration of the documentation; `make docs` builds it with warnings as errors."""

import importlib
import os
import pkgutil
import re
from pathlib import Path

from sphinx.errors import ExtensionError

import deem

project = "deem"
author = "the deem founders"
copyright = "2026, the deem founders"  # noqa: A001
release = deem.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
]
# Links to the pages of torch, numpy and scikit-learn need the network, so they are asked for.
if os.environ.get("DEEM_INTERSPHINX"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
    }

default_role = "py:obj"
exclude_patterns = ["_build"]
templates_path = ["_templates"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "undoc-members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"deem {release}"


def reexports(package):
    """Names that a package passes on, and where they are documented."""
    homes = {
        name: getattr(getattr(package, name), "__module__", package.__name__)
        for name in getattr(package, "__all__", ())
    }
    return [(name, f"{home}.{name}") for name, home in homes.items() if home != package.__name__]


modules = [
    info
    for info in pkgutil.walk_packages(deem.__path__, "deem.")
    if not any(part.startswith("_") for part in info.name.split("."))
]
packages = ["deem", *(info.name for info in modules if info.ispkg)]
passed_on = {name: reexports(importlib.import_module(name)) for name in packages}
autosummary_context = {"reexports": passed_on}


def skip_routing(app, what, name, obj, skip, options):
    """Leave out what scikit-learn adds to estimators at run time, for metadata routing."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def check_names(app, error):
    """Ask that the pages describe everything public, and link to what packages pass on."""
    if error is not None or app.builder.name != "html":
        return
    described = set(app.env.domaindata["py"]["objects"])
    elsewhere = {f"{package}.{name}" for package in packages for name, _ in passed_on[package]}
    missing = [
        f"{info.name}.{name}"
        for info in modules
        for name in getattr(importlib.import_module(info.name), "__all__", ())
        if f"{info.name}.{name}" not in described | elsewhere
    ]
    for package in packages:
        page = Path(app.outdir, "api", "generated", f"{package}.html").read_text(encoding="utf-8")
        links = {home: f'#{home}"' in page for _, home in passed_on[package]}
        missing += [
            f"link of {package} to {home}" for home, is_there in links.items() if not is_there
        ]
    if missing:
        raise ExtensionError(f"the pages lack: {', '.join(missing)}")


def setup(app):
    app.connect("autodoc-skip-member", skip_routing)
    app.connect("build-finished", check_names)
