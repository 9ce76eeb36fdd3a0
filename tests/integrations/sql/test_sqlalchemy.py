"""SQLAlchemy 1.4 and 2: Core, ORM, async, Flask-SQLAlchemy; over traced and untraced drivers."""

from __future__ import annotations

import asyncio
import threading

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session, declarative_base
from sqlalchemy.pool import NullPool, QueuePool

import xtrace
from tests.helpers import eventually
from tests.marks import SECRET
from xtrace.integrations import _sql

pytestmark = pytest.mark.library("sqlalchemy", "sync", "async")
DRIVERS = [
    "sqlite3",
    "psycopg2",
    "psycopg",
    "asyncpg",
    "pymysql",
    "mysqlclient",
    "aiosqlite",
    "aiomysql",
]
Base = declarative_base()


class Item(Base):
    __tablename__ = "items_of_sqlalchemy"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(100), unique=True)


URLS = {
    "pysqlite": (None, "sqlite://"),
    "psycopg2": ("postgresql", "postgresql+psycopg2"),
    "psycopg": ("postgresql", "postgresql+psycopg"),
    "pymysql": ("mariadb", "mysql+pymysql"),
    "mysqldb": ("mariadb", "mysql+mysqldb"),
}
ASYNC_URLS = {
    "aiosqlite": (None, "sqlite+aiosqlite://"),
    "asyncpg": ("postgresql", "postgresql+asyncpg"),
    "aiomysql": ("mariadb", "mysql+aiomysql"),
}
if sa.__version__.startswith("1.4"):
    del URLS["psycopg"]
else:
    ASYNC_URLS["psycopg"] = ("postgresql", "postgresql+psycopg")


def url_of(request, server, url):
    if server is None:
        return url
    return (
        url + request.getfixturevalue(server).url[len(server if server != "mariadb" else "mysql") :]
    )


@pytest.fixture(params=["alone", "with drivers"])
def patched(request):
    """SQLAlchemy, and perhaps all drivers below it."""
    xtrace.patch(["sqlalchemy", *(DRIVERS if request.param != "alone" else [])])
    yield
    xtrace.unpatch()


@pytest.fixture(params=URLS)
def engine(request, patched):
    """With an empty table of items."""
    engine = sa.create_engine(url_of(request, *URLS[request.param]))
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite(patched):
    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def of_driver(texts):
    """Without BEGIN and the like, which asyncpg alone runs as statements."""
    return [
        text for text in texts if text is None or not text.startswith(("BEGIN", "COMMIT", "ROLL"))
    ]


def test_core_s_statements_are_subsegments_of_their_database(engine, traces):
    with xtrace.in_segment("a"), engine.connect() as connection:
        assert connection.execute(sa.text("select 'blue', :a"), {"a": SECRET}).all() == [
            ("blue", SECRET)
        ]
    [call] = [s for s in traces.subsegments if "sql" in s]
    url = engine.url
    assert call["namespace"] == "remote"
    name = f"{url.database}@{url.host}" if url.host else ":memory:"
    assert call["name"] == name
    sql = call["sql"]
    assert sql["database_version"][0].isdigit()
    assert sql["preparation"] == "statement"
    assert sql["sanitized_query"].startswith("select ?, ")
    assert sql.get("user") == url.username
    assert SECRET not in str(traces.documents)


def test_the_orm_s_statements_too_each_once(engine, queries, traces):
    with xtrace.in_segment("a"), Session(engine) as session:
        session.add_all([Item(id=number, name=f"{SECRET} {number}") for number in range(1, 4)])
        session.commit()
        assert session.query(Item).filter(Item.name == f"{SECRET} 2").count() == 1
        session.execute(sa.update(Item).where(Item.id < 3).values(name=None))
        session.commit()
    texts = of_driver(queries())
    assert [text.split()[0] for text in texts] == ["INSERT", "SELECT", "UPDATE"]
    updated = [
        s for s in traces.subsegments if s.get("sql", {}).get("sanitized_query") == texts[-1]
    ]
    assert updated[0]["metadata"]["sql"]["rows"] == 2
    assert SECRET not in str(traces.documents)


def test_an_error_is_a_fault_with_what_is_behind_it_and_where_it_happened(engine, traces):
    def work(session):
        session.add_all([Item(id=8, name=SECRET)])
        session.flush()
        session.add(Item(id=9, name=SECRET))
        session.flush()

    with pytest.raises(sa.exc.IntegrityError, match=r"parameters"):
        with xtrace.in_segment("a"), Session(engine) as session:
            work(session)
    failed = next(s for s in traces.subsegments if s.get("fault"))
    wrapped, original = failed["cause"]["exceptions"]
    assert (wrapped["type"], wrapped["cause"]) == ("IntegrityError", original["id"])
    assert "work" in [frame["label"] for frame in wrapped["stack"]]
    assert any(word in wrapped["message"].lower() for word in ("unique", "duplicate"))
    assert traces.documents[0]["cause"] == wrapped["id"]
    assert SECRET not in str(traces.documents)
    assert xtrace.stats().open == 0


def test_what_a_type_s_code_raises_quotes_nothing(sqlite, traces):
    class Number(sa.types.TypeDecorator):
        impl = sa.Integer
        cache_ok = True

        def process_bind_param(self, value, dialect):
            return int(value)

    with (
        pytest.raises(sa.exc.StatementError),
        xtrace.in_segment("a"),
        sqlite.connect() as connection,
    ):
        connection.execute(sa.select(sa.literal(SECRET, Number)))
    assert SECRET not in str(traces.documents)


def test_many_rows_are_one_subsegment(engine, queries):
    with xtrace.in_segment("a"), engine.begin() as connection:
        rows = [{"id": number, "name": str(number)} for number in range(1, 200)]
        connection.execute(sa.insert(Item), rows)
        result = connection.execution_options(stream_results=True).execute(sa.select(Item))
        assert len(result.all()) == 199
    assert len(of_driver(queries())) == 2


def test_what_listeners_do_stays_theirs(sqlite, queries):
    seen = []

    @event.listens_for(sqlite, "before_cursor_execute", retval=True)
    def comment(conn, cursor, statement, parameters, context, executemany):
        return statement + " -- ours", parameters

    @event.listens_for(sqlite, "after_cursor_execute")
    def after(conn, cursor, statement, parameters, context, executemany):
        seen.append(statement)

    with xtrace.in_segment("a"), sqlite.connect() as connection:
        assert connection.execute(sa.text("select 1")).scalar() == 1
    assert seen == ["select 1 -- ours"]
    assert len(queries()) == 1


def test_a_wait_for_a_connection_is_a_subsegment_of_its_own(tmp_path, patched, traces):
    engine = sa.create_engine(
        f"sqlite:///{tmp_path}/x.db",
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        pool_timeout=15,
        connect_args={"check_same_thread": False},
    )
    held, release = threading.Event(), threading.Event()

    def hold():
        with engine.connect():
            held.set()
            release.wait(15)

    def let_go():
        eventually(lambda: any(e.name == _sql.POOL_WAIT for e in list(xtrace.recorder.open)))
        release.set()

    threads = [threading.Thread(target=hold), threading.Thread(target=let_go)]
    threads[0].start()
    held.wait(15)
    threads[1].start()
    with xtrace.in_segment("a"), engine.connect() as connection:
        connection.execute(sa.text("select 1"))
    for thread in threads:
        thread.join()
    engine.dispose()
    wait = next(s for s in traces.subsegments if s["name"] == _sql.POOL_WAIT)
    assert wait["metadata"]["sql"]["pool"]["most"] == 1


def test_an_exhausted_pool_is_a_fault(patched, traces, tmp_path):
    engine = sa.create_engine(
        f"sqlite:///{tmp_path}/x.db",
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        pool_timeout=0.01,
    )
    with engine.connect(), xtrace.in_segment("a"), pytest.raises(sa.exc.TimeoutError):
        engine.connect()
    engine.dispose()
    [wait] = [s for s in traces.subsegments if s["name"] == _sql.POOL_WAIT]
    assert wait["fault"] is True


def test_engines_from_before_and_after_unpatch(queries):
    engine = sa.create_engine("sqlite://", poolclass=NullPool)
    xtrace.patch("sqlalchemy_core")  # as the official SDK calls it
    with xtrace.in_segment("a"), engine.connect() as connection:
        connection.execute(sa.text("select 1"))
    xtrace.unpatch()
    with xtrace.in_segment("a"), engine.connect() as connection:
        connection.execute(sa.text("select 2"))
    assert queries() == ["select ?"]


def test_without_a_segment_nothing_is_recorded(sqlite, traces):
    with sqlite.connect() as connection:
        connection.execute(sa.text("select 1"))
    with xtrace.in_segment("a", sampling=False), sqlite.connect() as connection:
        connection.execute(sa.text("select 1"))
    assert traces.documents == []


def test_a_function_that_connects_is_asked_for_the_database(patched, postgresql, traces):
    import psycopg2

    engine = sa.create_engine(
        "postgresql+psycopg2://", creator=lambda: psycopg2.connect(postgresql.url)
    )
    with xtrace.in_segment("a"), engine.connect() as connection:
        connection.execute(sa.text("select 1"))
    engine.dispose()
    assert traces.subsegments[-1]["name"] == f"{postgresql.database}@{postgresql.host}"


@pytest.mark.parametrize("driver", ASYNC_URLS)
def test_async_engines(request, patched, driver, traces, queries):
    url = url_of(request, *ASYNC_URLS[driver])

    async def fail(connection):
        await connection.execute(sa.text("select :a from nowhere"), {"a": SECRET})

    async def main():
        engine = create_async_engine(url)
        async with engine.connect() as connection:
            await connection.execute(sa.text("select 1"))
        with xtrace.in_segment("a"):
            async with engine.connect() as connection:
                result = await connection.execute(sa.text("select 'blue'"))
                assert result.all() == [("blue",)]
                with pytest.raises(sa.exc.DBAPIError):
                    await fail(connection)
        await engine.dispose()

    asyncio.run(main())
    assert of_driver(queries())[0] == "select ?"
    assert len(of_driver(queries())) == 2
    failed = next(s for s in traces.subsegments if s.get("fault"))
    assert "fail" in [frame["label"] for frame in failed["cause"]["exceptions"][0]["stack"]]
    assert SECRET not in str(traces.documents)


def test_tasks_keep_their_statements_apart(patched, postgresql, traces):
    url = "postgresql+asyncpg" + postgresql.url[len("postgresql") :]

    async def task(engine, number):
        with xtrace.in_segment(f"segment {number}"):
            for _ in range(5):
                with xtrace.in_subsegment("work") as work:
                    async with engine.connect() as connection:
                        await connection.execute(sa.text("select 1"))
                    assert xtrace.current_subsegment() is work

    async def main():
        engine = create_async_engine(url, pool_size=3)
        await asyncio.gather(*(task(engine, number) for number in range(8)))
        await engine.dispose()

    asyncio.run(main())
    assert len(traces.documents) == 8
    for document in traces.documents:
        texts = [
            part["sql"].get("sanitized_query")
            for work in document["subsegments"]
            for part in work.get("subsegments", ())
            if "sql" in part
        ]
        assert texts.count("select ?") == 5


def test_a_cancelled_statement_says_so(patched, postgresql, traces):
    url = "postgresql+asyncpg" + postgresql.url[len("postgresql") :]

    async def main():
        engine = create_async_engine(url, poolclass=NullPool)
        with xtrace.in_segment("a"):
            with pytest.raises((TimeoutError, asyncio.TimeoutError)):
                async with engine.connect() as connection:
                    await asyncio.wait_for(connection.execute(sa.text("select pg_sleep(60)")), 0.05)
        await engine.dispose()

    asyncio.run(main())
    slept = next(s for s in traces.subsegments if "pg_sleep" in str(s))
    assert slept["annotations"] == {"cancelled": "CancelledError"}


@pytest.mark.library("flask-sqlalchemy", "sync")
def test_flask_sqlalchemy(queries):
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    xtrace.patch(["flask_sqlalchemy", "flask"])
    try:
        app = Flask("shop")
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
        database = SQLAlchemy(app)

        @app.get("/")
        def index():
            return str(database.session.execute(sa.text("select 17")).scalar())

        assert app.test_client().get("/").data == b"17"
    finally:
        xtrace.unpatch()
    assert queries() == ["select ?"]
