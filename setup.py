"""The package's metadata. Tool settings live in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
PYTHONS = ("3.11", "3.12", "3.13")  # each is tested by .ci/run

# Each lower bound is tested: .ci/run installs exactly these releases once (.ci/lowest.py reads them from here).
SANDBOX = ["werkzeug>=3.1.3"]
SQLALCHEMY = ["sqlalchemy>=2.0.44"]
SHELL = ["tqdm>=4.67.0"]  # the progress bar
STACKQL = ["pyyaml>=6.0.2"]  # manifests in YAML
ALL = [*SANDBOX, *SHELL, *SQLALCHEMY, *STACKQL]  # whatever the package can use
NOTEBOOK = [*SANDBOX, *SQLALCHEMY, "ipykernel>=6.29.0", "jupysql>=0.11.0", "matplotlib>=3.9.2", "pandas>=2.2.3"]
TEST = [  # what the fast suite needs
    *SANDBOX,
    *SHELL,
    *SQLALCHEMY,
    *STACKQL,
    "dbapi-compliance>=1.15.0",
    "hypothesis>=6.130.12",
    "jsonschema>=4.21.0",
    "pytest>=8.4.0",
    "pytest-recording>=0.13.2",
    "pytest-xdist>=3.8.0",
    "trustme>=1.1.0",
    "vcrpy>=9.2.0",
]
LINT = [
    "check-jsonschema>=0.39.0",
    "import-linter>=2.17",
    "mypy>=1.18.1",
    "ruff>=0.16.0",
    "types-PyYAML>=6.0.12",
    "types-requests>=2.33.0.20261030",
    "types-tqdm>=4.67.3.20260408",
    "zizmor>=1.32.0",
]
SLOW = [  # what `pytest -m slow` and the measurement of coverage need
    *TEST,
    *NOTEBOOK,
    "coverage>=7.10.6",  # 7.10 is the first that measures subprocesses by itself
    "mypy>=1.18.1",
    "nbclient>=0.10.0",
    "openai>=3.3.1",  # its methods run against the sandbox
    "pyte>=0.8.2",  # docs/record.py's terminal
    "pytest-cov>=7.0.0",
    "rich>=14.2.0",  # docs/record.py's picture
    "schemathesis>=4.32.5",  # requests for the sandbox, from OpenAI's description
]
DOCS = ["mkdocs>=1.6.1,<2", "mkdocs-material>=9.6.0"]  # the site: mkdocs serve
FUZZ = ["atheris>=3.0"]  # what `python -m tests.fuzz` is guided by
BENCH = [
    "aiohttp>=3.9",
    "openai>=1.66",
    "shillelagh>=1.3",
    "trustme>=1.2",
]  # what `python -m tests.benchmarks` compares with
PLOT = ["matplotlib>=3.9.2"]  # for `python -m tests.benchmarks --scale --plot FILE`

RELATIVE_IMAGE = re.compile(r"^!\[[^]]*\]\((?!https?:)[^)]*\)\n\n?", re.MULTILINE)
RELATIVE_LINK = re.compile(r"\[([^]]*)\]\((?!https?:|#)[^)]*\)")


def version() -> str:
    """Return the version, which is in _version.py only."""
    namespace: dict[str, str] = {}
    exec((HERE / "openai_vtab" / "_version.py").read_text(encoding="utf-8"), namespace)  # noqa: S102 - our own file
    return namespace["__version__"]


def long_description() -> str:
    """Return the README for an index's page, where the repository's other files are not: their links become text."""
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    return RELATIVE_LINK.sub(r"\1", RELATIVE_IMAGE.sub("", readme))


setup(
    name="openai-vtab",
    version=version(),
    description="OpenAI's vector stores as SQLite virtual tables",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    author="The openai_vtab authors",
    keywords=["APSW", "embeddings", "OpenAI", "SQL", "SQLAlchemy", "SQLite", "vector store", "virtual table"],
    license_expression="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(include=["openai_vtab", "openai_vtab.*"]),
    package_data={"openai_vtab": ["py.typed"], "openai_vtab.launcher": ["import_first/*.py"]},
    install_requires=[
        "apsw>=3.53.0,<3.54",  # 3.54 crashes at an empty IN list: vtable/best_index.py, UNVERIFIED_APSW
        "requests>=2.32.4",
        "urllib3>=2.6.3,<3",  # transport/round_trip.py uses what its pools keep to themselves
    ],
    extras_require={
        "sandbox": SANDBOX,
        "shell": SHELL,
        "sqlalchemy": SQLALCHEMY,
        "stackql": STACKQL,
        "all": ALL,
        "notebook": NOTEBOOK,
        "test": TEST,
        "slow": SLOW,
        "lint": LINT,
        "bench": BENCH,
        "docs": DOCS,
        "plot": PLOT,
        "fuzz": [*TEST, *FUZZ],
    },
    entry_points={
        "console_scripts": ["openai-vtab = openai_vtab.shell:main"],
        "datasette": ["openai_vtab = openai_vtab.datasette"],
        "sqlalchemy.dialects": ["sqlite.openai_vtab = openai_vtab.sqlalchemy:dialect"],
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        *(f"Programming Language :: Python :: {python}" for python in PYTHONS),
        "Programming Language :: SQL",
        "Topic :: Database",
        "Typing :: Typed",
    ],
)
