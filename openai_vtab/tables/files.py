"""files: the uploaded files, attached to a vector store or not.

https://platform.openai.com/docs/api-reference/files
Limits: 512 MB a file, 1000 uploads a minute. Detach a file before you delete it: a store has been seen to list a
deleted file permanently, https://github.com/openai/openai-dotnet/issues/540

>>> SELECT id, filename, bytes FROM files WHERE purpose = 'assistants' ORDER BY created_at DESC LIMIT 10
"""

from ..schema import comparison, validators
from ..schema.columns import ERROR, RAW
from ..schema.table import Column, Listing, Method, Table

_POST = "POST /files"

files = Table(
    "files",
    "Uploaded files.",
    columns=(
        Column("id", "TEXT", "The file's id, file-… at OpenAI."),
        Column(
            "filename",
            "TEXT",
            "The file's name, which need not be unique. To upload a path: that file's own name unless given.",
            check=validators.filename,
            same=comparison.same_filename,
        ),
        Column("purpose", "TEXT", "The purpose: assistants, user_data, batch or another.", check=validators.text),
        Column("bytes", "INTEGER", "The size: bytes."),
        Column("created_at", "INTEGER", "When the file was uploaded: Unix seconds, UTC."),
        Column("expires_at", "INTEGER", "When the file will be deleted: Unix seconds, UTC; null when it never will."),
        Column("status", "TEXT", "uploaded, processed or error; the API calls it deprecated."),
        Column("object", "TEXT", "Always file."),
        Column("file_id", "TEXT", "The same as id.", hidden=True, source="id"),
        Column(
            "content",
            "BLOB",
            "The file's bytes. A query that names this column downloads them; OpenAI refuses this for assistants and "
            "other purposes. To upload: a BLOB or text.",
            hidden=True,
            check=validators.content,
        ),
        Column(
            "path",
            "TEXT",
            "To upload: the path of a file on this machine below upload_root, absolute or relative to it.",
            hidden=True,
            check=validators.path,
        ),
        Column(
            "expires_after",
            "TEXT",
            "To upload: JSON that says when the file is to be deleted.",
            hidden=True,
            check=validators.file_expires_after,
            shown_by="expires_at",
        ),
        RAW,
        ERROR,
    ),
    methods=(
        Method("SELECT", "GET /files/{file_id}"),
        Method(
            "SELECT",
            "GET /files",
            query={"purpose": "purpose"},
            listing=Listing.PAGES,
            page_size=10_000,
            ordered_by="created_at",
        ),
        Method("SELECT", "GET /files/{file_id}/content", gives="content", size="bytes"),
        Method(
            "INSERT",
            _POST,
            required=("content", "filename", "purpose"),
            body=("expires_after",),
            multipart="file",
        ),
        Method(
            "INSERT",
            _POST,
            required=("path", "purpose"),
            body=("filename", "expires_after"),
            multipart="file",
        ),
        Method("DELETE", "DELETE /files/{file_id}"),
    ),
    object="file",
    aliases=("openai.files.files",),
    examples=(
        "SELECT id, filename, bytes FROM files WHERE purpose = 'assistants' ORDER BY created_at DESC LIMIT 10;",
        "SELECT filename, content FROM files WHERE id = 'file-demo-01';",
        "SELECT filename, bytes FROM files WHERE id IN ('file-demo-01', 'file-demo-02');",
        "INSERT INTO files (filename, content, purpose) VALUES ('hello.md', '# Hello', 'assistants');",
        "DELETE FROM files WHERE id = 'file-new-06';",
    ),
)
