"""Django's ORM on PostgreSQL and MariaDB: what the contract of SQL asks of drivers, asked of Django."""

from __future__ import annotations

import copy
import pickle
from importlib.metadata import version
from typing import Any

import pytest

import xtrace
from tests.integrations.servers.apps import _django  # noqa: F401  configures Django
from tests.marks import SECRET
from xtrace.testing import recording

from django.db import connections, models, transaction  # isort: skip
from django.db.utils import DataError, IntegrityError, ProgrammingError  # isort: skip

pytestmark = pytest.mark.library("Django", "sync")
ALIAS = "on a server"
DRIVERS = {"postgresql": "psycopg", "mariadb": "mysqlclient"}
TABLE = "xtrace_product"
COLUMNS = f"{TABLE}.id, {TABLE}.name, {TABLE}.price"


class Product(models.Model):
    """Something with a key, a value and a constraint."""

    name = models.CharField(max_length=30, unique=True)
    price = models.IntegerField(default=0)

    class Meta:
        app_label = "contenttypes"  # of an installed one, so that objects can be unpickled
        db_table = TABLE


@pytest.fixture
def traces():
    with recording(service="shop") as traces:
        yield traces


@pytest.fixture(params=DRIVERS)
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def driver(server):
    return DRIVERS["mariadb" if server.scheme == "mysql" else "postgresql"]


@pytest.fixture(params=["alone", "with its driver"])
def objects(request, server, driver):
    """The products, Django patched; their table is there and empty."""
    connections.settings[ALIAS] = connections.configure_settings(
        {
            "default": {},
            ALIAS: {
                "ENGINE": f"django.db.backends.{server.scheme}",
                "HOST": server.host,
                "PORT": server.port,
                "USER": server.user,
                "PASSWORD": server.password,
                "NAME": server.database,
            },
        }
    )[ALIAS]
    xtrace.patch(["django", *([driver] if request.param != "alone" else [])])
    with connections[ALIAS].schema_editor() as editor:
        editor.create_model(Product)
    yield Product.objects.using(ALIAS)
    with connections[ALIAS].schema_editor() as editor:
        editor.delete_model(Product)
    connections[ALIAS].close()
    del connections[ALIAS]
    del connections.settings[ALIAS]
    xtrace.unpatch()


def queries(traces: Any) -> list[str]:
    """The recorded statements, without quotation marks, which differ from one server to the other."""
    found = [part["sql"]["sanitized_query"] for part in traces.subsegments if "sql" in part]
    return [text.replace('"', "").replace("`", "") for text in found]


def test_a_statement_is_a_subsegment_of_its_database(objects, traces, server, driver):
    with xtrace.in_segment("a"):
        assert list(objects.filter(name=SECRET)) == []
    (part,) = traces.subsegments
    assert part["name"] == f"{server.database}@{server.host}"
    assert part["namespace"] == "remote"
    sql = part["sql"]
    assert sql.pop("database_version")[0].isdigit()
    assert sql.pop("driver_version") == f"{driver}-{version(driver)}"
    text = sql.pop("sanitized_query")
    assert "%s" in text
    assert TABLE in text
    kind = "MariaDB" if server.scheme == "mysql" else "PostgreSQL"
    assert sql == {
        "url": f"{server.scheme}://{server.host}:{server.port}/{server.database}",
        "database_type": kind,
        "preparation": "statement",
        "user": server.user,
    }


def test_every_way_of_the_orm_is_one_statement_each_time(objects, traces):
    with xtrace.in_segment("a"):
        objects.bulk_create([Product(name=f"{SECRET} {number}") for number in range(5)])
        objects.filter(name=f"{SECRET} 1").update(price=7)
        assert objects.get(price=7).name == f"{SECRET} 1"
        assert len(list(objects.all().iterator(chunk_size=2))) == 5
        with connections[ALIAS].cursor() as cursor:
            cursor.executemany(
                f"insert into {TABLE} (name, price) values (%s, %s)", [("x", 1), ("y", 2)]
            )
        assert objects.count() == 7
    insert, *others = queries(traces)
    assert insert.startswith(f"INSERT INTO {TABLE} (name, price) ")
    assert [text for text in others if text not in ("BEGIN", "COMMIT")] == [
        f"UPDATE {TABLE} SET price = %s WHERE {TABLE}.name = %s",
        f"SELECT {COLUMNS} FROM {TABLE} WHERE {TABLE}.price = %s LIMIT ?",
        f"SELECT {COLUMNS} FROM {TABLE}",
        f"insert into {TABLE} (name, price) values (%s, %s)",
        f"SELECT COUNT(*) AS __count FROM {TABLE}",
    ]
    assert not any("fault" in part for part in traces.subsegments)


def test_errors_are_faults_without_values_and_stay_django_s(objects, traces):
    objects.create(name=SECRET)
    database = connections[ALIAS]
    with xtrace.in_segment("a"):
        with pytest.raises(IntegrityError), transaction.atomic(ALIAS):
            objects.create(name=SECRET)
        with pytest.raises(ProgrammingError), database.cursor() as cursor:
            cursor.execute("select * from nowhere where a = %s", [SECRET])
        with pytest.raises((DataError, IntegrityError)), database.cursor() as cursor:
            cursor.execute(f"insert into {TABLE} (name, price) values (%s, 1)", [SECRET * 9])
    faults = [part for part in traces.subsegments if part.get("fault")]
    assert len(faults) == 3
    for part in faults:
        assert part["cause"]["exceptions"][0]["message"]


def test_transactions_keep_their_meaning(objects, traces):
    with xtrace.in_segment("a"), pytest.raises(ZeroDivisionError), transaction.atomic(ALIAS):
        objects.create(name="gone")
        with transaction.atomic(ALIAS):
            objects.create(name="gone, too")
        raise ZeroDivisionError
    assert objects.count() == 0


def test_objects_and_querysets_are_pickled_and_copied(objects, traces):
    with xtrace.in_segment("a"):
        objects.create(name="x")
        found = objects.all()
        (product,) = pickle.loads(pickle.dumps(found))
        assert copy.deepcopy(product) == product == copy.copy(found).get()
