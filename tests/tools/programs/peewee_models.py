"""peewee: a model of an API table, and one of the database's own."""

import json
import sys

from peewee import CharField, Model, SqliteDatabase

database = SqliteDatabase(sys.argv[1])


class Base(Model):
    class Meta:
        database = database


class VectorStore(Base):
    id = CharField(primary_key=True)
    name = CharField()

    class Meta:
        table_name = "vector_stores"


class Note(Base):
    text = CharField()


database.create_tables([Note])
with database.atomic():
    Note.create(text="local")
with database.atomic():
    VectorStore.insert(name="From peewee").execute()
names = [store.name for store in VectorStore.select().order_by(VectorStore.name)]
print(json.dumps({"names": names, "one": VectorStore.get_by_id("vs_demo").name, "notes": Note.select().count()}))
