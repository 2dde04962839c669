"""SQLAlchemy 2 on psycopg and on asyncpg, Core and ORM: https://docs.sqlalchemy.org/en/21/"""

import asyncio
import datetime
import decimal
import functools
import os
import threading
import uuid

import sqlalchemy as sa
from sqlalchemy import exc, orm
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from harness import TESTS, main, test

ADDRESS = f"{os.environ['PGUSER']}:{os.environ['PGPASSWORD']}@{os.environ['PGHOST']}:{os.environ['PGPORT']}/{os.environ['PGDATABASE']}"


def engine(**options):
    return sa.create_engine(f"postgresql+psycopg://{ADDRESS}", **options)


def async_engine(**options):
    # asyncpg takes TLS from PGSSLMODE and PGSSLROOTCERT.
    return create_async_engine(f"postgresql+asyncpg://{ADDRESS}", **options)


class Base(orm.DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "authors"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(40), unique=True)
    books: orm.Mapped[list["Book"]] = orm.relationship(back_populates="author", cascade="all, delete-orphan", order_by="Book.id")


class Book(Base):
    __tablename__ = "books"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    title: orm.Mapped[str]
    author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("authors.id"))
    author: orm.Mapped[Author] = orm.relationship(back_populates="books")


class Everything(Base):
    __tablename__ = "everything"
    id: orm.Mapped[uuid.UUID] = orm.mapped_column(primary_key=True)
    amount: orm.Mapped[decimal.Decimal] = orm.mapped_column(sa.Numeric(20, 4))
    at: orm.Mapped[datetime.datetime] = orm.mapped_column(sa.DateTime(timezone=True))
    day: orm.Mapped[datetime.date]
    raw: orm.Mapped[bytes]
    body: orm.Mapped[dict] = orm.mapped_column(pg.JSONB)
    words: orm.Mapped[list[str]] = orm.mapped_column(pg.ARRAY(sa.String))
    span: orm.Mapped[pg.Range[int]] = orm.mapped_column(pg.INT4RANGE)
    gap: orm.Mapped[datetime.timedelta | None]


THING = dict(id=uuid.UUID(int=7), amount=decimal.Decimal("1234567890.1234"), at=datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc),
             day=datetime.date(2024, 2, 29), raw=b"\x00\xff", body={"a": [1, None]}, words=["a,b", '"q"', ""], span=pg.Range(1, 10), gap=None)


def with_engine(function):
    @functools.wraps(function)
    def run():
        made = engine()
        try:
            return function(made)
        finally:
            made.dispose()
    del run.__wrapped__
    return test(run)


def with_async_engine(function):
    @functools.wraps(function)
    async def run():
        made = async_engine()
        try:
            return await function(made)
        finally:
            await made.dispose()
    del run.__wrapped__
    return test(run)


def state(error):
    return [type(error).__name__, getattr(error.orig, "sqlstate", None)]


@with_engine
def psycopg_connects_and_reflects(made):
    with made.connect() as conn:
        Base.metadata.drop_all(conn)
        Base.metadata.create_all(conn)
        conn.commit()
    found = sa.inspect(made)
    return [sorted(found.get_table_names()), [(c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns("everything")],
            found.get_foreign_keys("books")[0]["referred_table"], [u["column_names"] for u in found.get_unique_constraints("authors")],
            made.dialect.server_version_info[0], made.dialect.default_schema_name]


@with_engine
def psycopg_orm_unit_of_work(made):
    with orm.Session(made) as session:
        session.add_all([Author(name=f"author {n}", books=[Book(title=f"book {n}-{m}") for m in range(3)]) for n in range(20)])
        session.commit()
        session.execute(sa.update(Book).where(Book.title.like("%-1")).values(title=sa.func.upper(Book.title)))
        session.delete(session.scalars(sa.select(Author).where(Author.name == "author 3")).one())
        session.commit()
        loaded = session.scalars(sa.select(Author).options(orm.selectinload(Author.books)).order_by(Author.id).limit(2)).all()
        return [[a.name, [b.title for b in a.books]] for a in loaded], session.scalar(sa.select(sa.func.count()).select_from(Book))


@with_engine
def psycopg_types_round_trip(made):
    with orm.Session(made) as session:
        session.add(Everything(**THING))
        session.commit()
        session.expire_all()
        got = session.get(Everything, THING["id"])
        return [repr(getattr(got, name)) for name in THING]


@with_engine
def psycopg_savepoints_recover(made):
    with orm.Session(made) as session:
        session.add(Author(name="kept"))
        session.flush()
        try:
            with session.begin_nested():
                session.add(Author(name="kept"))
                session.flush()
        except exc.IntegrityError as error:
            seen = state(error)
        session.add(Author(name="kept too"))
        session.commit()
        return seen, session.scalar(sa.select(sa.func.count()).where(Author.name.like("kept%")))


@with_engine
def psycopg_insert_many_returning_and_upsert(made):
    with made.begin() as conn:
        ids = conn.execute(sa.insert(Author).returning(Author.name, sort_by_parameter_order=True), [{"name": f"bulk {n:04}"} for n in range(1500)]).scalars().all()
        upsert = pg.insert(Author).values(name="bulk 0001").on_conflict_do_update(index_elements=["name"], set_={"name": "bulk 0001b"})
        return len(ids), ids == sorted(ids), conn.execute(upsert.returning(Author.name)).scalar()


@with_engine
def psycopg_isolation_levels(made):
    seen = []
    for level in ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "AUTOCOMMIT"):
        with made.connect().execution_options(isolation_level=level) as conn:
            seen.append([conn.scalar(sa.text("SHOW transaction_isolation")), conn.get_isolation_level()])
    with made.connect().execution_options(postgresql_readonly=True) as conn:
        try:
            conn.execute(sa.text("CREATE TABLE refused (a int)"))
        except exc.DBAPIError as error:
            seen.append(state(error))
    return seen


@with_engine
def psycopg_streams_by_server_side_cursor(made):
    with made.connect().execution_options(yield_per=500) as conn:
        total, parts = 0, 0
        for part in conn.execute(sa.text("SELECT n FROM generate_series(1, 3000) n")).partitions():
            parts += 1
            total += sum(row.n for row in part)
        return total, parts


@with_engine
def psycopg_errors_leave_the_pool_usable(made):
    seen = []
    for text in ("SELECT nonsense", "SELECT 1/0", "SELECT * FROM missing_table", "INSERT INTO authors (name) VALUES (repeat('x', 50))"):
        try:
            with made.begin() as conn:
                conn.execute(sa.text(text))
        except exc.DBAPIError as error:
            seen.append(state(error))
    with made.connect() as conn:
        return seen, conn.scalar(sa.text("SELECT 1"))


@test
def psycopg_queue_pool_with_more_clients_than_servers():
    made = engine(pool_size=10, max_overflow=5, pool_pre_ping=True)
    with made.begin() as conn:
        conn.execute(sa.text("CREATE TABLE pooled (worker int, step int)"))
    def work(worker):
        for step in range(10):
            with made.begin() as conn:
                conn.execute(sa.text("INSERT INTO pooled VALUES (:w, :s)"), {"w": worker, "s": step})
    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with made.connect() as conn:
        seen = list(conn.execute(sa.text("SELECT count(*), count(DISTINCT worker), sum(step) FROM pooled")).one())
    made.dispose()
    return seen


@with_engine
def psycopg_two_phase_sessions(made):
    with orm.Session(made, twophase=True) as session:
        session.add(Author(name="two-phase"))
        session.commit()
        return session.scalar(sa.select(sa.func.count()).where(Author.name == "two-phase"))


@with_async_engine
async def asyncpg_orm_unit_of_work(made):
    sessions = async_sessionmaker(made, expire_on_commit=False)
    async with sessions() as session:
        author = Author(name="async author", books=[Book(title=f"async {n}") for n in range(5)])
        session.add(author)
        await session.commit()
        session.add(Author(name="async author"))
        try:
            await session.commit()
        except exc.IntegrityError as error:
            seen = state(error)
        await session.rollback()
        got = (await session.scalars(sa.select(Author).options(orm.selectinload(Author.books)).where(Author.name == "async author"))).one()
        return seen, [b.title for b in got.books]


@with_async_engine
async def asyncpg_types_round_trip(made):
    async with AsyncSession(made) as session:
        session.add(Everything(**(THING | {"id": uuid.UUID(int=8)})))
        await session.commit()
        got = await session.get(Everything, uuid.UUID(int=8), populate_existing=True)
        return [repr(getattr(got, name)) for name in THING]


@with_async_engine
async def asyncpg_savepoints_and_isolation(made):
    seen = []
    async with made.connect() as conn:
        conn = await conn.execution_options(isolation_level="SERIALIZABLE")
        async with conn.begin():
            seen.append(await conn.scalar(sa.text("SHOW transaction_isolation")))
            try:
                async with conn.begin_nested():
                    await conn.execute(sa.text("SELECT 1/0"))
            except exc.DBAPIError as error:
                seen.append(state(error))
            seen.append(await conn.scalar(sa.text("SELECT 'after'")))
    return seen


@with_async_engine
async def asyncpg_streams(made):
    async with made.connect() as conn:
        total = 0
        async for row in await conn.stream(sa.text("SELECT n FROM generate_series(1, 3000) n")):
            total += row.n
        return total


@with_async_engine
async def asyncpg_insert_many(made):
    async with made.begin() as conn:
        await conn.execute(sa.insert(Author), [{"name": f"async bulk {n:04}"} for n in range(1000)])
        return await conn.scalar(sa.select(sa.func.count()).where(Author.name.like("async bulk%")))


@test
async def asyncpg_pool_with_more_clients_than_servers():
    made = async_engine(pool_size=10, max_overflow=5, pool_pre_ping=True)
    async with made.begin() as conn:
        await conn.execute(sa.text("CREATE TABLE async_pooled (worker int, step int)"))
    async def work(worker):
        for step in range(10):
            async with made.begin() as conn:
                await conn.execute(sa.text("INSERT INTO async_pooled VALUES (:w, :s)"), {"w": worker, "s": step})
    await asyncio.gather(*[work(n) for n in range(15)])
    async with made.connect() as conn:
        seen = list((await conn.execute(sa.text("SELECT count(*), count(DISTINCT worker), sum(step) FROM async_pooled"))).one())
    await made.dispose()
    return seen


if __name__ == "__main__":
    assert len(TESTS) == len({t.__name__ for t in TESTS})
    main()
