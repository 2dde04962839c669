"""asyncpg as applications use it: https://magicstack.github.io/asyncpg/current/"""

import asyncio
import datetime
import decimal
import io
import ssl
import time
import uuid

import asyncpg

from harness import async_state_of, describe, main, test


async def connect(**options):
    return await asyncpg.connect(**options)


async def table(conn, name, columns="id int PRIMARY KEY, name text"):
    await conn.execute(f"CREATE TABLE {name} ({columns})")


@test
async def connects_with_scram_and_tls():
    conn = await connect()
    settings = conn.get_settings()
    seen = [getattr(settings, name) for name in ("server_version", "server_encoding", "client_encoding", "TimeZone", "DateStyle", "is_superuser")]
    secured = conn._transport.get_extra_info("ssl_object") is not None
    await conn.close()
    return seen, secured, conn.is_closed()


@test
async def wrong_password_is_28P01():
    return await async_state_of(connect(password="wrong"))


@test
async def server_settings_reach_the_server():
    conn = await connect(server_settings={"statement_timeout": "4321", "search_path": '"Odd Name", public', "application_name": "suite"})
    seen = [await conn.fetchval(f"SHOW {name}") for name in ("statement_timeout", "search_path", "application_name")]
    await conn.close()
    return seen


@test
async def types_in_binary():
    conn = await connect()
    values = [7, 2**40, "tëxt", True, decimal.Decimal("12345678901234567890.000000001"), 1.5, b"\x00\xff", uuid.UUID(int=42),
              datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 12, 30, 1, 5, tzinfo=datetime.timezone.utc),
              datetime.timedelta(days=3, seconds=4), None, '{"a": [1, null]}', [1, None, 3], ["a,b", None, ""]]
    types = "int bigint text bool numeric float8 bytea uuid date timestamptz interval text jsonb int[] text[]".split()
    row = await conn.fetchrow("SELECT " + ", ".join(f"${n}::{name} AS c{n}" for n, name in enumerate(types, 1)), *values)
    more = await conn.fetchrow("SELECT int4range(1, 10), '{[1,3),[5,9)}'::int4multirange, '1.2.3.4/24'::inet, point(1, 2), B'101'::bit(3),"
                               " ROW(1, 'x'), '12:30'::time, 'NaN'::numeric, 'infinity'::timestamptz, ARRAY[[1,2],[3,4]], int8range(NULL, 5)")
    await conn.close()
    return list(row.values()), repr(tuple(more.values()))


@test
async def composite_and_enum_types_are_introspected():
    conn = await connect()
    await conn.execute("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (a int, m mood)")
    row = await conn.fetchrow("SELECT $1::mood AS mood, $2::pair AS pair, ARRAY[ROW(3, 'happy')::pair] AS pairs", "happy", (1, "sad"))
    kind = await conn.fetchval("SELECT $1::mood[]", ["sad", "happy"])
    await conn.close()
    return repr(row), kind


@test
async def codecs_of_the_application():
    conn = await connect()
    import json
    await conn.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    value = await conn.fetchval("SELECT $1::jsonb", {"a": [1, {"b": None}]})
    await conn.close()
    return value


@test
async def prepared_statements_run_again_and_again():
    conn = await connect()
    statement = await conn.prepare("SELECT $1::int + $2::int AS sum")
    rows = [await statement.fetchval(n, 10) for n in range(30)]
    seen = [[p.name for p in statement.get_parameters()], [(a.name, a.type.name) for a in statement.get_attributes()], statement.get_statusmsg()]
    await conn.close()
    return rows, seen


@test
async def the_statement_cache_overflows():
    conn = await connect(statement_cache_size=5)
    rows = []
    for round_ in range(3):
        for n in range(12):
            rows.append(await conn.fetchval(f"SELECT $1::int + {n}", round_))
    await conn.close()
    return rows


@test
async def without_a_statement_cache():
    conn = await connect(statement_cache_size=0)
    rows = [await conn.fetchval("SELECT $1::text || 'x'", str(n)) for n in range(10)]
    await conn.close()
    return rows


@test
async def two_clients_use_the_same_statement_names():
    # Both call theirs __asyncpg_stmt_1__, __asyncpg_stmt_2__, ...
    one, two = await connect(), await connect()
    seen = []
    for n in range(5):
        seen.append(await one.fetchval(f"SELECT {n} + $1::int", 100))
        seen.append(await two.fetchval(f"SELECT $1::text || '{n}'", "t"))
    for n in range(5):
        seen.append(await two.fetchval(f"SELECT $1::text || '{n}'", "u"))
        seen.append(await one.fetchval(f"SELECT {n} + $1::int", 200))
    await asyncio.gather(one.close(), two.close())
    return seen


@test
async def a_cached_plan_meets_changed_columns():
    one, two = await connect(), await connect()
    await table(one, "grows")
    await one.execute("INSERT INTO grows VALUES (1, 'x')")
    before = await one.fetch("SELECT * FROM grows")
    await two.execute("ALTER TABLE grows ADD COLUMN more text DEFAULT 'new'")
    # asyncpg prepares again by itself when it is told that the cached plan is out of date.
    after = await one.fetch("SELECT * FROM grows")
    await asyncio.gather(one.close(), two.close())
    return [dict(r) for r in before], [dict(r) for r in after]


@test
async def executemany_pipelines():
    conn = await connect()
    await table(conn, "many")
    await conn.executemany("INSERT INTO many VALUES ($1, $2)", [(n, f"n{n}") for n in range(3000)])
    failed = await async_state_of(conn.executemany("INSERT INTO many VALUES ($1, $2)", [(n, "x") for n in (9001, 9002, 5, 9003)]))
    seen = await conn.fetchrow("SELECT count(*), sum(id), max(name) FROM many")
    rows = await conn.fetchmany("INSERT INTO many VALUES ($1, $2) RETURNING id", [(n, "y") for n in range(7000, 7010)]) if hasattr(conn, "fetchmany") else []
    await conn.close()
    return failed, list(seen.values()), [r[0] for r in rows]


@test
async def copy_both_ways():
    conn = await connect()
    await table(conn, "copied", "id int, name text, at timestamptz")
    moment = datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc)
    tags = [await conn.copy_records_to_table("copied", records=[(n, None if n % 3 else f"n{n}", moment) for n in range(3000)])]
    tags.append(await conn.copy_to_table("copied", source=io.BytesIO(b"5000,csv,2024-01-03\n5001,,\n"), format="csv", columns=["id", "name", "at"]))
    out = io.BytesIO()
    tags.append(await conn.copy_from_query("SELECT * FROM copied WHERE id % 100 = 0 AND id > $1 ORDER BY id", 500, output=out, format="csv", header=True))
    binary = io.BytesIO()
    tags.append(await conn.copy_from_table("copied", output=binary, format="binary"))
    await conn.close()
    return tags, out.getvalue().decode(), len(binary.getvalue())


@test
async def a_failing_copy_leaves_the_connection_usable():
    conn = await connect()
    await table(conn, "copy_bad")
    async def endless():
        yield b"1\tx\n"
        raise ValueError("no more")
    states = [await async_state_of(conn.copy_records_to_table("copy_bad", records=[(1, "a"), (1, "b")])),
              await async_state_of(conn.copy_to_table("copy_bad", source=endless())),
              await async_state_of(conn.copy_records_to_table("missing", records=[(1, "a")]))]
    seen = await conn.fetchval("SELECT count(*) FROM copy_bad")
    await conn.close()
    return states, seen


@test
async def cancelling_a_task_cancels_the_statement():
    conn = await connect()
    started = time.monotonic()
    task = asyncio.ensure_future(conn.fetch("SELECT pg_sleep(15)"))
    await asyncio.sleep(0.3)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass
    seen = await conn.fetchval("SELECT 'usable'")
    await conn.close()
    return seen, time.monotonic() - started < 10


@test
async def a_timeout_cancels_the_statement():
    conn = await connect()
    state = await async_state_of(conn.fetch("SELECT pg_sleep(15)", timeout=0.3))
    seen = await conn.fetchval("SELECT 'usable'")
    await conn.close()
    return state[0], seen


@test
async def errors_abort_the_transaction_and_savepoints_recover():
    conn = await connect()
    await table(conn, "saved")
    states = []
    async with conn.transaction():
        await conn.execute("INSERT INTO saved VALUES (1, 'a')")
        try:
            async with conn.transaction():
                await conn.execute("INSERT INTO saved VALUES (2, 'b')")
                await conn.execute("INSERT INTO saved VALUES (1, 'duplicate')")
        except asyncpg.UniqueViolationError as error:
            states.append([error.sqlstate, error.constraint_name, error.table_name, error.detail])
        await conn.execute("INSERT INTO saved VALUES (3, 'c')")
    transaction = conn.transaction()
    await transaction.start()
    states.append(await async_state_of(conn.fetch("SELECT 1/0")))
    states.append(await async_state_of(conn.fetch("SELECT 1")))
    states.append(conn.is_in_transaction())
    await transaction.rollback()
    rows = await conn.fetch("SELECT id FROM saved ORDER BY id")
    await conn.close()
    return states, [r[0] for r in rows]


@test
async def isolation_levels_and_read_only():
    conn = await connect()
    seen = []
    for level in ("read_committed", "repeatable_read", "serializable"):
        async with conn.transaction(isolation=level, readonly=True, deferrable=level == "serializable"):
            seen.append(list((await conn.fetchrow("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'),"
                                                  " current_setting('transaction_deferrable')")).values()))
    async def write():
        async with conn.transaction(readonly=True):
            await conn.execute("CREATE TABLE refused (a int)")
    seen.append(await async_state_of(write()))
    await conn.close()
    return seen


@test
async def cursors_fetch_portal_by_portal():
    conn = await connect()
    async with conn.transaction():
        total = 0
        async for row in conn.cursor("SELECT n FROM generate_series(1, $1::int) n", 5000, prefetch=300):
            total += row[0]
        cursor = await conn.cursor("SELECT n FROM generate_series(1, 100) n")
        skipped = await cursor.forward(10)
        rows = [await cursor.fetchrow(), *await cursor.fetch(3)]
        between = await conn.fetchval("SELECT 'between'")
        rest = await cursor.fetch(200)
    await conn.close()
    return total, skipped, [r[0] for r in rows], between, len(rest)


@test
async def two_cursors_interleave():
    conn = await connect()
    seen = []
    async with conn.transaction():
        one = await conn.cursor("SELECT n FROM generate_series(1, 10) n")
        two = await conn.cursor("SELECT -n FROM generate_series(1, 10) n")
        for _ in range(4):
            seen.extend([(await one.fetchrow())[0], (await two.fetchrow())[0]])
    await conn.close()
    return seen


@test
async def listen_and_notify():
    ears, mouth = await connect(), await connect()
    heard, done = [], asyncio.Event()
    def on_note(_conn, _pid, channel, payload):
        heard.append((channel, payload))
        if len(heard) == 3:
            done.set()
    await ears.add_listener("news", on_note)
    for n in range(3):
        await mouth.execute(f"NOTIFY news, 'item {n}'")
    await asyncio.wait_for(done.wait(), 10)
    await ears.remove_listener("news", on_note)
    await asyncio.gather(ears.close(), mouth.close())
    return heard


@test
async def log_listeners_hear_notices():
    conn = await connect()
    heard = []
    conn.add_log_listener(lambda _conn, message: heard.append((message.severity, message.sqlstate, message.message)))
    await conn.execute("DO $$ BEGIN RAISE NOTICE 'first'; RAISE WARNING 'second'; END $$; DROP TABLE IF EXISTS never_there")
    await asyncio.sleep(0.05)
    await conn.close()
    return heard


@test
async def reset_clears_the_state():
    conn = await connect()
    await conn.execute("SET work_mem = '9MB'; CREATE TEMP TABLE scratch (a int); SELECT pg_advisory_lock(5)")
    before = await conn.fetchval("SHOW work_mem")
    await conn.reset()
    seen = [before, await conn.fetchval("SHOW work_mem")]
    await conn.close()
    return seen


@test
async def settings_follow_the_client():
    one, two = await connect(), await connect()
    await one.execute("SET work_mem = '5MB'; SET search_path = pg_catalog, \"Odd Name\"")
    await two.execute("SET work_mem = '6MB'")
    seen = []
    for _ in range(4):
        for conn in (one, two):
            seen.append([await conn.fetchval("SHOW work_mem"), await conn.fetchval("SHOW search_path")])
    await asyncio.gather(one.close(), two.close())
    return seen


@test
async def several_statements_in_one_query():
    conn = await connect()
    tag = await conn.execute("CREATE TABLE multi (a int); INSERT INTO multi VALUES (1), (2); UPDATE multi SET a = a + 1")
    bad = await async_state_of(conn.execute("INSERT INTO multi VALUES (3); SELECT 1/0"))
    prepared = await async_state_of(conn.fetch("SELECT 1; SELECT 2"))
    seen = await conn.fetchval("SELECT sum(a) FROM multi")
    await conn.close()
    return tag, bad, prepared, seen


@test
async def bad_parameters_are_reported():
    conn = await connect()
    await table(conn, "typed", "small int2, word varchar(3)")
    states = [await async_state_of(conn.execute("INSERT INTO typed VALUES ($1, $2)", *values)) for values in ((1, "long word"), (1, "a\0b"))]
    states += [await async_state_of(conn.fetch("SELECT $1::int / $2::int", 1, 0)), await async_state_of(conn.fetch("SELECT no_such_column"))]
    seen = await conn.fetchval("SELECT 1")
    await conn.close()
    return states, seen


@test
async def a_large_value_goes_both_ways():
    conn = await connect()
    value = bytes(range(256)) * 16384
    seen = await conn.fetchval("SELECT $1::bytea", value) == value
    await conn.close()
    return seen


@test
async def a_pool_with_more_clients_than_servers():
    async with asyncpg.create_pool(min_size=10, max_size=10) as pool:
        async with pool.acquire() as conn:
            await table(conn, "pooled", "worker int, step int")
        async def work(worker):
            for step in range(10):
                async with pool.acquire() as conn:
                    async with conn.transaction():
                        await conn.execute("INSERT INTO pooled VALUES ($1, $2)", worker, step)
                        await conn.fetchval("SELECT count(*) FROM pooled WHERE worker = $1", worker)
                if step == 5:
                    try:
                        await pool.fetch("SELECT 1/0")
                    except asyncpg.DivisionByZeroError:
                        pass
        await asyncio.gather(*[work(n) for n in range(20)])
        return list((await pool.fetchrow("SELECT count(*), count(DISTINCT worker), sum(step) FROM pooled")).values())


@test
async def a_client_that_vanishes_leaves_nothing():
    one, two = await connect(), await connect()
    await table(one, "left_open")
    await one.execute("BEGIN; INSERT INTO left_open VALUES (1, 'x')")
    one.terminate()
    # The row's lock goes with the client.
    await asyncio.wait_for(two.execute("INSERT INTO left_open VALUES (1, 'y')"), 10)
    seen = await two.fetch("SELECT * FROM left_open")
    await two.close()
    return [dict(r) for r in seen]


if __name__ == "__main__":
    main()
