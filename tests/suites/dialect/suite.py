"""SQLAlchemy's suite for dialects, imported as its README.dialects prescribes."""

from sqlalchemy.testing.suite import *  # noqa: F403
