"""What a psycopg client keeps between statements and transactions: isolation, settings, temporary tables, locks, cursors."""

import psycopg

from harness import state_of, test
from psycopg_common import connect, table


@test
def isolation_levels_and_read_only():
    seen = []
    for level in psycopg.IsolationLevel:
        with connect() as conn:
            conn.isolation_level, conn.read_only, conn.deferrable = level, True, True
            seen.append([conn.execute("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'),"
                                      " current_setting('transaction_deferrable')").fetchone(),
                         state_of(lambda: conn.execute("CREATE TABLE refused (a int)"))])
    return seen


@test
def repeatable_read_keeps_its_snapshot():
    with connect() as conn, connect(autocommit=True) as other:
        table(other, "snap")
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        before = conn.execute("SELECT count(*) FROM snap").fetchone()
        other.execute("INSERT INTO snap VALUES (1, 'x')")
        inside = conn.execute("SELECT count(*) FROM snap").fetchone()
        conn.commit()
        return before, inside, conn.execute("SELECT count(*) FROM snap").fetchone()


@test
def serializable_conflicts_are_40001():
    with connect() as one, connect() as two:
        table(one, "clash")
        one.isolation_level = two.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        for conn, n in ((one, 1), (two, 2)):
            conn.execute("SELECT count(*) FROM clash")
            conn.execute("INSERT INTO clash VALUES (%s, 'x')", (n,))
        one.commit()
        return state_of(two.commit)[:2]


@test
def settings_follow_the_client():
    with connect(autocommit=True) as one, connect(autocommit=True) as two:
        one.execute("SET work_mem = '5MB'")
        one.execute("SET search_path = pg_catalog, \"Odd Name\", public")
        one.execute("SET TimeZone = 'Asia/Tokyo'")
        two.execute("SET work_mem = '6MB'")
        seen = []
        for _ in range(4):
            for conn in (one, two):
                seen.append([conn.execute(f"SHOW {name}").fetchone()[0] for name in ("work_mem", "search_path", "timezone")])
        return seen, one.info.parameter_status("TimeZone")


@test
def rolled_back_settings_are_gone():
    with connect() as conn:
        conn.execute("SET work_mem = '7MB'")
        conn.commit()
        conn.execute("SET work_mem = '8MB'")
        conn.execute("SET LOCAL lock_timeout = '9s'")
        inside = conn.execute("SELECT current_setting('work_mem'), current_setting('lock_timeout')").fetchone()
        conn.rollback()
        return inside, conn.execute("SELECT current_setting('work_mem'), current_setting('lock_timeout')").fetchone()


@test
def set_local_ends_with_the_transaction():
    with connect() as conn:
        conn.execute("SELECT set_config('statement_timeout', '1234', true)")
        inside = conn.execute("SHOW statement_timeout").fetchone()
        conn.commit()
        return inside, conn.execute("SHOW statement_timeout").fetchone()


@test
def discard_all_starts_anew():
    with connect(autocommit=True) as conn:
        conn.prepare_threshold = None
        conn.execute("SET work_mem = '9MB'")
        conn.execute("CREATE TEMP TABLE scratch (a int)")
        conn.execute("DISCARD ALL")
        return conn.execute("SHOW work_mem").fetchone(), state_of(lambda: conn.execute("SELECT * FROM scratch"))


@test
def temporary_tables_stay_with_their_client():
    with connect(autocommit=True) as one, connect(autocommit=True) as two:
        one.execute("CREATE TEMP TABLE mine (a int)")
        one.execute("INSERT INTO mine VALUES (1), (2)")
        return [one.execute("SELECT sum(a) FROM mine").fetchone() for _ in range(3)], state_of(lambda: two.execute("SELECT * FROM mine"))


@test
def session_advisory_locks_stay_with_their_client():
    with connect(autocommit=True) as one, connect(autocommit=True) as two:
        one.execute("SELECT pg_advisory_lock(77)")
        taken = [two.execute("SELECT pg_try_advisory_lock(77)").fetchone(), one.execute("SELECT pg_advisory_unlock(77)").fetchone()]
        return taken, two.execute("SELECT pg_try_advisory_lock(77)").fetchone(), two.execute("SELECT pg_advisory_unlock_all()").fetchone()


@test
def large_results_by_server_side_cursor():
    with connect() as conn:
        with conn.cursor("big") as cursor:
            cursor.itersize = 500
            cursor.execute("SELECT n, repeat('x', 50) FROM generate_series(1, 10000) n")
            total = sum(row[0] for row in cursor)
        with conn.cursor("scrolled", scrollable=True) as cursor:
            cursor.execute("SELECT n FROM generate_series(1, 100) n")
            cursor.scroll(50)
            forward = cursor.fetchone()
            cursor.scroll(-10)
            return total, forward, cursor.fetchone()


@test
def hold_cursors_outlive_their_transaction():
    with connect() as conn:
        with conn.cursor("held", withhold=True) as cursor:
            cursor.execute("SELECT n FROM generate_series(1, 10) n")
            first = cursor.fetchmany(3)
            conn.commit()
            return first, cursor.fetchall()


@test
def streamed_results_arrive_row_by_row():
    with connect() as conn:
        total = 0
        for row in conn.cursor().stream("SELECT n FROM generate_series(1, 5000) n"):
            total += row[0]
        return total, conn.execute("SELECT 1").fetchone()


@test
def a_large_value_goes_both_ways():
    value = bytes(range(256)) * 16384
    with connect() as conn:
        got = conn.execute("SELECT %b::bytea, length(%b::bytea)", (value, value), binary=True).fetchone()
        return got[0] == value, got[1]


@test
def several_statements_in_one_query():
    with connect(autocommit=True) as conn:
        cursor = psycopg.ClientCursor(conn)
        cursor.execute("CREATE TABLE multi (a int); INSERT INTO multi VALUES (1), (2); SELECT sum(a) FROM multi; SELECT 'last'")
        seen = [cursor.statusmessage]
        while cursor.nextset():
            seen.append([cursor.statusmessage, cursor.fetchall() if cursor.description else None])
        bad = state_of(lambda: cursor.execute("INSERT INTO multi VALUES (3); SELECT 1/0; INSERT INTO multi VALUES (4)"))
        return seen, bad, cursor.execute("SELECT count(*) FROM multi").fetchone()


@test
def empty_queries_are_fine():
    with connect(autocommit=True) as conn:
        return [conn.execute(text).statusmessage for text in ("", ";", "-- nothing", "/* nothing */")]
