"""All questions, in the order in which they are asked: later ones use what earlier ones have created."""

from ..question import Questions
from .batches import BATCHES
from .cancels import CANCELS
from .changes import CHANGES
from .documents import DOCUMENTS
from .errors import ERRORS
from .files import FILES
from .lists import LISTS
from .search import SEARCH
from .stores import STORES
from .unusual import UNUSUAL

QUESTIONS = Questions([*STORES, *FILES, *BATCHES, *UNUSUAL, *CANCELS, *LISTS, *SEARCH, *ERRORS, *CHANGES, *DOCUMENTS])
