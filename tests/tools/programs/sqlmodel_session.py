"""SQLModel: a session that reads an API table, whose model has a key of type text."""

import json
import sys

from sqlmodel import Field, Session, SQLModel, create_engine, select


class VectorStore(SQLModel, table=True):
    __tablename__ = "vector_stores"
    id: str | None = Field(default=None, primary_key=True)
    name: str


engine = create_engine(f"sqlite:///{sys.argv[1]}")
with Session(engine) as session:
    names = [store.name for store in session.exec(select(VectorStore).order_by(VectorStore.name))]
    one = session.exec(select(VectorStore).where(VectorStore.id == "vs_demo")).one().name
print(json.dumps({"names": names, "one": one}))
