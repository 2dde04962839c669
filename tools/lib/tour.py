"""What an app does with psycopg 3: tour.py URL USERS. Prints what it did; fails on a wrong answer."""

import random
import sys

import psycopg


def expect(condition, what):
    if not condition:
        raise SystemExit(f"wrong answer: {what}")


def read_users(conn, users):
    """The same statement often enough that psycopg prepares it, on whichever shard the user lives."""
    for _ in range(200):
        user = random.randint(1, users)
        row = conn.execute("SELECT id, name FROM users WHERE id = %s", (user,)).fetchone()
        expect(row == (user, f"User {user}"), f"user {user}: {row}")
    conn.rollback()


def move_money(conn, users):
    """Within one user: commit is seen, rollback is not."""
    user = random.randint(1, users)
    total = "SELECT sum(balance) FROM accounts WHERE user_id = %s"
    before = conn.execute(total, (user,)).fetchone()[0]
    for sign, account in ((-1, user * 2), (1, user * 2 + 1)):
        conn.execute("UPDATE accounts SET balance = balance + %s WHERE user_id = %s AND id = %s", (sign * 10, user, account))
    conn.commit()
    expect(conn.execute(total, (user,)).fetchone()[0] == before, "money was lost")
    conn.execute("UPDATE accounts SET balance = 0 WHERE user_id = %s", (user,))
    conn.rollback()
    expect(conn.execute(total, (user,)).fetchone()[0] == before, "a rolled-back update was seen")
    conn.rollback()


def two_shards(conn, users):
    """Two users on two shards in one transaction: both or none, by two-phase commit."""
    for keep in (True, False):
        note = f"gift-{random.getrandbits(60)}"
        for user in (1, 2, 3, 4, 5, 6):
            conn.execute("INSERT INTO transactions (id, user_id, account_id, category_id, amount, note, created_at)"
                         " VALUES (%s, %s, %s, 1, 1, %s, now())", (random.getrandbits(60), user, user * 2, note))
        conn.commit() if keep else conn.rollback()
        for user in (1, 2, 3, 4, 5, 6):
            count = conn.execute("SELECT count(*) FROM transactions WHERE user_id = %s AND note = %s", (user, note)).fetchone()[0]
            expect(count == int(keep), f"user {user} has {count} rows of a transaction that was {'kept' if keep else 'undone'}")
        conn.rollback()


def main():
    url, users = sys.argv[1], int(sys.argv[2])
    with psycopg.connect(url) as conn:
        read_users(conn, users)
        print("200 reads by user id through one prepared statement, each from the right shard")
        move_money(conn, users)
        print("a transfer between two accounts of a user: committed once, undone once")
        two_shards(conn, users)
        print("six users on several shards in one transaction: all rows after COMMIT, none after ROLLBACK")


if __name__ == "__main__":
    main()
