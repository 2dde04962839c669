// postgres.js as applications use it: https://github.com/porsager/postgres
import { pipeline as stream } from 'node:stream/promises'
import { Readable } from 'node:stream'
import postgres from 'postgres'
import { main, sleep, stateOf, test, tls } from './harness.mjs'

const open = (options = {}) => postgres({ ssl: tls(), max: 1, onnotice: () => {}, ...options })

// Runs `use` with as many single-connection clients as it takes.
const withClients = (use, options = {}) => async () => {
  const clients = Array.from({ length: use.length }, () => open(options))
  try {
    return await use(...clients)
  } finally {
    await Promise.all(clients.map((sql) => sql.end({ timeout: 2 })))
  }
}

test('connects_with_scram_and_tls', withClients(async (sql) => {
  const rows = await sql`SELECT current_user AS u, current_setting('server_version') AS v, current_setting('client_encoding') AS e`
  return [rows, sql.parameters.server_version, sql.parameters.TimeZone]
}))

test('wrong_password_is_28P01', async () => {
  const sql = open({ password: 'wrong' })
  return stateOf(() => sql`SELECT 1`)
})

test('connection_parameters_reach_the_server', withClients((sql) =>
  sql`SELECT current_setting('application_name') AS a, current_setting('statement_timeout') AS t, current_setting('search_path') AS p`, {
  connection: { application_name: 'suite', statement_timeout: 4321, search_path: '"Odd Name", public' } }))

test('types', withClients(async (sql) => {
  // The driver asks for the server's array types with its first statement, and knows them from the second on.
  await sql`SELECT 1`
  const rows = await sql`SELECT ${7}::int AS i, ${'1099511627776'}::bigint AS b, ${'tëxt'}::text AS t, ${true}::bool AS y, ${'12345678901234567890.000000001'}::numeric AS n,
    ${1.5}::float8 AS f, ${Buffer.from([0, 255])}::bytea AS r, ${'00000000-0000-0000-0000-00000000002a'}::uuid AS u, ${new Date('2024-02-29T12:30:01.005Z')}::timestamptz AS w,
    ${null}::text AS z, ${sql.json({ a: [1, null] })}::jsonb AS j, ${sql.array([1, 2, 3])}::int[] AS a, ${['a,b', '"q"', '']}::text[] AS ta, int4range(1, 10) AS g`
  return [rows, rows.columns.map((c) => [c.name, c.type])]
}))

test('statements_are_prepared_and_reused', withClients(async (sql) => {
  const seen = []
  for (let n = 0; n < 20; ++n) seen.push((await sql`SELECT ${n}::int + 10 AS s`)[0].s)
  return seen
}))

test('without_prepared_statements', withClients(async (sql) => {
  const seen = []
  for (let n = 0; n < 5; ++n) seen.push((await sql`SELECT ${n}::int + 10 AS s`)[0].s)
  return seen
}, { prepare: false }))

test('queries_pipeline_on_one_connection', withClients(async (sql) => {
  await sql`CREATE TABLE piped (n int PRIMARY KEY)`
  const rows = await Promise.all(Array.from({ length: 300 }, (_, n) => sql`INSERT INTO piped VALUES (${n}) RETURNING n`))
  return [rows.every((r, n) => r[0].n === n), await sql`SELECT count(*), sum(n) FROM piped`]
}))

test('an_error_amid_a_pipeline_hits_only_its_statement', withClients(async (sql) => {
  await sql`CREATE TABLE piped_error (n int PRIMARY KEY)`
  const results = await Promise.allSettled([1, 2, 1, 3, 2, 4].map((n) => sql`INSERT INTO piped_error VALUES (${n}) RETURNING n`))
  return [results.map((r) => (r.status === 'fulfilled' ? r.value[0].n : [r.reason.code, r.reason.detail])), await sql`SELECT array_agg(n ORDER BY n) AS n FROM piped_error`]
}))

test('two_clients_prepare_the_same_text', withClients(async (one, two) => {
  const seen = []
  for (let n = 0; n < 5; ++n) seen.push(await Promise.all([one, two].map(async (sql) => (await sql`SELECT ${n}::int * 2 AS d`)[0].d)))
  return seen
}))

test('transactions_and_savepoints', withClients(async (sql) => {
  await sql`CREATE TABLE saved (id int PRIMARY KEY)`
  const inner = []
  await sql.begin(async (tx) => {
    await tx`INSERT INTO saved VALUES (1)`
    inner.push(await stateOf(() => tx.savepoint(async (sp) => {
      await sp`INSERT INTO saved VALUES (2)`
      await sp`INSERT INTO saved VALUES (1)`
    })))
    await tx`INSERT INTO saved VALUES (3)`
  })
  inner.push(await stateOf(() => sql.begin(async (tx) => {
    await tx`INSERT INTO saved VALUES (4)`
    await tx`SELECT 1/0`
  })))
  inner.push(await sql.begin('isolation level serializable read only', (tx) => tx`SELECT current_setting('transaction_isolation') AS i, current_setting('transaction_read_only') AS r`))
  return [inner, await sql`SELECT array_agg(id ORDER BY id) AS ids FROM saved`]
}))

test('a_transaction_pipelines_its_statements', withClients(async (sql) => {
  await sql`CREATE TABLE tx_piped (n int)`
  const results = await sql.begin((tx) => Array.from({ length: 50 }, (_, n) => tx`INSERT INTO tx_piped VALUES (${n}) RETURNING n`))
  return [results.length, await sql`SELECT count(*) FROM tx_piped`]
}))

test('a_prepared_transaction', withClients(async (sql) => {
  await sql`CREATE TABLE two_phase (n int)`
  await sql.begin(async (tx) => {
    await tx`INSERT INTO two_phase VALUES (1)`
    await tx.prepare('suite-js')
  })
  const before = await sql`SELECT count(*) FROM two_phase`
  await sql`COMMIT PREPARED 'suite-js'`
  return [before, await sql`SELECT count(*) FROM two_phase`]
}))

test('cursors_read_in_batches', withClients(async (sql) => {
  const sizes = []
  for await (const rows of sql`SELECT n FROM generate_series(1, ${1000}::int) n`.cursor(300)) sizes.push([rows.length, rows[0].n])
  const early = []
  await sql`SELECT n FROM generate_series(1, 1000) n`.cursor(10, (rows) => {
    early.push(rows.length)
    return early.length === 2 ? sql.CLOSE : undefined
  })
  return [sizes, early, await sql`SELECT 1 AS one`]
}))

test('foreach_streams_rows', withClients(async (sql) => {
  let total = 0
  await sql`SELECT n FROM generate_series(1, 5000) n`.forEach((row) => { total += row.n })
  return total
}))

test('copy_both_ways', withClients(async (sql) => {
  await sql`CREATE TABLE copied (id int, name text)`
  await stream(Readable.from(Array.from({ length: 3000 }, (_, n) => `${n}\tn${n}\n`)), await sql`COPY copied FROM STDIN`.writable())
  let text = ''
  for await (const chunk of await sql`COPY (SELECT * FROM copied ORDER BY id) TO STDOUT`.readable()) text += chunk
  return [text.length, text.slice(0, 20), await sql`SELECT count(*) FROM copied`]
}))

test('cancel_stops_a_running_statement', withClients(async (sql) => {
  const query = sql`SELECT pg_sleep(15)`.execute()
  const ended = stateOf(() => query)
  const started = Date.now()
  await sleep(300)
  query.cancel()
  return [await ended, Date.now() - started < 10000, await sql`SELECT 1 AS one`]
}))

test('simple_queries_hold_several_statements', withClients(async (sql) => {
  const results = await sql`CREATE TABLE multi (a int); INSERT INTO multi VALUES (1), (2); SELECT sum(a) FROM multi`.simple()
  const bad = await stateOf(() => sql.unsafe('INSERT INTO multi VALUES (3); SELECT 1/0'))
  return [results.map((r) => [r.command, r.count]), bad, await sql`SELECT count(*) FROM multi`]
}))

test('describe_a_statement', withClients(async (sql) => {
  const { types, columns } = await sql`SELECT ${1}::int AS a, ${'x'}::text AS b`.describe()
  return [types, columns.map((c) => [c.name, c.type])]
}))

test('bulk_inserts_and_updates', withClients(async (sql) => {
  await sql`CREATE TABLE bulk (id int, name text)`
  await sql`INSERT INTO bulk ${sql(Array.from({ length: 500 }, (_, id) => ({ id, name: `n${id}` })))}`
  return sql`SELECT count(*), max(name) FROM bulk WHERE id IN ${sql([1, 2, 3])}`
}))

test('listen_and_notify', withClients(async (sql) => {
  const heard = []
  let done
  const all = new Promise((resolve) => { done = resolve })
  const { unlisten } = await sql.listen('news', (payload) => heard.push(payload) === 3 && done())
  for (let n = 0; n < 3; ++n) await sql.notify('news', `item ${n}`)
  await all
  await unlisten()
  return heard
}))

test('notices_arrive', async () => {
  const notices = []
  const sql = open({ onnotice: (n) => notices.push([n.severity, n.code, n.message]) })
  await sql`DROP TABLE IF EXISTS never_there`
  await sql.end()
  return notices
})

test('reserved_connections_keep_their_settings', async () => {
  const sql = open({ max: 3 })
  const one = await sql.reserve(), two = await sql.reserve()
  await one`SET work_mem = '5MB'`
  await two`SET work_mem = '6MB'`
  const seen = []
  for (let n = 0; n < 4; ++n) for (const c of [one, two]) seen.push((await c`SELECT current_setting('work_mem') AS m`)[0].m)
  one.release()
  two.release()
  await sql.end()
  return seen
})

test('a_pool_with_more_clients_than_servers', async () => {
  const sql = open({ max: 10 })
  await sql`CREATE TABLE pooled (worker int, step int)`
  await Promise.all(Array.from({ length: 20 }, async (_, worker) => {
    for (let step = 0; step < 10; ++step) await sql.begin((tx) => tx`INSERT INTO pooled VALUES (${worker}, ${step})`)
    await stateOf(() => sql`SELECT 1/0`)
  }))
  const rows = await sql`SELECT count(*), count(DISTINCT worker), sum(step) FROM pooled`
  await sql.end()
  return rows
})

test('a_large_value_goes_both_ways', withClients(async (sql) => {
  const value = Buffer.alloc(4 << 20, 'abcdefg')
  return (await sql`SELECT ${value}::bytea AS b`)[0].b.equals(value)
}))

await main()
