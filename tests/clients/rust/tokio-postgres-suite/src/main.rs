//! tokio-postgres as applications use it: https://docs.rs/tokio-postgres/

use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use futures_util::future::{join_all, poll_fn, try_join_all};
use futures_util::{SinkExt, TryStreamExt};
use native_tls::{Certificate, TlsConnector};
use postgres_native_tls::MakeTlsConnector;
use suite::{env, json, Seen, Suite, Value};
use tokio::sync::mpsc;
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::config::SslMode;
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client, Config, Error, IsolationLevel, SimpleQueryMessage};
use uuid::Uuid;

fn tls() -> MakeTlsConnector {
    let authority = std::fs::read(env("PGSSLROOTCERT")).expect("PGSSLROOTCERT names the authority's certificate");
    let authority = Certificate::from_pem(&authority).expect("a certificate in PEM");
    MakeTlsConnector::new(TlsConnector::builder().add_root_certificate(authority).build().expect("a connector"))
}

fn config() -> Config {
    let mut config = Config::new();
    config.host(env("PGHOST")).port(env("PGPORT").parse().expect("a port")).user(env("PGUSER")).password(env("PGPASSWORD"));
    config.dbname(env("PGDATABASE")).ssl_mode(SslMode::Require);
    config
}

/// A client, and what the server says unasked.
async fn connect_with(config: Config) -> Result<(Client, mpsc::UnboundedReceiver<AsyncMessage>), Error> {
    let (client, mut connection) = config.connect(tls()).await?;
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            let _ = sender.send(message);
        }
    });
    Ok((client, receiver))
}

async fn connect() -> Result<Client, Error> {
    Ok(connect_with(config()).await?.0)
}

fn state<T>(result: Result<T, Error>) -> Value {
    match result {
        Ok(_) => json!("no error"),
        Err(error) => match error.as_db_error() {
            Some(server) => json!([server.code().code(), server.message(), server.detail(), server.constraint()]),
            None => json!(error.to_string()),
        },
    }
}

async fn connects() -> Seen {
    let client = connect().await?;
    let row = client.query_one("SELECT current_user::text, current_setting('server_version'), current_setting('client_encoding')", &[]).await?;
    Ok(json!([row.get::<_, String>(0), row.get::<_, String>(1), row.get::<_, String>(2)]))
}

async fn wrong_password() -> Seen {
    let mut config = config();
    config.password("wrong");
    Ok(state(connect_with(config).await))
}

async fn startup_options() -> Seen {
    let mut config = config();
    config.application_name("suite").options("-c statement_timeout=4321 -c search_path=pg_catalog,public");
    let (client, _) = connect_with(config).await?;
    let row = client.query_one("SELECT concat_ws('|', current_setting('application_name'), current_setting('statement_timeout'), current_setting('search_path'))", &[]).await?;
    Ok(json!(row.get::<_, String>(0)))
}

async fn types_in_binary() -> Seen {
    let client = connect().await?;
    let at: DateTime<Utc> = Utc.with_ymd_and_hms(2024, 2, 29, 12, 30, 1).unwrap();
    let row = client
        .query_one(
            "SELECT $1::int, $2::bigint, $3::text, $4::bool, $5::float8, $6::bytea, $7::uuid, $8::date, $9::timestamptz, $10::text, $11::int[], $12::text[], $13::jsonb",
            &[&7i32, &(1i64 << 40), &"tëxt", &true, &1.5f64, &&[0u8, 255][..], &Uuid::from_u128(42), &NaiveDate::from_ymd_opt(2024, 2, 29), &at,
              &None::<String>, &vec![Some(1i32), None, Some(3)], &vec!["a,b", "\"q\"", ""], &json!({"a": [1, null]})],
        )
        .await?;
    Ok(json!([row.get::<_, i32>(0), row.get::<_, i64>(1), row.get::<_, String>(2), row.get::<_, bool>(3), row.get::<_, f64>(4), row.get::<_, Vec<u8>>(5),
              row.get::<_, Uuid>(6).to_string(), row.get::<_, NaiveDate>(7).to_string(), row.get::<_, DateTime<Utc>>(8).to_string(), row.get::<_, Option<String>>(9),
              row.get::<_, Vec<Option<i32>>>(10), row.get::<_, Vec<String>>(11), row.get::<_, Value>(12),
              row.columns().iter().map(|c| c.type_().name().to_string()).collect::<Vec<_>>()]))
}

async fn unknown_types_are_looked_up() -> Seen {
    let client = connect().await?;
    client.batch_execute("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (a int, m mood)").await?;
    let statement = client.prepare("SELECT $1::mood, ROW(1, 'sad')::pair, ARRAY['happy']::mood[], int4range(1, 5)").await?;
    Ok(json!([statement.params().iter().map(|t| format!("{:?}", t.kind())).collect::<Vec<_>>(), statement.columns().iter().map(|c| c.type_().to_string()).collect::<Vec<_>>()]))
}

async fn statements_of_two_clients() -> Seen {
    let (one, two) = (connect().await?, connect().await?);
    let a = one.prepare("SELECT $1::int + 10").await?;
    let b = two.prepare_typed("SELECT $1 || '!'", &[Type::TEXT]).await?;
    let mut seen = vec![];
    for n in 0..15i32 {
        seen.push(json!([one.query_one(&a, &[&n]).await?.get::<_, i32>(0), two.query_one(&b, &[&n.to_string()]).await?.get::<_, String>(0)]));
    }
    drop(a);
    seen.push(json!(one.query_one("SELECT $1::int", &[&1i32]).await?.get::<_, i32>(0)));
    seen.push(state(one.prepare("SELECT nonsense").await));
    Ok(json!(seen))
}

async fn queries_pipeline() -> Seen {
    let client = connect().await?;
    client.batch_execute("CREATE TABLE piped (n int PRIMARY KEY)").await?;
    let insert = client.prepare("INSERT INTO piped VALUES ($1) RETURNING n").await?;
    // Futures that are polled together go out without waiting for one another's answers.
    let rows = try_join_all((0..300i32).map(|n| {
        let (client, insert) = (&client, &insert);
        async move { client.query_one(insert, &[&n]).await.map(|row| row.get::<_, i32>(0)) }
    }))
    .await?;
    let mixed = join_all([1000i32, 5, 1001, 5, 1002].map(|n| {
        let (client, insert) = (&client, &insert);
        async move { state(client.execute(insert, &[&n]).await) }
    }))
    .await;
    let count: i64 = client.query_one("SELECT count(*) FROM piped", &[]).await?.get(0);
    Ok(json!([rows.iter().enumerate().all(|(at, n)| at as i32 == *n), mixed, count]))
}

async fn transactions_and_savepoints() -> Seen {
    let mut client = connect().await?;
    client.batch_execute("CREATE TABLE saved (id int PRIMARY KEY)").await?;
    let mut seen = vec![];
    let mut transaction = client.transaction().await?;
    transaction.execute("INSERT INTO saved VALUES ($1)", &[&1i32]).await?;
    {
        let inner = transaction.savepoint("nested").await?;
        seen.push(state(inner.execute("INSERT INTO saved VALUES ($1)", &[&1i32]).await));
        seen.push(state(inner.query("SELECT 1", &[]).await));
        inner.rollback().await?;
    }
    transaction.execute("INSERT INTO saved VALUES ($1)", &[&2i32]).await?;
    transaction.commit().await?;
    let transaction = client.transaction().await?;
    transaction.execute("INSERT INTO saved VALUES (3)", &[]).await?;
    drop(transaction);
    for level in [IsolationLevel::ReadCommitted, IsolationLevel::RepeatableRead, IsolationLevel::Serializable] {
        let transaction = client.build_transaction().isolation_level(level).read_only(true).start().await?;
        seen.push(json!(transaction.query_one("SELECT current_setting('transaction_isolation') || current_setting('transaction_read_only')", &[]).await?.get::<_, String>(0)));
        seen.push(state(transaction.batch_execute("CREATE TABLE refused (a int)").await));
    }
    seen.push(json!(client.query_one("SELECT count(*) FROM saved", &[]).await?.get::<_, i64>(0)));
    Ok(json!(seen))
}

async fn portals_fetch_in_parts() -> Seen {
    let mut client = connect().await?;
    let transaction = client.transaction().await?;
    let portal = transaction.bind("SELECT n FROM generate_series(1, 1000) n", &[]).await?;
    let mut sizes = vec![];
    loop {
        let rows = transaction.query_portal(&portal, 300).await?;
        sizes.push(rows.len());
        if rows.is_empty() {
            break;
        }
        transaction.query_one("SELECT 1", &[]).await?;
    }
    transaction.commit().await?;
    let mut total = 0i64;
    let mut rows = pin!(client.query_raw("SELECT n::bigint FROM generate_series(1, $1::int) n", [5000i32]).await?);
    while let Some(row) = rows.try_next().await? {
        total += row.get::<_, i64>(0);
    }
    Ok(json!([sizes, total]))
}

async fn copies_both_ways() -> Seen {
    let client = connect().await?;
    client.batch_execute("CREATE TABLE copied (id int, name text)").await?;
    let mut sink = pin!(client.copy_in("COPY copied FROM STDIN").await?);
    for n in 0..2000 {
        sink.send(Bytes::from(format!("{n}\tn{n}\n"))).await?;
    }
    let text = sink.finish().await?;
    let writer = BinaryCopyInWriter::new(client.copy_in("COPY copied FROM STDIN (FORMAT binary)").await?, &[Type::INT4, Type::TEXT]);
    let mut writer = pin!(writer);
    for n in 2000..3000i32 {
        writer.as_mut().write(&[&n, &None::<String>]).await?;
    }
    let binary = writer.finish().await?;
    let mut bad = pin!(client.copy_in("COPY copied FROM STDIN").await?);
    let _ = bad.send(Bytes::from("x\ty\n")).await;
    let failed = state(bad.finish().await);
    // Dropped in the middle: the driver sends CopyFail.
    {
        let mut dropped = pin!(client.copy_in("COPY copied FROM STDIN").await?);
        dropped.send(Bytes::from("1\tx\n")).await?;
    }
    let out = client.copy_out("COPY (SELECT * FROM copied ORDER BY id) TO STDOUT (FORMAT binary)").await?;
    let rows: Vec<_> = pin!(BinaryCopyOutStream::new(out, &[Type::INT4, Type::TEXT])).try_collect().await?;
    let count: i64 = client.query_one("SELECT count(*) FROM copied", &[]).await?.get(0);
    Ok(json!([text, binary, failed, rows.len(), rows[5].get::<String>(1), count]))
}

async fn cancels() -> Seen {
    let client = connect().await?;
    let token = client.cancel_token();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let _ = token.cancel_query(tls()).await;
    });
    let started = Instant::now();
    let ended = state(client.batch_execute("SELECT pg_sleep(15)").await);
    Ok(json!([ended, started.elapsed() < Duration::from_secs(10), client.query_one("SELECT 1", &[]).await?.get::<_, i32>(0)]))
}

async fn listens() -> Seen {
    let (ears, mut heard) = connect_with(config()).await?;
    let mouth = connect().await?;
    ears.batch_execute("LISTEN news; DO $$ BEGIN RAISE NOTICE 'noticed'; END $$").await?;
    for n in 0..3 {
        mouth.query("SELECT pg_notify('news', $1)", &[&format!("item {n}")]).await?;
    }
    let mut seen = vec![];
    while seen.len() < 4 {
        match heard.recv().await {
            Some(AsyncMessage::Notification(note)) => seen.push(json!([note.channel(), note.payload()])),
            Some(AsyncMessage::Notice(notice)) => seen.push(json!([notice.severity(), notice.message()])),
            _ => break,
        }
    }
    Ok(json!(seen))
}

async fn settings_follow() -> Seen {
    let (one, two) = (connect().await?, connect().await?);
    one.batch_execute("SET work_mem = '5MB'; SET search_path = pg_catalog, \"Odd Name\"").await?;
    two.batch_execute("SET work_mem = '6MB'").await?;
    let mut seen = vec![];
    for _ in 0..4 {
        for client in [&one, &two] {
            seen.push(client.query_one("SELECT current_setting('work_mem') || current_setting('search_path')", &[]).await?.get::<_, String>(0));
        }
    }
    Ok(json!(seen))
}

async fn simple_queries() -> Seen {
    let client = connect().await?;
    let messages = client.simple_query("CREATE TABLE multi (a int); INSERT INTO multi VALUES (1), (2); SELECT sum(a) FROM multi; ").await?;
    let seen: Vec<Value> = messages
        .iter()
        .map(|message| match message {
            SimpleQueryMessage::Row(row) => json!(row.get(0)),
            SimpleQueryMessage::CommandComplete(rows) => json!(rows),
            SimpleQueryMessage::RowDescription(columns) => json!(columns.len()),
            _ => json!("other"),
        })
        .collect();
    let bad = state(client.simple_query("INSERT INTO multi VALUES (3); SELECT 1/0").await);
    Ok(json!([seen, bad, client.query_one("SELECT count(*) FROM multi", &[]).await?.get::<_, i64>(0)]))
}

async fn more_clients_than_servers() -> Seen {
    let first = connect().await?;
    first.batch_execute("CREATE TABLE pooled (worker int, step int)").await?;
    let work = (0..12i32).map(|worker| async move {
        let mut client = connect().await?;
        let insert = client.prepare("INSERT INTO pooled VALUES ($1, $2)").await?;
        for step in 0..10i32 {
            let transaction = client.transaction().await?;
            transaction.execute(&insert, &[&worker, &step]).await?;
            transaction.commit().await?;
        }
        Ok::<_, Error>(())
    });
    try_join_all(work).await?;
    let row = first.query_one("SELECT count(*), count(DISTINCT worker), sum(step) FROM pooled", &[]).await?;
    Ok(json!([row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)]))
}

async fn large_value() -> Seen {
    let client = connect().await?;
    let sent: Vec<u8> = (0..4usize << 20).map(|n| n as u8).collect();
    Ok(json!(client.query_one("SELECT $1::bytea", &[&sent]).await?.get::<_, Vec<u8>>(0) == sent))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let suite = Suite::from_arguments();
    suite.test("connects_with_scram_and_tls", connects()).await;
    suite.test("wrong_password_is_28P01", wrong_password()).await;
    suite.test("startup_options_reach_the_server", startup_options()).await;
    suite.test("types_in_binary", types_in_binary()).await;
    suite.test("unknown_types_are_looked_up", unknown_types_are_looked_up()).await;
    suite.test("two_clients_use_one_name_for_two_texts", statements_of_two_clients()).await;
    suite.test("queries_pipeline_on_one_connection", queries_pipeline()).await;
    suite.test("transactions_and_savepoints", transactions_and_savepoints()).await;
    suite.test("portals_fetch_in_parts", portals_fetch_in_parts()).await;
    suite.test("copy_both_ways", copies_both_ways()).await;
    suite.test("cancel_stops_a_running_statement", cancels()).await;
    suite.test("listen_and_notify", listens()).await;
    suite.test("settings_follow_the_client", settings_follow()).await;
    suite.test("simple_queries_hold_several_statements", simple_queries()).await;
    suite.test("more_clients_than_servers", more_clients_than_servers()).await;
    suite.test("a_large_value_goes_both_ways", large_value()).await;
}
