"""A Django project in one file: migrate, raw SQL, an unmanaged model of an API table, and one of the database's own."""

import json
import sys

import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.db import connection, models, transaction  # noqa: E402


class VectorStore(models.Model):
    id = models.CharField(primary_key=True, max_length=100)
    name = models.CharField(max_length=100)

    class Meta:
        app_label = "site"
        managed = False
        db_table = "vector_stores"


call_command("migrate", verbosity=0)
with transaction.atomic():
    User.objects.create(username="ada")
with connection.cursor() as cursor:
    cursor.execute(
        "SELECT status FROM vector_store_files WHERE vector_store_id = %s AND file_id = %s", ["vs_demo", "file-demo-01"]
    )
    raw = cursor.fetchone()
print(
    json.dumps(
        {
            "tables": "auth_user" in connection.introspection.table_names(),
            "users": list(User.objects.values_list("username", flat=True)),
            "raw": list(raw),
            "count": VectorStore.objects.count(),
            "names": list(VectorStore.objects.order_by("name").values_list("name", flat=True)),
            "one": VectorStore.objects.get(id="vs_demo").name,
        }
    )
)
