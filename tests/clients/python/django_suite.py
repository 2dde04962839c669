"""Django's ORM on psycopg 3: https://docs.djangoproject.com/en/5.2/ref/databases/#postgresql-notes"""

import datetime
import decimal
import os
import sys
import threading
import types
import uuid

import django
from django.conf import settings

# An application is a package; this one has only the models below.
sys.modules["suite"] = types.ModuleType("suite")
sys.modules["suite"].__path__ = [os.path.dirname(os.path.abspath(__file__))]

settings.configure(
    USE_TZ=True, TIME_ZONE="UTC", DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.postgres", "suite"],
    DATABASES={
        "default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"], "USER": os.environ["PGUSER"],
                    "PASSWORD": os.environ["PGPASSWORD"], "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"], "CONN_MAX_AGE": 60,
                    "OPTIONS": {"sslmode": "verify-full", "sslrootcert": os.environ["PGSSLROOTCERT"]}},
        # As Django wants it behind a pooler in transaction mode that pins nothing; and with its prepared statements.
        "server_side": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"], "USER": os.environ["PGUSER"],
                        "PASSWORD": os.environ["PGPASSWORD"], "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"],
                        "DISABLE_SERVER_SIDE_CURSORS": True,
                        "OPTIONS": {"sslmode": "verify-full", "sslrootcert": os.environ["PGSSLROOTCERT"], "server_side_binding": True, "prepare_threshold": 0,
                                    "isolation_level": 4, "assume_role": "app"}},
    })
django.setup()

from django.contrib.postgres import fields as pg  # noqa: E402
from django.db import IntegrityError, OperationalError, connection, connections, models, transaction  # noqa: E402
from django.db.backends.postgresql.psycopg_any import NumericRange  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from harness import main, test  # noqa: E402


class Author(models.Model):
    name = models.CharField(max_length=40, unique=True)

    class Meta:
        app_label = "suite"


class Book(models.Model):
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="books")
    title = models.TextField()
    price = models.DecimalField(max_digits=10, decimal_places=2, default=1)

    class Meta:
        app_label = "suite"
        indexes = [models.Index(fields=["title"])]
        constraints = [models.CheckConstraint(condition=models.Q(price__gte=0), name="price_not_negative")]


class Everything(models.Model):
    id = models.UUIDField(primary_key=True)
    amount = models.DecimalField(max_digits=20, decimal_places=4)
    at = models.DateTimeField()
    day = models.DateField()
    gap = models.DurationField()
    raw = models.BinaryField()
    body = models.JSONField()
    words = pg.ArrayField(models.TextField())
    span = pg.IntegerRangeField()
    ip = models.GenericIPAddressField(null=True)

    class Meta:
        app_label = "suite"


@test
def migrations_make_the_tables():
    with connection.schema_editor() as editor:
        for model in (Author, Book, Everything):
            editor.create_model(model)
        field = models.IntegerField(default=7)
        field.set_attributes_from_name("year")
        editor.add_field(Book, field)
        editor.remove_field(Book, field)
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, "suite_book")
        return sorted(connection.introspection.table_names(cursor)), sorted((sorted(c["columns"]), c["primary_key"], c["check"]) for c in found.values())


@test
def the_orm_writes_and_reads():
    for n in range(10):
        author = Author.objects.create(name=f"author {n}")
        Book.objects.bulk_create([Book(author=author, title=f"book {n}-{m}", price=m) for m in range(4)])
    Book.objects.filter(title__endswith="-1").update(price=models.F("price") + 10)
    Author.objects.get(name="author 3").delete()
    rows = Author.objects.annotate(n=models.Count("books"), total=models.Sum("books__price")).order_by("name").values_list("name", "n", "total")
    return list(rows), [b.title for b in Book.objects.select_related("author").filter(author__name="author 1").order_by("title")]


@test
def types_round_trip():
    thing = dict(id=uuid.UUID(int=7), amount=decimal.Decimal("1234567890.1234"), at=datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc),
                 day=datetime.date(2024, 2, 29), gap=datetime.timedelta(days=1, seconds=2), raw=b"\x00\xff", body={"a": [1, None]},
                 words=["a,b", '"q"', ""], span=NumericRange(1, 10), ip="10.0.0.1")
    Everything.objects.create(**thing)
    got = Everything.objects.get(pk=thing["id"])
    return [repr(bytes(v) if isinstance(v := getattr(got, name), memoryview) else v) for name in thing], Everything.objects.filter(
        body__a__0=1, words__contains=["a,b"], span__contains=5).count()


@test
def atomic_blocks_nest_by_savepoints():
    seen = []
    with transaction.atomic():
        Author.objects.create(name="outer")
        try:
            with transaction.atomic():
                Author.objects.create(name="outer")
        except IntegrityError as error:
            seen.append(error.__cause__.sqlstate)
        Author.objects.create(name="outer too")
    try:
        with transaction.atomic():
            Author.objects.create(name="never")
            raise ValueError
    except ValueError:
        seen.append(Author.objects.filter(name="never").exists())
    return seen, Author.objects.filter(name__startswith="outer").count()


@test
def errors_keep_their_kind():
    seen = []
    for action in (lambda: Author.objects.create(name="x" * 60), lambda: Book.objects.create(author=Author.objects.first(), title="t", price=-1),
                   lambda: Book.objects.create(author_id=999999, title="t"), lambda: Author.objects.raw("SELECT nonsense")[0]):
        try:
            with transaction.atomic():
                action()
        except Exception as error:
            seen.append([type(error).__name__, getattr(error.__cause__, "sqlstate", None)])
    return seen


@test
def iterators_use_server_side_cursors():
    with transaction.atomic():
        inside = sum(1 for _ in Book.objects.order_by("id").iterator(chunk_size=7))
    # Outside of a transaction Django declares its cursor WITH HOLD.
    outside = sum(1 for _ in Book.objects.order_by("id").iterator(chunk_size=7))
    return inside, outside


@test
def select_for_update_locks():
    with transaction.atomic():
        list(Author.objects.select_for_update().filter(name="outer"))
        refused = []
        def other():
            try:
                with transaction.atomic():
                    list(Author.objects.select_for_update(nowait=True).filter(name="outer"))
            except OperationalError as error:
                refused.append(error.__cause__.sqlstate)
            finally:
                connection.close()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    return refused


@test
def upserts_and_get_or_create():
    Author.objects.bulk_create([Author(name=f"up {n}") for n in range(5)] + [Author(name="outer")], update_conflicts=True, unique_fields=["name"],
                               update_fields=["name"])
    return Author.objects.get_or_create(name="up 1")[1], Author.objects.get_or_create(name="up 9")[1], Author.objects.filter(name__startswith="up").count()


@test
def on_commit_and_explain():
    called = []
    with transaction.atomic():
        transaction.on_commit(lambda: called.append("committed"))
        plan = Author.objects.filter(name="outer").explain(costs=False)
    return called, "Scan" in plan


@test
def server_side_binding_and_prepared_statements():
    seen = []
    other = connections["server_side"]
    for n in range(12):
        seen.append(Author.objects.using("server_side").filter(name=f"author {n}").count())
    with other.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_isolation'), current_user")
        seen.append(cursor.fetchone())
    with transaction.atomic(using="server_side"):
        Author.objects.using("server_side").create(name="bound")
    other.close()
    return seen, Author.objects.filter(name="bound").exists()


@test
def time_zones_of_the_connection():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('TimeZone'), %s::timestamptz", [datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)])
        return cursor.fetchone(), Everything.objects.dates("at", "month")[0]


@test
def many_threads_share_the_servers():
    def work(worker):
        try:
            for step in range(10):
                with transaction.atomic():
                    Author.objects.create(name=f"thread {worker}-{step}")
        finally:
            connection.close()
    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Author.objects.filter(name__startswith="thread").count()


@test
def a_closed_connection_comes_back():
    before = Author.objects.count()
    connection.close()
    with CaptureQueriesContext(connection) as queries:
        return Author.objects.count() == before, len(queries)


if __name__ == "__main__":
    main()
