"""vector_store_search: the passages of a vector store that match a query, best first.

https://platform.openai.com/docs/api-reference/vector-stores/search
Limits: 1 to 50 results, 10 by default, and no second page. The arguments are hidden columns, so that the table is also
a function: vector_store_search('vs_…', 'refund policy', 5).

>>> SELECT filename, score, content FROM vector_store_search('vs_…', 'refund policy') ORDER BY score DESC LIMIT 3
"""

from ..schema import search_validators, validators
from ..schema.columns import ERROR, RAW
from ..schema.table import Column, Listing, Method, Table

vector_store_search = Table(
    "vector_store_search",
    "The passages of a vector store that match a query.",
    columns=(
        Column("file_id", "TEXT", "The id of the file that contains the passage."),
        Column("filename", "TEXT", "The file's name."),
        Column("score", "REAL", "How well the passage matches: 0 to 1."),
        Column("content", "TEXT", "The passage: the text of each part on a line of its own.", source="content.text"),
        Column(
            "content_parts",
            "TEXT",
            "The passage as the API returns it: a JSON array of {type, text}.",
            source="content",
        ),
        Column("attributes", "TEXT", "The file's attributes: a JSON object."),
        Column("vector_store_id", "TEXT", "The vector store to search.", hidden=True),
        Column(
            "query",
            "TEXT",
            "The text to search for, or a JSON array of texts.",
            hidden=True,
            check=search_validators.query,
            is_option=True,
        ),
        Column(
            "max_num_results",
            "INTEGER",
            "The maximum number of passages: 1 to 50, 10 by default.",
            hidden=True,
            check=search_validators.results,
            is_option=True,
        ),
        Column(
            "filters",
            "TEXT",
            'Which files to search, by their attributes: JSON such as {"type": "eq", "key": "lang", "value": "en"}.',
            hidden=True,
            check=search_validators.filters,
            is_option=True,
        ),
        Column(
            "ranking_options",
            "TEXT",
            'How to rank passages: JSON such as {"ranker": "auto", "score_threshold": 0.5}.',
            hidden=True,
            check=search_validators.ranking_options,
            is_option=True,
        ),
        Column(
            "rewrite_query",
            "INTEGER",
            "1 lets the API rewrite the query.",
            hidden=True,
            check=validators.boolean,
            is_option=True,
        ),
        RAW,
        ERROR,
    ),
    methods=(
        Method(
            "SELECT",
            "POST /vector_stores/{vector_store_id}/search",
            required=("query",),
            body=("max_num_results", "filters", "ranking_options", "rewrite_query"),
            listing=Listing.SINGLE,
        ),
    ),
    object="vector_store.search_results.page",
    aliases=("openai.vector_stores.vector_store_search",),
    examples=(
        "SELECT filename, round(score, 2) AS score, content FROM vector_store_search('vs_demo', 'refund policy')\n"
        "ORDER BY score DESC;",
        "SELECT filename, content FROM vector_store_search\n"
        "WHERE vector_store_id = 'vs_demo' AND query = 'warranty' AND max_num_results = 3;",
    ),
)
