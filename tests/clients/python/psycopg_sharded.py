"""psycopg 3 on a sharded database: rows by their key, through prepared statements."""

import psycopg

from harness import main, state_of, test

FIRST = 10_000
IDS = range(FIRST, FIRST + 40)


def connect(**options):
    conn = psycopg.connect("", autocommit=True, **options)
    conn.prepare_threshold = 0
    return conn


@test
def rows_are_written_and_read_by_key():
    with connect() as conn:
        tags = [conn.execute("INSERT INTO users (id, email, name) VALUES (%s, %s, %s)", (n, f"{n}@example.com", f"User {n}")).statusmessage for n in IDS]
        rows = [conn.execute("SELECT email, name FROM users WHERE id = %s", (n,)).fetchone() for n in IDS]
        return set(tags), rows


@test
def rows_are_changed_and_deleted_by_key():
    with connect() as conn:
        changed = [conn.execute("UPDATE users SET plan = %s WHERE id = %s RETURNING id, plan", ("gold", n)).fetchone() for n in IDS if n % 2]
        gone = [conn.execute("DELETE FROM users WHERE id = %s", (n,)).rowcount for n in IDS if n % 10 == 0]
        return changed, gone, [conn.execute("SELECT plan FROM users WHERE id = %s", (n,)).fetchone() for n in IDS]


@test
def transactions_stay_with_one_key():
    with connect() as conn:
        seen = []
        for n in IDS:
            if n % 10 == 0:
                continue
            with conn.transaction():
                conn.execute("INSERT INTO accounts (id, user_id, kind, currency, balance) VALUES (%s, %s, 'cash', 'EUR', 10)", (n * 2, n))
                try:
                    with conn.transaction():
                        conn.execute("INSERT INTO accounts (id, user_id) VALUES (%s, %s)", (n * 2, n))
                except psycopg.errors.UniqueViolation as error:
                    seen.append(error.diag.constraint_name)
                conn.execute("UPDATE accounts SET balance = balance + %s WHERE user_id = %s", (5, n))
            seen.append(conn.execute("SELECT u.name, a.balance FROM users u JOIN accounts a ON a.user_id = u.id WHERE u.id = %s", (n,)).fetchall())
        return seen


@test
def pipelines_reach_many_shards():
    with connect() as conn:
        with conn.pipeline():
            cursors = [conn.execute("SELECT id FROM users WHERE id = %s", (n,)) for n in IDS]
        return [cursor.fetchone() for cursor in cursors]


@test
def errors_name_the_shards_own():
    with connect() as conn:
        duplicate = state_of(lambda: conn.execute("INSERT INTO users (id, email) VALUES (%s, 'x')", (FIRST + 1,)))
        orphan = state_of(lambda: conn.execute("INSERT INTO accounts (id, user_id) VALUES (1, %s)", (FIRST,)))
        missing = state_of(lambda: conn.execute("SELECT no_such FROM users WHERE id = %s", (FIRST,)))
        return duplicate, orphan, missing, conn.execute("SELECT name FROM users WHERE id = %s", (FIRST + 1,)).fetchone()


if __name__ == "__main__":
    main()
