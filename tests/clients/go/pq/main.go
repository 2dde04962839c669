// lib/pq through database/sql, as applications use it: https://pkg.go.dev/github.com/lib/pq
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/lib/pq"

	. "howdah/tests/clients/go/suite"
)

type Ctx = context.Context

func open(extra string) *sql.DB {
	return Must(sql.Open("postgres", "sslmode=verify-full sslrootcert="+os.Getenv("PGSSLROOTCERT")+" "+extra))
}

// with runs a test on n connections that stay the same throughout.
func with(n int, run func(ctx Ctx, conns []*sql.Conn) any) func(Ctx) (any, error) {
	return func(ctx Ctx) (any, error) {
		db := open("")
		defer db.Close()
		var conns []*sql.Conn
		for range n {
			conn := Must(db.Conn(ctx))
			defer conn.Close()
			conns = append(conns, conn)
		}
		return run(ctx, conns), nil
	}
}

func state(err error) any {
	Expect(err != nil, "an error")
	var server *pq.Error
	if errors.As(err, &server) {
		return []string{string(server.Code), server.Message, server.Constraint, server.Detail, server.Position}
	}
	return err.Error()
}

type executor interface {
	ExecContext(Ctx, string, ...any) (sql.Result, error)
}

func exec(ctx Ctx, on executor, text string, args ...any) int64 {
	return Must(Must(on.ExecContext(ctx, text, args...)).RowsAffected())
}

func value[T any](ctx Ctx, on interface {
	QueryRowContext(Ctx, string, ...any) *sql.Row
}, text string, args ...any) T {
	var out T
	Check(on.QueryRowContext(ctx, text, args...).Scan(&out))
	return out
}

func connects(ctx Ctx, conns []*sql.Conn) any {
	return []string{value[string](ctx, conns[0], "SHOW server_version"), value[string](ctx, conns[0], "SELECT current_user"),
		value[string](ctx, conns[0], "SHOW client_encoding")}
}

func types(ctx Ctx, conns []*sql.Conn) any {
	var small int
	var text, numeric, id, body, span string
	var yes bool
	var raw []byte
	var when time.Time
	var null sql.NullString
	var numbers pq.Int64Array
	var words pq.StringArray
	Check(conns[0].QueryRowContext(ctx, "SELECT $1::int, $2::text, $3::numeric, $4::uuid, $5::bool, $6::bytea, $7::timestamptz, $8::text, $9::bigint[], $10::text[],"+
		" $11::jsonb, '[1,10)'::int4range", 7, "tëxt", "12345678901234567890.000000001", "00000000-0000-0000-0000-00000000002a", true, []byte{0, 255},
		time.Date(2024, 2, 29, 12, 30, 1, 5000, time.UTC), nil, pq.Array([]int64{1, 2}), pq.Array([]string{"a,b", `"q"`, ""}), `{"a": 1}`).
		Scan(&small, &text, &numeric, &id, &yes, &raw, &when, &null, &numbers, &words, &body, &span))
	return []any{small, text, numeric, id, yes, raw, when.UTC(), null.Valid, numbers, words, body, span}
}

func binaryParameters(ctx Ctx) (any, error) {
	db := open("binary_parameters=yes")
	defer db.Close()
	raw := value[[]byte](ctx, db, "SELECT $1::bytea", []byte{0, 1, 255})
	return []any{raw, value[string](ctx, db, "SELECT $1::text || $2::text", "x", "y")}, nil
}

func statements(ctx Ctx, conns []*sql.Conn) any {
	var seen []any
	sum := Must(conns[0].PrepareContext(ctx, "SELECT $1::int + $2::int"))
	other := Must(conns[1].PrepareContext(ctx, "SELECT $1::text || '!'"))
	for n := range 20 {
		var total int
		var word string
		Check(sum.QueryRowContext(ctx, n, 10).Scan(&total))
		Check(other.QueryRowContext(ctx, fmt.Sprint(n)).Scan(&word))
		seen = append(seen, total, word)
	}
	Check(sum.Close())
	_, err := conns[0].PrepareContext(ctx, "SELECT nonsense")
	return append(seen, state(err), value[int](ctx, conns[0], "SELECT $1::int", 1))
}

func transactions(ctx Ctx, conns []*sql.Conn) any {
	exec(ctx, conns[0], "CREATE TABLE saved (id int PRIMARY KEY)")
	tx := Must(conns[0].BeginTx(ctx, nil))
	exec(ctx, tx, "INSERT INTO saved VALUES ($1)", 1)
	exec(ctx, tx, "SAVEPOINT a")
	_, duplicate := tx.ExecContext(ctx, "INSERT INTO saved VALUES ($1)", 1)
	_, blocked := tx.ExecContext(ctx, "SELECT 1")
	exec(ctx, tx, "ROLLBACK TO a")
	exec(ctx, tx, "INSERT INTO saved VALUES ($1)", 2)
	Check(tx.Commit())
	tx = Must(conns[0].BeginTx(ctx, nil))
	_, bad := tx.ExecContext(ctx, "SELECT 1/0")
	commit := tx.Commit()
	return []any{state(duplicate), state(blocked), state(bad), fmt.Sprint(commit), value[int](ctx, conns[0], "SELECT count(*) FROM saved")}
}

func isolation(ctx Ctx, conns []*sql.Conn) any {
	var seen []any
	for _, level := range []sql.IsolationLevel{sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable} {
		tx := Must(conns[0].BeginTx(ctx, &sql.TxOptions{Isolation: level, ReadOnly: true}))
		seen = append(seen, value[string](ctx, tx, "SELECT current_setting('transaction_isolation') || current_setting('transaction_read_only')"))
		_, err := tx.ExecContext(ctx, "CREATE TABLE refused (a int)")
		seen = append(seen, state(err))
		Check(tx.Rollback())
	}
	return seen
}

func copyIn(ctx Ctx, conns []*sql.Conn) any {
	exec(ctx, conns[0], "CREATE TABLE copied (id int, name text)")
	var seen []any
	for _, last := range []any{3000, "not a number"} {
		tx := Must(conns[0].BeginTx(ctx, nil))
		statement := Must(tx.PrepareContext(ctx, pq.CopyIn("copied", "id", "name")))
		for n := range 3000 {
			Must(statement.ExecContext(ctx, n, "tab\tand\nline"))
		}
		_, err := statement.ExecContext(ctx, last, nil)
		if err == nil {
			_, err = statement.ExecContext(ctx)
		}
		if closing := statement.Close(); err == nil {
			err = closing
		}
		if err != nil {
			seen = append(seen, state(err))
			Check(tx.Rollback())
		} else {
			Check(tx.Commit())
		}
		seen = append(seen, value[int](ctx, conns[0], "SELECT count(*) FROM copied"))
	}
	return seen
}

func cancels(ctx Ctx, conns []*sql.Conn) any {
	short, stop := context.WithTimeout(ctx, 300*time.Millisecond)
	defer stop()
	started := time.Now()
	_, err := conns[0].ExecContext(short, "SELECT pg_sleep(15)")
	return []any{state(err), time.Since(started) < 10*time.Second, value[int](ctx, conns[1], "SELECT 1")}
}

func listens(ctx Ctx) (any, error) {
	heard := make(chan string, 10)
	listener := pq.NewListener("sslmode=verify-full sslrootcert="+os.Getenv("PGSSLROOTCERT"), time.Second, time.Second, nil)
	defer listener.Close()
	Check(listener.Listen("news"))
	go func() {
		for note := range listener.Notify {
			if note != nil {
				heard <- note.Channel + ": " + note.Extra
			}
		}
	}()
	db := open("")
	defer db.Close()
	var seen []string
	for n := range 3 {
		exec(ctx, db, "SELECT pg_notify('news', $1)", fmt.Sprintf("item %d", n))
	}
	for range 3 {
		select {
		case note := <-heard:
			seen = append(seen, note)
		case <-ctx.Done():
			return seen, ctx.Err()
		}
	}
	Check(listener.Ping())
	return seen, nil
}

func settings(ctx Ctx, conns []*sql.Conn) any {
	exec(ctx, conns[0], "SET work_mem = '5MB'")
	exec(ctx, conns[1], "SET work_mem = '6MB'")
	var seen []string
	for range 4 {
		seen = append(seen, value[string](ctx, conns[0], "SHOW work_mem"), value[string](ctx, conns[1], "SELECT current_setting($1)", "work_mem"))
	}
	return seen
}

func severalResults(ctx Ctx, conns []*sql.Conn) any {
	rows := Must(conns[0].QueryContext(ctx, "SELECT 1; SELECT 'two'; SELECT 3"))
	defer rows.Close()
	var seen []string
	for {
		for rows.Next() {
			var text string
			Check(rows.Scan(&text))
			seen = append(seen, text)
		}
		if !rows.NextResultSet() {
			break
		}
	}
	return seen
}

func pool(ctx Ctx) (any, error) {
	db := open("")
	defer db.Close()
	db.SetMaxOpenConns(10)
	db.SetMaxIdleConns(10)
	exec(ctx, db, "CREATE TABLE pooled (worker int, step int)")
	var group sync.WaitGroup
	errs := make(chan error, 1000)
	for worker := range 20 {
		group.Go(func() {
			for step := range 10 {
				tx, err := db.BeginTx(ctx, nil)
				if err == nil {
					_, err = tx.ExecContext(ctx, "INSERT INTO pooled VALUES ($1, $2)", worker, step)
					err = errors.Join(err, tx.Commit())
				}
				errs <- err
			}
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		Check(err)
	}
	return value[string](ctx, db, "SELECT count(*) || ' ' || count(DISTINCT worker) || ' ' || sum(step) FROM pooled"), nil
}

func wrongPassword(ctx Ctx) (any, error) {
	db := open("password=wrong")
	defer db.Close()
	return state(db.PingContext(ctx)), nil
}

func runtimeParameters(ctx Ctx) (any, error) {
	db := open("statement_timeout=4321 application_name=suite search_path=pg_catalog,public")
	defer db.Close()
	return value[string](ctx, db, "SELECT concat_ws('|', current_setting('statement_timeout'), current_setting('application_name'), current_setting('search_path'))"), nil
}

func main() {
	Main([]Test{
		{Name: "connects_with_scram_and_tls", Run: with(1, connects)},
		{Name: "wrong_password_is_28P01", Run: wrongPassword},
		{Name: "runtime_parameters_reach_the_server", Run: runtimeParameters},
		{Name: "types_in_text", Run: with(1, types)},
		{Name: "types_in_binary", Run: binaryParameters},
		{Name: "statements_run_again_and_again", Run: with(2, statements)},
		{Name: "errors_abort_the_transaction_and_savepoints_recover", Run: with(1, transactions)},
		{Name: "isolation_levels_and_read_only", Run: with(1, isolation)},
		{Name: "copy_in", Run: with(1, copyIn)},
		{Name: "cancel_stops_a_running_statement", Run: with(2, cancels)},
		{Name: "listen_and_notify", Run: listens},
		{Name: "settings_follow_the_client", Run: with(2, settings)},
		{Name: "several_statements_in_one_query", Run: with(1, severalResults)},
		{Name: "a_pool_with_more_clients_than_servers", Run: pool},
	})
}
