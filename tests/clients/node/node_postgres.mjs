// node-postgres (pg) as applications use it: https://node-postgres.com/
import { pipeline as stream } from 'node:stream/promises'
import { Readable } from 'node:stream'
import pg from 'pg'
import Cursor from 'pg-cursor'
import copyStreams from 'pg-copy-streams'
import QueryStream from 'pg-query-stream'
import { main, sleep, stateOf, test, tls } from './harness.mjs'

const connect = async (options = {}) => {
  const client = new pg.Client({ ssl: tls(), ...options })
  client.on('error', () => {})
  await client.connect()
  return client
}

// Runs `use` with as many clients as it takes, and ends them whatever happens.
const withClients = (use, options = {}) => async () => {
  const clients = await Promise.all(Array.from({ length: use.length }, () => connect(options)))
  try {
    return await use(...clients)
  } finally {
    await Promise.all(clients.map((client) => client.end()))
  }
}

test('connects_with_scram_and_tls', withClients(async (client) => {
  const { rows } = await client.query("SELECT current_user AS u, current_setting('server_version') AS v, current_setting('client_encoding') AS e")
  return [rows, client.connection.stream.encrypted === true, client.connection.stream.authorized === true]
}))

test('wrong_password_is_28P01', () => stateOf(() => connect({ password: 'wrong' })))

test('startup_options_reach_the_server', withClients(async (client) =>
  Promise.all(['statement_timeout', 'application_name', 'idle_in_transaction_session_timeout', 'lock_timeout', 'work_mem'].map(async (name) =>
    Object.values((await client.query(`SHOW ${name}`)).rows[0])[0])), {
  statement_timeout: 4321, application_name: 'suite', idle_in_transaction_session_timeout: 54321, lock_timeout: 1234, options: '-c work_mem=5MB' }))

test('types_as_text', withClients(async (client) => {
  const values = [7, '1099511627776', 'tëxt', true, '12345678901234567890.000000001', 1.5, Buffer.from([0, 255]),
    '00000000-0000-0000-0000-00000000002a', '2024-02-29', new Date('2024-02-29T12:30:01.005Z'), null, { a: [1, null] }, [1, null, 3], ['a,b', '"q"', null, '']]
  const types = 'int bigint text bool numeric float8 bytea uuid date timestamptz text jsonb int[] text[]'.split(' ')
  const { rows, fields } = await client.query({ text: 'SELECT ' + types.map((t, n) => `$${n + 1}::${t}`).join(), values, rowMode: 'array' })
  const more = await client.query({ text: "SELECT int4range(1,10), '{[1,3),[5,9)}'::int4multirange, interval '1 day 2:03', point(1,2), '{{1,2},{3,4}}'::int[], 'NaN'::float8", rowMode: 'array' })
  return [rows, fields.map((f) => [f.dataTypeID, f.format]), more.rows]
}))

test('types_as_binary', withClients(async (client) => {
  const { rows } = await client.query({ text: "SELECT 1::int, 2::bigint, 'x'::text, 1.5::float8, true, '\\x00ff'::bytea, '2024-02-29Z'::timestamptz, 12.34::numeric, ARRAY[1,2]", values: [], binary: true, rowMode: 'array' })
  return rows
}))

test('named_statements_run_again_and_again', withClients(async (client) => {
  const seen = []
  for (let n = 0; n < 20; ++n) {
    seen.push((await client.query({ name: 'sum', text: 'SELECT $1::int + 10 AS sum', values: [n] })).rows[0].sum)
    seen.push((await client.query({ name: `extra-${n}`, text: `SELECT $1::text || '${n}' AS t`, values: ['x'] })).rows[0].t)
  }
  return seen
}))

test('two_clients_use_one_name_for_two_texts', withClients(async (one, two) => {
  const seen = []
  for (let n = 0; n < 6; ++n) {
    const rows = await Promise.all([one.query({ name: 'q', text: "SELECT 'one' || $1::text AS v", values: [n] }), two.query({ name: 'q', text: 'SELECT $1::int * 2 AS v', values: [n] })])
    seen.push(rows.map((r) => r.rows[0].v))
  }
  return seen
}))

test('a_named_statement_survives_transactions', withClients(async (client) => {
  const seen = []
  for (let n = 0; n < 6; ++n) {
    await client.query('BEGIN')
    seen.push((await client.query({ name: 'inside', text: 'SELECT $1::int AS n', values: [n] })).rows[0].n)
    await client.query(n % 2 ? 'COMMIT' : 'ROLLBACK')
  }
  return seen
}))

test('queued_queries_keep_their_order', withClients(async (client) => {
  await client.query('CREATE TABLE queued (n int)')
  const results = await Promise.all(Array.from({ length: 200 }, (_, n) => client.query('INSERT INTO queued VALUES ($1) RETURNING n', [n])))
  return [results.map((r) => r.rows[0].n).every((n, at) => n === at), (await client.query('SELECT count(*) FROM queued')).rows]
}))

test('copy_both_ways', withClients(async (client) => {
  await client.query('CREATE TABLE copied (id int, name text)')
  const into = client.query(copyStreams.from('COPY copied FROM STDIN'))
  await stream(Readable.from(Array.from({ length: 3000 }, (_, n) => `${n}\t${n % 2 ? '\\N' : 'n' + n}\n`)), into)
  const out = client.query(copyStreams.to('COPY (SELECT * FROM copied ORDER BY id) TO STDOUT'))
  let text = ''
  for await (const chunk of out) text += chunk
  return [into.rowCount, text.length, text.slice(0, 20), (await client.query('SELECT count(name) FROM copied')).rows]
}))

test('a_failing_copy_leaves_the_client_usable', withClients(async (client) => {
  await client.query('CREATE TABLE copy_bad (id int)')
  const state = await stateOf(() => stream(Readable.from(['1\n', 'x\n']), client.query(copyStreams.from('COPY copy_bad FROM STDIN'))))
  return [state, (await client.query('SELECT count(*) FROM copy_bad')).rows]
}))

test('cancel_stops_a_running_statement', withClients(async (client) => {
  const running = stateOf(() => client.query('SELECT pg_sleep(15)'))
  await sleep(300)
  // The driver has no call of its own: its Connection sends the request, with this client's key.
  const other = new pg.Client({})
  const started = Date.now()
  await new Promise((resolve, reject) => {
    const connection = other.connection
    connection.on('error', reject)
    connection.connect(Number(process.env.PGPORT), process.env.PGHOST)
    connection.on('connect', () => connection.cancel(client.processID, client.secretKey))
    connection.stream.on('close', resolve)
  })
  return [await running, Date.now() - started < 10000, (await client.query('SELECT 1 AS one')).rows]
}))

test('query_timeout_leaves_other_clients_alone', withClients(async (client) => {
  await client.query("SET statement_timeout = '100ms'")
  return [await stateOf(() => client.query('SELECT pg_sleep(5)')), (await client.query('SELECT 1 AS one')).rows]
}))

test('errors_abort_the_transaction_and_savepoints_recover', withClients(async (client) => {
  await client.query('CREATE TABLE saved (id int PRIMARY KEY)')
  await client.query('BEGIN')
  await client.query('INSERT INTO saved VALUES ($1)', [1])
  await client.query('SAVEPOINT a')
  const error = await client.query('INSERT INTO saved VALUES ($1)', [1]).catch((e) => e)
  const blocked = await stateOf(() => client.query('SELECT $1::int', [1]))
  await client.query('ROLLBACK TO a')
  await client.query('INSERT INTO saved VALUES ($1)', [2])
  const tag = (await client.query('COMMIT')).command
  await client.query('BEGIN')
  await stateOf(() => client.query('SELECT 1/0'))
  const undone = (await client.query('COMMIT')).command
  return [[error.code, error.constraint, error.table, error.detail, error.severity, error.routine], blocked, tag, undone, (await client.query('SELECT id FROM saved ORDER BY id')).rows]
}))

test('errors_carry_position_and_hint', withClients(async (client) => {
  await client.query('CREATE TABLE hinted (amount int)')
  const error = await client.query('SELECT 1, amunt FROM hinted').catch((e) => e)
  const bound = await client.query('SELECT $1::int', ['x']).catch((e) => e)
  return [error.code, error.position, error.hint, bound.code, bound.message, bound.where]
}))

test('notices_arrive', withClients(async (client) => {
  const notices = []
  client.on('notice', (n) => notices.push([n.severity, n.code, n.message]))
  await client.query("DO $$ BEGIN RAISE NOTICE 'first'; RAISE WARNING 'second'; END $$")
  await client.query('DROP TABLE IF EXISTS never_there')
  return notices
}))

test('several_statements_in_one_query', withClients(async (client) => {
  const results = await client.query("CREATE TABLE multi (a int); INSERT INTO multi VALUES (1), (2); SELECT sum(a) FROM multi; SELECT 'last' AS l")
  const bad = await stateOf(() => client.query('INSERT INTO multi VALUES (3); SELECT 1/0'))
  const prepared = await stateOf(() => client.query('SELECT $1::int; SELECT 2', [1]))
  return [results.map((r) => [r.command, r.rowCount, r.rows]), bad, prepared, (await client.query('SELECT count(*) FROM multi')).rows]
}))

test('empty_queries_are_fine', withClients(async (client) => {
  const seen = []
  for (const text of ['', ';', '-- nothing']) seen.push((await client.query(text)).command, (await client.query({ text, values: [] , name: text ? undefined : 'empty' })).command)
  return seen
}))

test('cursors_read_in_batches', withClients(async (client) => {
  const cursor = client.query(new Cursor('SELECT n FROM generate_series(1, $1::int) n', [1000]))
  const sizes = [], seen = []
  for (let rows; (rows = await cursor.read(300)).length;) {
    sizes.push(rows.length)
    seen.push(rows[0].n)
  }
  await cursor.close()
  const early = client.query(new Cursor('SELECT n FROM generate_series(1, 1000) n'))
  await early.read(5)
  await early.close()
  return [sizes, seen, (await client.query('SELECT 1 AS one')).rows]
}))

test('query_streams_read_row_by_row', withClients(async (client) => {
  let total = 0
  for await (const row of client.query(new QueryStream('SELECT n FROM generate_series(1, 5000) n', [], { batchSize: 700 }))) total += row.n
  return total
}))

test('listen_and_notify', withClients(async (ears, mouth) => {
  const heard = []
  const done = new Promise((resolve) => ears.on('notification', (n) => heard.push([n.channel, n.payload]) === 3 && resolve()))
  await ears.query('LISTEN news')
  for (let n = 0; n < 3; ++n) await mouth.query("SELECT pg_notify('news', $1)", [`item ${n}`])
  await done
  return heard
}))

test('settings_follow_the_client', withClients(async (one, two) => {
  await one.query("SET work_mem = '5MB'; SET search_path = pg_catalog, \"Odd Name\"")
  await two.query("SET work_mem = '6MB'")
  const seen = []
  for (let n = 0; n < 4; ++n) {
    for (const client of [one, two]) seen.push((await client.query("SELECT current_setting('work_mem') AS m, current_setting('search_path') AS p, $1::int AS n", [n])).rows[0])
  }
  return seen
}))

test('isolation_levels_and_read_only', withClients(async (client) => {
  const seen = []
  for (const level of ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE']) {
    await client.query(`BEGIN ISOLATION LEVEL ${level} READ ONLY`)
    seen.push((await client.query("SELECT current_setting('transaction_isolation') AS i, current_setting('transaction_read_only') AS r")).rows[0])
    seen.push(await stateOf(() => client.query('CREATE TABLE refused (a int)')))
    await client.query('ROLLBACK')
  }
  return seen
}))

test('a_pool_with_more_clients_than_servers', async () => {
  const pool = new pg.Pool({ ssl: tls(), max: 10 })
  await pool.query('CREATE TABLE pooled (worker int, step int)')
  const work = async (worker) => {
    for (let step = 0; step < 10; ++step) {
      const client = await pool.connect()
      try {
        await client.query('BEGIN')
        await client.query('INSERT INTO pooled VALUES ($1, $2)', [worker, step])
        await client.query('COMMIT')
        if (step === 5) await stateOf(() => client.query('SELECT 1/0'))
      } finally {
        client.release()
      }
    }
  }
  await Promise.all(Array.from({ length: 20 }, (_, n) => work(n)))
  const { rows } = await pool.query('SELECT count(*), count(DISTINCT worker), sum(step) FROM pooled')
  await pool.end()
  return rows
})

test('a_large_value_goes_both_ways', withClients(async (client) => {
  const value = Buffer.alloc(4 << 20, 'abcdefg')
  return [(await client.query('SELECT $1::bytea AS b', [value])).rows[0].b.equals(value), (await client.query(`SELECT length('${'x'.repeat(1 << 20)}')`)).rows]
}))

test('a_client_that_vanishes_leaves_nothing', withClients(async (one) => {
  await one.query('CREATE TABLE left_open (id int PRIMARY KEY)')
  const gone = await connect()
  await gone.query('BEGIN')
  await gone.query('INSERT INTO left_open VALUES (1)')
  gone.connection.stream.destroy()
  await one.query('INSERT INTO left_open VALUES (1)')
  return (await one.query('SELECT count(*) FROM left_open')).rows
}))

await main()
