//! sqlx as applications use it: https://docs.rs/sqlx/

use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use futures_util::future::try_join_all;
use futures_util::TryStreamExt;
use sqlx::postgres::types::PgRange;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions, PgRow, PgSslMode};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Error, Executor, PgConnection, Row, TypeInfo};
use suite::{env, json, Seen, Suite, Value};
use uuid::Uuid;

fn options() -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host(&env("PGHOST"))
        .port(env("PGPORT").parse().expect("a port"))
        .username(&env("PGUSER"))
        .password(&env("PGPASSWORD"))
        .database(&env("PGDATABASE"))
        .ssl_mode(PgSslMode::VerifyFull)
        .ssl_root_cert(env("PGSSLROOTCERT"))
        .disable_statement_logging()
}

async fn connect() -> Result<PgConnection, Error> {
    options().connect().await
}

fn state<T>(result: Result<T, Error>) -> Value {
    match result {
        Ok(_) => json!("no error"),
        Err(Error::Database(server)) => json!([server.code(), server.message(), server.constraint(), server.table()]),
        Err(error) => json!(error.to_string()),
    }
}

async fn connects() -> Seen {
    let mut conn = connect().await?;
    conn.ping().await?;
    let row: (String, String, String) =
        sqlx::query_as("SELECT current_user::text, current_setting('server_version'), current_setting('client_encoding')").fetch_one(&mut conn).await?;
    conn.close().await?;
    Ok(json!(row))
}

async fn startup_options() -> Seen {
    let mut conn = options().application_name("suite").options([("statement_timeout", "4321"), ("search_path", "pg_catalog,public")]).connect().await?;
    let row: (String,) = sqlx::query_as("SELECT concat_ws('|', current_setting('application_name'), current_setting('statement_timeout'), current_setting('search_path'))")
        .fetch_one(&mut conn)
        .await?;
    Ok(json!(row.0))
}

async fn types_in_binary() -> Seen {
    let mut conn = connect().await?;
    let at: DateTime<Utc> = Utc.with_ymd_and_hms(2024, 2, 29, 12, 30, 1).unwrap();
    let row: PgRow = sqlx::query("SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text, $11, $12, $13, '[1,10)'::int4range")
        .bind(7i32)
        .bind(1i64 << 40)
        .bind("tëxt")
        .bind(true)
        .bind(1.5f64)
        .bind(vec![0u8, 255])
        .bind(Uuid::from_u128(42))
        .bind(NaiveDate::from_ymd_opt(2024, 2, 29))
        .bind(at)
        .bind(None::<String>)
        .bind(vec![Some(1i32), None, Some(3)])
        .bind(vec!["a,b", "\"q\"", ""])
        .bind(Json(json!({"a": [1, null]})))
        .fetch_one(&mut conn)
        .await?;
    Ok(json!([row.get::<i32, _>(0), row.get::<i64, _>(1), row.get::<String, _>(2), row.get::<bool, _>(3), row.get::<f64, _>(4), row.get::<Vec<u8>, _>(5),
              row.get::<Uuid, _>(6).to_string(), row.get::<NaiveDate, _>(7).to_string(), row.get::<DateTime<Utc>, _>(8).to_string(),
              row.get::<Option<String>, _>(9), row.get::<Vec<Option<i32>>, _>(10), row.get::<Vec<String>, _>(11), row.get::<Value, _>(12),
              format!("{:?}", row.get::<PgRange<i32>, _>(13)), row.columns().iter().map(|c| c.type_info().name().to_string()).collect::<Vec<_>>()]))
}

async fn cache_overflows() -> Seen {
    let mut conn = options().statement_cache_capacity(5).connect().await?;
    let mut seen = vec![];
    for round in 0..3i32 {
        for n in 0..12 {
            let row: (i32,) = sqlx::query_as(AssertSqlSafe(format!("SELECT $1 + {n}"))).bind(round).fetch_one(&mut conn).await?;
            seen.push(row.0);
        }
    }
    seen.push(conn.cached_statements_size() as i32);
    conn.clear_cached_statements().await?;
    let row: (i32,) = sqlx::query_as("SELECT $1 + 1").bind(1i32).fetch_one(&mut conn).await?;
    seen.push(row.0);
    Ok(json!(seen))
}

async fn two_clients() -> Seen {
    // Both call theirs sqlx_s_1.
    let (mut one, mut two) = (connect().await?, connect().await?);
    let mut seen = vec![];
    for n in 0..10i32 {
        let a: (i32,) = sqlx::query_as("SELECT $1 * 2").bind(n).fetch_one(&mut one).await?;
        let b: (String,) = sqlx::query_as("SELECT 'x' || $1").bind(n.to_string()).fetch_one(&mut two).await?;
        seen.push(json!([a.0, b.0]));
    }
    Ok(json!(seen))
}

async fn unprepared_and_simple() -> Seen {
    let mut conn = connect().await?;
    let row: (i32,) = sqlx::query_as("SELECT $1 + 1").bind(1i32).persistent(false).fetch_one(&mut conn).await?;
    conn.execute("CREATE TABLE multi (a int); INSERT INTO multi VALUES (1), (2)").await?;
    let bad = state(conn.execute("INSERT INTO multi VALUES (3); SELECT 1/0").await);
    let count: (i64,) = sqlx::query_as("SELECT count(*) FROM multi").fetch_one(&mut conn).await?;
    Ok(json!([row.0, bad, count.0]))
}

async fn transactions_and_savepoints() -> Seen {
    let mut conn = connect().await?;
    conn.execute("CREATE TABLE saved (id int PRIMARY KEY)").await?;
    let mut seen = vec![];
    let mut tx = conn.begin().await?;
    sqlx::query("INSERT INTO saved VALUES ($1)").bind(1i32).execute(&mut *tx).await?;
    {
        let mut inner = tx.begin().await?;
        seen.push(state(sqlx::query("INSERT INTO saved VALUES ($1)").bind(1i32).execute(&mut *inner).await));
        seen.push(state(sqlx::query("SELECT 1").execute(&mut *inner).await));
        inner.rollback().await?;
    }
    sqlx::query("INSERT INTO saved VALUES ($1)").bind(2i32).execute(&mut *tx).await?;
    tx.commit().await?;
    {
        let mut tx = conn.begin().await?;
        sqlx::query("INSERT INTO saved VALUES (3)").execute(&mut *tx).await?;
        // Dropped: sqlx sends ROLLBACK before the next statement.
    }
    let mut tx = conn.begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY").await?;
    let row: (String,) = sqlx::query_as("SELECT current_setting('transaction_isolation') || current_setting('transaction_read_only')").fetch_one(&mut *tx).await?;
    seen.push(json!(row.0));
    seen.push(state(tx.execute("CREATE TABLE refused (a int)").await));
    tx.rollback().await?;
    let count: (i64,) = sqlx::query_as("SELECT count(*) FROM saved").fetch_one(&mut conn).await?;
    seen.push(json!(count.0));
    Ok(json!(seen))
}

async fn streams() -> Seen {
    let mut conn = connect().await?;
    let mut total = 0i64;
    {
        let mut rows = sqlx::query_as::<_, (i64,)>("SELECT n::bigint FROM generate_series(1, $1) n").bind(5000i32).fetch(&mut conn);
        while let Some(row) = rows.try_next().await? {
            total += row.0;
        }
    }
    // Left early, and the connection is used again.
    let first = sqlx::query_as::<_, (i32,)>("SELECT generate_series(1, 100000)").fetch(&mut conn).try_next().await?;
    let optional: Option<(i32,)> = sqlx::query_as("SELECT 1 WHERE false").fetch_optional(&mut conn).await?;
    Ok(json!([total, first, optional]))
}

async fn copies() -> Seen {
    let mut conn = connect().await?;
    conn.execute("CREATE TABLE copied (id int, name text)").await?;
    let mut into = conn.copy_in_raw("COPY copied FROM STDIN").await?;
    for n in 0..2000 {
        into.send(format!("{n}\tn{n}\n").as_bytes()).await?;
    }
    let sent = into.finish().await?;
    let mut bad = conn.copy_in_raw("COPY copied FROM STDIN").await?;
    bad.send(b"x\ty\n".as_slice()).await?;
    let failed = state(bad.finish().await);
    let aborted = conn.copy_in_raw("COPY copied FROM STDIN").await?.abort("changed its mind").await;
    let mut size = 0;
    {
        let mut out = conn.copy_out_raw("COPY copied TO STDOUT").await?;
        while let Some(chunk) = out.try_next().await? {
            size += chunk.len();
        }
    }
    let count: (i64,) = sqlx::query_as("SELECT count(*) FROM copied").fetch_one(&mut conn).await?;
    Ok(json!([sent, failed, state(aborted), size, count.0]))
}

async fn describes() -> Seen {
    let mut conn = connect().await?;
    conn.execute("CREATE TYPE mood AS ENUM ('sad', 'happy')").await?;
    conn.execute("CREATE TABLE felt (id int NOT NULL, m mood, words text[])").await?;
    let row: PgRow = sqlx::query("SELECT 'happy'::mood AS m, ARRAY['x'] AS words, NULL::felt AS f").fetch_one(&mut conn).await?;
    Ok(json!(row.columns().iter().map(|c| format!("{} {}", c.name(), c.type_info().name())).collect::<Vec<_>>()))
}

async fn listens() -> Seen {
    let pool = PgPool::connect_with(options()).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen_all(["news", "weather"]).await?;
    let mut seen = vec![];
    for n in 0..3 {
        sqlx::query("SELECT pg_notify($1, $2)").bind(if n == 1 { "weather" } else { "news" }).bind(format!("item {n}")).execute(&pool).await?;
    }
    for _ in 0..3 {
        let note = listener.recv().await?;
        seen.push(json!([note.channel(), note.payload()]));
    }
    listener.unlisten_all().await?;
    Ok(json!(seen))
}

async fn timeouts_close_what_they_leave() -> Seen {
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options()).await?;
    sqlx::query("SET statement_timeout = '200ms'").execute(&pool).await?;
    let started = Instant::now();
    let late = state(sqlx::query("SELECT pg_sleep(15)").execute(&pool).await);
    let row: (i32,) = sqlx::query_as("SELECT 1").fetch_one(&pool).await?;
    Ok(json!([late, started.elapsed() < Duration::from_secs(10), row.0]))
}

async fn pool() -> Seen {
    let pool = PgPoolOptions::new().max_connections(10).min_connections(10).acquire_timeout(Duration::from_secs(15)).connect_with(options()).await?;
    sqlx::query("CREATE TABLE pooled (worker int, step int)").execute(&pool).await?;
    let work = (0..15i32).map(|worker| {
        let pool = pool.clone();
        async move {
            for step in 0..10i32 {
                let mut tx = pool.begin().await?;
                sqlx::query("INSERT INTO pooled VALUES ($1, $2)").bind(worker).bind(step).execute(&mut *tx).await?;
                tx.commit().await?;
            }
            let _ = sqlx::query("SELECT 1/0").execute(&pool).await;
            Ok::<_, Error>(())
        }
    });
    try_join_all(work).await?;
    let row: (i64, i64, i64) = sqlx::query_as("SELECT count(*), count(DISTINCT worker), sum(step) FROM pooled").fetch_one(&pool).await?;
    pool.close().await;
    Ok(json!(row))
}

async fn wrong_password() -> Seen {
    Ok(state(options().password("wrong").connect().await))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let suite = Suite::from_arguments();
    suite.test("connects_with_scram_and_tls", connects()).await;
    suite.test("wrong_password_is_28P01", wrong_password()).await;
    suite.test("startup_options_reach_the_server", startup_options()).await;
    suite.test("types_in_binary", types_in_binary()).await;
    suite.test("the_statement_cache_overflows", cache_overflows()).await;
    suite.test("two_clients_use_one_name_for_two_texts", two_clients()).await;
    suite.test("unprepared_and_simple_statements", unprepared_and_simple()).await;
    suite.test("transactions_and_savepoints", transactions_and_savepoints()).await;
    suite.test("rows_stream", streams()).await;
    suite.test("copy_both_ways", copies()).await;
    suite.test("types_are_looked_up", describes()).await;
    suite.test("listen_and_notify", listens()).await;
    suite.test("statement_timeout_fires", timeouts_close_what_they_leave()).await;
    suite.test("a_pool_with_more_clients_than_servers", pool()).await;
}
