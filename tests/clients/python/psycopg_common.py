"""What psycopg's tests share."""

import psycopg
from psycopg import sql


def connect(**options):
    return psycopg.connect("", **options)


def table(conn, name, columns="id int PRIMARY KEY, name text"):
    conn.execute(sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(name), sql.SQL(columns)))
    conn.commit()
