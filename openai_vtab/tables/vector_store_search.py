"""vector_store_search: the passages of a vector store that answer a query, best first.

https://platform.openai.com/docs/api-reference/vector-stores/search
Limits: 1 to 50 results, 10 unless you say; a second page cannot be asked for. The arguments are hidden columns, so
that it is also a function: vector_store_search('vs_…', 'refund policy', 5).

>>> SELECT filename, score, content FROM vector_store_search('vs_…', 'refund policy') ORDER BY score DESC LIMIT 3
"""

from ..schema import validators
from ..schema.table import ERROR, RAW, Column, Method, Table

vector_store_search = Table(
    "vector_store_search",
    "The passages of a vector store that answer a query.",
    columns=(
        Column("file_id", "TEXT", "The file that the passage is in."),
        Column("filename", "TEXT", "Its name."),
        Column("score", "REAL", "How well it answers: 0 to 1."),
        Column("content", "TEXT", "The passage: the texts of its parts, a line each.", source="content.text"),
        Column(
            "content_parts", "TEXT", "The same as the API gives it: a JSON array of {type, text}.", source="content"
        ),
        Column("attributes", "TEXT", "The file's attributes: a JSON object."),
        Column("vector_store_id", "TEXT", "The vector store to search.", hidden=True),
        Column(
            "query",
            "TEXT",
            "What to search for: text, or a JSON array of texts.",
            hidden=True,
            check=validators.query,
            is_option=True,
        ),
        Column(
            "max_num_results",
            "INTEGER",
            "How many passages at most: 1 to 50, 10 unless given.",
            hidden=True,
            check=validators.results,
            is_option=True,
        ),
        Column(
            "filters",
            "TEXT",
            'Which files count, by their attributes: JSON such as {"type": "eq", "key": "lang", "value": "en"}.',
            hidden=True,
            check=validators.filters,
            is_option=True,
        ),
        Column(
            "ranking_options",
            "TEXT",
            'How passages are ranked: JSON, {"ranker": "auto", "score_threshold": 0.5}.',
            hidden=True,
            check=validators.ranking_options,
            is_option=True,
        ),
        Column(
            "rewrite_query",
            "INTEGER",
            "1 lets the API put the query in other words.",
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
            body=("query", "max_num_results", "filters", "ranking_options", "rewrite_query"),
            listing="data",
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
