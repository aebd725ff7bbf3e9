"""SQLAlchemy's suite for dialects, as its README.dialects says to take it."""

from sqlalchemy.testing.suite import *  # noqa: F403
