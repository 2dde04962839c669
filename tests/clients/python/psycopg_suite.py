"""psycopg 3 as applications use it: https://www.psycopg.org/psycopg3/docs/"""

import datetime
import threading
import time
import uuid
from decimal import Decimal

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg.types.range import Range
from psycopg_pool import ConnectionPool

import psycopg_state  # noqa: F401  its tests run, too
from harness import main, state_of, test
from psycopg_common import connect, table


@test
def connects_with_scram_and_tls():
    with connect() as conn:
        return [conn.info.parameter_status(name) for name in
                ("server_version", "server_encoding", "client_encoding", "DateStyle", "integer_datetimes", "standard_conforming_strings",
                 "is_superuser", "session_authorization", "IntervalStyle", "TimeZone")] + [conn.pgconn.ssl_in_use, conn.info.transaction_status.name]


@test
def scram_binds_to_the_certificate():
    # SCRAM-SHA-256-PLUS, or the driver refuses. Bound to the certificate that this side of the connection shows.
    with connect(channel_binding="require") as conn, connect(channel_binding="disable", sslmode="require") as without:
        return [c.execute("SELECT current_user").fetchone() for c in (conn, without)]


@test
def wrong_password_is_28P01():
    with_wrong = lambda: connect(password="wrong")
    try:
        with_wrong()
    except psycopg.OperationalError as error:
        return "password authentication failed for user \"app\"" in str(error)


@test
def startup_options_reach_the_server():
    with connect(options="-c statement_timeout=4321 -c search_path=pg_catalog,public", application_name="suite ä") as conn:
        return [conn.execute(f"SHOW {name}").fetchone()[0] for name in ("statement_timeout", "search_path", "application_name")]


@test
def client_encoding_is_honoured():
    with connect(client_encoding="LATIN1") as conn:
        return conn.execute("SELECT 'äöü', octet_length(convert_to('äöü', 'LATIN1')), current_setting('client_encoding')").fetchone()


@test
def parameters_in_text_and_binary():
    values = (7, 2**40, "tëxt", True, Decimal("12345678901234567890.000000001"), 1.5, b"\x00\xff\x01", uuid.UUID(int=42),
              datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 12, 30, 1, 5, tzinfo=datetime.timezone.utc),
              datetime.timedelta(days=3, seconds=4), None, Jsonb({"a": [1, None, "x"]}))
    seen = []
    with connect() as conn:
        for binary in (False, True):
            mark = "%b" if binary else "%t"
            query = "SELECT " + ", ".join([f"{mark}::int, {mark}::bigint, {mark}::text, {mark}::bool, {mark}::numeric, {mark}::float8, {mark}::bytea",
                                           f"{mark}::uuid, {mark}::date, {mark}::timestamptz, {mark}::interval, {mark}::text, {mark}::jsonb"])
            for results in (False, True):
                seen.append(conn.execute(query, values, binary=results).fetchone())
    assert seen[0] == seen[1] == seen[2] == seen[3]
    return seen[0]


@test
def arrays_and_ranges_in_text_and_binary():
    seen = []
    with connect() as conn:
        for binary in (False, True):
            seen.append(conn.execute(
                "SELECT %s::int[], %s::text[], %s::int4range, '{[1,3),[5,9)}'::int4multirange, ARRAY[[1,2],[3,NULL]], '{}'::text[]",
                ([1, None, 3], ["a,b", '"q"', None, ""], Range(1, 10)), binary=binary).fetchone())
    assert seen[0] == seen[1]
    return repr(seen[0])


@test
def statements_are_prepared_after_some_uses():
    with connect() as conn:
        conn.prepare_threshold = 3
        rows = [conn.execute("SELECT %s::int + 1", (n,)).fetchone()[0] for n in range(20)]
        return rows, len(conn._prepared._names)


@test
def the_statement_cache_overflows():
    with connect() as conn:
        conn.prepare_threshold = 0
        conn.prepared_max = 5
        rows = []
        for round_ in range(3):
            for n in range(12):
                rows.append(conn.execute(f"SELECT %s::int + {n} AS c{n}", (round_,)).fetchone()[0])
        return rows, len(conn._prepared._names)


@test
def prepared_statements_survive_commit_and_rollback():
    with connect() as conn:
        conn.prepare_threshold = 0
        rows = []
        for n in range(6):
            rows.append(conn.execute("SELECT %s::text || 'x'", (str(n),)).fetchone()[0])
            conn.commit() if n % 2 else conn.rollback()
        return rows


@test
def two_clients_prepare_the_same_text():
    with connect(autocommit=True) as one, connect(autocommit=True) as two:
        one.prepare_threshold = two.prepare_threshold = 0
        rows = []
        for n in range(10):
            rows.append([c.execute("SELECT %s::int * 2 AS twice", (n,)).fetchone()[0] for c in (one, two)])
        one.execute("DEALLOCATE ALL")
        rows.append(two.execute("SELECT %s::int * 2 AS twice", (99,)).fetchone()[0])
        return rows


@test
def a_prepared_statement_meets_changed_columns():
    with connect(autocommit=True) as conn:
        table(conn, "grows")
        conn.prepare_threshold = 0
        seen = [conn.execute("SELECT * FROM grows", prepare=True).description]
        with connect(autocommit=True) as other:
            other.execute("ALTER TABLE grows ADD COLUMN more text")
        # PostgreSQL answers 0A000 here; a pooler may heal it. Either way the connection goes on.
        try:
            conn.execute("SELECT * FROM grows", prepare=True)
        except psycopg.errors.FeatureNotSupported:
            pass
        return len(seen[0]), conn.execute("SELECT 1").fetchone()


@test
def pipeline_mode_runs_many_statements():
    with connect() as conn:
        table(conn, "piped")
        with conn.pipeline():
            for n in range(300):
                conn.execute("INSERT INTO piped VALUES (%s, %s)", (n, f"n{n}"))
            cursor = conn.execute("SELECT count(*), min(name), max(id) FROM piped")
        return cursor.fetchone()


@test
def pipeline_mode_aborts_to_the_sync():
    # On libpq's own calls: above them it is a matter of timing which statement an error is reported at.
    with connect(autocommit=True) as conn:
        table(conn, "piped_error")
        pgconn = conn.pgconn
        pgconn.nonblocking = 0
        pgconn.enter_pipeline_mode()
        for values in (((1, "a"),), ((1, "b"), (2, "c")), ((3, "d"),)):
            for n, name in values:
                pgconn.send_query_params(b"INSERT INTO piped_error VALUES ($1, $2) RETURNING id", [str(n).encode(), name.encode()])
            pgconn.pipeline_sync()
        seen, syncs = [], 0
        while syncs < 3:
            result = pgconn.get_result()
            if result is None:
                continue
            status = psycopg.pq.ExecStatus(result.status)
            syncs += status == psycopg.pq.ExecStatus.PIPELINE_SYNC
            state = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
            seen.append([status.name, state.decode() if state else None])
        pgconn.exit_pipeline_mode()
        pgconn.nonblocking = 1
        return seen, conn.execute("SELECT array_agg(id ORDER BY id) FROM piped_error").fetchone()


@test
def executemany_returns_rows():
    with connect() as conn:
        table(conn, "many")
        cursor = conn.cursor()
        cursor.executemany("INSERT INTO many VALUES (%s, %s) RETURNING id * 10", [(n, str(n)) for n in range(50)], returning=True)
        rows = [cursor.fetchone()[0]]
        while cursor.nextset():
            rows.append(cursor.fetchone()[0])
        return rows


@test
def copy_in_text_and_binary():
    with connect() as conn:
        table(conn, "copied", "id int, name text, at timestamptz")
        moment = datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
        with conn.cursor().copy("COPY copied FROM STDIN") as copy:
            for n in range(2000):
                copy.write_row((n, "tab\tand\nline" if n % 2 else None, moment))
        with conn.cursor().copy("COPY copied FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int4", "text", "timestamptz"])
            for n in range(2000, 4000):
                copy.write_row((n, f"n{n}", moment))
        return conn.execute("SELECT count(*), count(name), sum(id), min(at), max(length(name)) FROM copied").fetchone()


@test
def copy_out_text_and_binary():
    query = "COPY (SELECT n, 'v' || n, NULL::text FROM generate_series(1, 5000) n) TO STDOUT"
    with connect() as conn:
        with conn.cursor().copy(query) as copy:
            text = sum(len(block) for block in copy)
        with conn.cursor().copy(query + " (FORMAT binary)") as copy:
            copy.set_types(["int4", "text", "text"])
            rows = list(copy.rows())
        return text, len(rows), rows[:2], rows[-1]


@test
def copy_errors_leave_the_connection_usable():
    with connect(autocommit=True) as conn:
        table(conn, "copy_bad", "id int")
        def bad():
            with conn.cursor().copy("COPY copy_bad FROM STDIN") as copy:
                copy.write("1\nnot a number\n")
        def abandoned():
            with conn.cursor().copy("COPY copy_bad FROM STDIN") as copy:
                copy.write("1\n")
                raise ValueError("the application changed its mind")
        states = [state_of(bad), state_of(abandoned), state_of(lambda: conn.execute("COPY copy_bad FROM '/nowhere'"))]
        return states, conn.execute("SELECT count(*) FROM copy_bad").fetchone()


@test
def copy_to_can_be_left_early():
    with connect(autocommit=True) as conn:
        def early():
            with conn.cursor().copy("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 20000)) TO STDOUT") as copy:
                next(iter(copy))
                raise ValueError("seen enough")
        kind = state_of(early)
        return kind, conn.execute("SELECT 'still here'").fetchone()


@test
def cancel_stops_a_running_statement():
    with connect() as conn:
        timer = threading.Timer(0.3, conn.cancel)
        timer.start()
        started = time.monotonic()
        state = state_of(lambda: conn.execute("SELECT pg_sleep(15)"))
        timer.join()
        conn.rollback()
        return state, time.monotonic() - started < 10, conn.execute("SELECT 1").fetchone()


@test
def cancel_safe_uses_the_connections_encryption():
    with connect() as conn:
        timer = threading.Timer(0.3, conn.cancel_safe)
        timer.start()
        state = state_of(lambda: conn.execute("SELECT pg_sleep(15)"))
        timer.join()
        return state


@test
def cancel_of_an_idle_connection_does_nothing():
    with connect(autocommit=True) as conn:
        conn.execute("SELECT 1")
        conn.cancel_safe()
        return conn.execute("SELECT pg_sleep(0.2), 5").fetchone()[1]


@test
def statement_timeout_fires():
    with connect(autocommit=True) as conn:
        conn.execute("SET statement_timeout = '100ms'")
        state = state_of(lambda: conn.execute("SELECT pg_sleep(10)"))
        return state, conn.execute("SHOW statement_timeout").fetchone()


@test
def an_error_aborts_the_transaction():
    with connect() as conn:
        states = [state_of(lambda: conn.execute("SELECT 1/0")), state_of(lambda: conn.execute("SELECT 1")), conn.info.transaction_status.name]
        conn.rollback()
        return states, conn.info.transaction_status.name, conn.execute("SELECT 1").fetchone()


@test
def commit_of_a_failed_transaction_rolls_back():
    with connect(autocommit=True) as conn:
        table(conn, "undone")
        conn.execute("BEGIN")
        conn.execute("INSERT INTO undone VALUES (1, 'x')")
        state_of(lambda: conn.execute("SELECT nonsense"))
        tag = conn.execute("COMMIT").statusmessage
        return tag, conn.execute("SELECT count(*) FROM undone").fetchone()


@test
def savepoints_recover():
    with connect() as conn:
        table(conn, "saved")
        with conn.transaction():
            conn.execute("INSERT INTO saved VALUES (1, 'a')")
            try:
                with conn.transaction():
                    conn.execute("INSERT INTO saved VALUES (2, 'b')")
                    conn.execute("INSERT INTO saved VALUES (1, 'duplicate')")
            except psycopg.errors.UniqueViolation as error:
                seen = [error.diag.constraint_name, error.diag.table_name, error.diag.schema_name, error.diag.message_detail, error.diag.severity]
            with conn.transaction(force_rollback=True):
                conn.execute("INSERT INTO saved VALUES (3, 'c')")
            conn.execute("INSERT INTO saved VALUES (4, 'd')")
        return seen, conn.execute("SELECT array_agg(id ORDER BY id) FROM saved").fetchone()


@test
def errors_carry_position_and_hint():
    with connect(autocommit=True) as conn:
        conn.execute("CREATE TABLE hinted (amount int)")
        try:
            conn.execute("SELECT 1,\n  amunt FROM hinted")
        except psycopg.Error as error:
            return error.sqlstate, error.diag.statement_position, error.diag.message_hint, error.diag.source_function


@test
def notices_arrive():
    notices = []
    with connect(autocommit=True) as conn:
        conn.add_notice_handler(lambda diag: notices.append((diag.severity, diag.sqlstate, diag.message_primary)))
        conn.execute("DO $$ BEGIN RAISE NOTICE 'first'; RAISE WARNING 'second'; END $$")
        conn.execute("DROP TABLE IF EXISTS never_there")
        conn.execute("COMMIT")
    return notices


@test
def listen_and_notify():
    with connect(autocommit=True) as ears, connect(autocommit=True) as mouth:
        ears.execute("LISTEN news")
        for n in range(5):
            mouth.execute("SELECT pg_notify('news', %s)", (f"item {n}",))
        mouth.execute("NOTIFY other, 'unheard'")
        heard = [(note.channel, note.payload) for note in ears.notifies(timeout=10, stop_after=5)]
        ears.execute("UNLISTEN *")
        mouth.execute("NOTIFY news, 'late'")
        return heard, [note.payload for note in ears.notifies(timeout=0.2)]


@test
def notify_waits_for_commit():
    with connect(autocommit=True) as ears, connect() as mouth:
        ears.execute("LISTEN committed")
        mouth.execute("NOTIFY committed, 'rolled back'")
        mouth.rollback()
        mouth.execute("NOTIFY committed, 'kept'")
        mouth.commit()
        return [note.payload for note in ears.notifies(timeout=10, stop_after=1)]


@test
def two_phase_commit():
    with connect(autocommit=True) as conn, connect(autocommit=True) as other:
        table(conn, "prepared_tx")
        conn.execute("BEGIN")
        conn.execute("INSERT INTO prepared_tx VALUES (1, 'x')")
        tags = [conn.execute("PREPARE TRANSACTION 'suite-gid'").statusmessage]
        before = other.execute("SELECT count(*) FROM prepared_tx").fetchone()
        tags.append(other.execute("COMMIT PREPARED 'suite-gid'").statusmessage)
        return tags, before, conn.execute("SELECT count(*) FROM prepared_tx").fetchone()


@test
def a_pool_with_more_clients_than_servers():
    with ConnectionPool("", min_size=10, max_size=10, open=True) as pool:
        pool.wait(15)
        with pool.connection() as conn:
            table(conn, "pooled", "worker int, step int")
        def work(worker):
            for step in range(10):
                with pool.connection() as conn:
                    conn.execute("INSERT INTO pooled VALUES (%s, %s)", (worker, step))
                    if step == 5:
                        state_of(lambda: conn.execute("SELECT 1/0"))
        threads = [threading.Thread(target=work, args=(n,)) for n in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with pool.connection() as conn:
            return conn.execute("SELECT count(*), count(DISTINCT worker), sum(step) FROM pooled").fetchone()


@test
def many_transactions_of_many_clients_add_up():
    with connect(autocommit=True) as conn:
        conn.execute("CREATE TABLE counter AS SELECT 0 AS n")
    def work():
        with connect() as conn:
            for _ in range(20):
                with conn.transaction():
                    conn.execute("UPDATE counter SET n = n + 1")
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with connect() as conn:
        return conn.execute("SELECT n FROM counter").fetchone()


@test
def rows_as_dictionaries_with_types_described():
    with connect(row_factory=dict_row) as conn:
        cursor = conn.execute("SELECT 1::int2 AS small, 'x'::varchar(7) AS word, 1.50::numeric(10, 2) AS money, now() IS NOT NULL AS yes")
        return cursor.fetchone(), [(c.name, c.type_code, c.display_size, c.internal_size, c.precision, c.scale) for c in cursor.description]


if __name__ == "__main__":
    main()
