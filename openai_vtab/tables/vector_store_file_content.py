"""vector_store_file_content: the text that was extracted from a file in a vector store, one row for each part.

https://platform.openai.com/docs/api-reference/vector-stores-files/getContent
The keys are hidden columns, so that the table is also a function: vector_store_file_content('vs_…', 'file-…').

>>> SELECT group_concat(text, '') FROM vector_store_file_content('vs_…', 'file-…')
"""

from ..schema.columns import ERROR, RAW
from ..schema.table import Column, Listing, Method, SpecialSource, Table

vector_store_file_content = Table(
    "vector_store_file_content",
    "The text of a file in a vector store.",
    columns=(
        Column("part", "INTEGER", "The part's number, starting at 0.", source=SpecialSource.POSITION),
        Column("type", "TEXT", "The kind of the part: text."),
        Column("text", "TEXT", "The part's text."),
        Column("vector_store_id", "TEXT", "The vector store that the file is attached to.", hidden=True),
        Column("file_id", "TEXT", "The file's id.", hidden=True),
        RAW,
        ERROR,
    ),
    methods=(Method("SELECT", "GET /vector_stores/{vector_store_id}/files/{file_id}/content", listing=Listing.SINGLE),),
    object="vector_store.file_content.page",
    aliases=("openai.vector_stores.vector_store_file_content",),
    examples=("SELECT part, text FROM vector_store_file_content('vs_demo', 'file-demo-01');",),
)
