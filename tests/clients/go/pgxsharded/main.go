// pgx v5 on a sharded database: rows by their key, through its statement cache.
package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	. "howdah/tests/clients/go/suite"
)

type Ctx = context.Context

const first = 30_000
const count = 40

func with(run func(ctx Ctx, conn *pgx.Conn) any) func(Ctx) (any, error) {
	return func(ctx Ctx) (any, error) {
		conn := Must(pgx.Connect(ctx, ""))
		defer conn.Close(context.Background())
		return run(ctx, conn), nil
	}
}

func state(err error) any {
	var server *pgconn.PgError
	Expect(errors.As(err, &server), "a server's error")
	return []string{server.Code, server.Message, server.ConstraintName}
}

func writesAndReads(ctx Ctx, conn *pgx.Conn) any {
	var seen []any
	for id := int64(first); id < first+count; id++ {
		tag := Must(conn.Exec(ctx, "INSERT INTO users (id, email, name) VALUES ($1, $2, $3)", id, fmt.Sprint(id), "User"))
		seen = append(seen, tag.String())
	}
	for id := int64(first); id < first+count; id++ {
		var email, name string
		Check(conn.QueryRow(ctx, "SELECT email, name FROM users WHERE id = $1", id).Scan(&email, &name))
		seen = append(seen, email+name)
	}
	return seen
}

func changes(ctx Ctx, conn *pgx.Conn) any {
	var seen []any
	for id := int64(first); id < first+count; id++ {
		seen = append(seen, Must(conn.Exec(ctx, "UPDATE users SET plan = 'gold' WHERE id = $1", id)).RowsAffected())
		if id%10 == 0 {
			seen = append(seen, Must(conn.Exec(ctx, "DELETE FROM users WHERE id = $1", id)).RowsAffected())
		}
	}
	return seen
}

func transactions(ctx Ctx, conn *pgx.Conn) any {
	var seen []any
	for id := int64(first + 1); id < first+10; id++ {
		tx := Must(conn.Begin(ctx))
		Must(tx.Exec(ctx, "INSERT INTO accounts (id, user_id, balance) VALUES ($1, $2, 10)", id*2, id))
		inner := Must(tx.Begin(ctx))
		_, err := inner.Exec(ctx, "INSERT INTO accounts (id, user_id, balance) VALUES ($1, $2, 10)", id*2, id)
		seen = append(seen, state(err))
		Check(inner.Rollback(ctx))
		Must(tx.Exec(ctx, "UPDATE accounts SET balance = balance + 5 WHERE user_id = $1", id))
		Check(tx.Commit(ctx))
		var balance string
		Check(conn.QueryRow(ctx, "SELECT balance::text FROM accounts WHERE user_id = $1", id).Scan(&balance))
		seen = append(seen, balance)
	}
	return seen
}

func batches(ctx Ctx, conn *pgx.Conn) any {
	var seen []any
	batch := &pgx.Batch{}
	for id := int64(first + 1); id < first+count; id += 3 {
		batch.Queue("SELECT id, plan FROM users WHERE id = $1", id).Query(func(rows pgx.Rows) error {
			for rows.Next() {
				values, err := rows.Values()
				if err != nil {
					return err
				}
				seen = append(seen, values)
			}
			return rows.Err()
		})
	}
	Check(conn.SendBatch(ctx, batch).Close())
	return seen
}

func main() {
	Main([]Test{
		{Name: "rows_are_written_and_read_by_key", Run: with(writesAndReads)},
		{Name: "rows_are_changed_and_deleted_by_key", Run: with(changes)},
		{Name: "transactions_stay_with_one_key", Run: with(transactions)},
		{Name: "batches_reach_many_shards", Run: with(batches)},
	})
}
