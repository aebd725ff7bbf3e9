"""The version of the package.

>>> openai_vtab.__version__
"""

__version__ = "0.1.0"
