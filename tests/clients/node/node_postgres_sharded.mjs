// node-postgres on a sharded database: rows by their key, through named statements.
import pg from 'pg'
import { main, stateOf, test } from './harness.mjs'

const kFirst = 20000
const ids = Array.from({ length: 40 }, (_, n) => kFirst + n)

const withClient = (use) => async () => {
  const client = new pg.Client()
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

test('rows_are_written_and_read_by_key', withClient(async (client) => {
  const tags = [], rows = []
  for (const id of ids) tags.push((await client.query({ name: 'insert', text: 'INSERT INTO users (id, email, name) VALUES ($1, $2, $3)', values: [id, `${id}@example.com`, `User ${id}`] })).rowCount)
  for (const id of ids) rows.push((await client.query({ name: 'read', text: 'SELECT email, name FROM users WHERE id = $1', values: [id] })).rows)
  return [tags, rows]
}))

test('rows_are_changed_and_deleted_by_key', withClient(async (client) => {
  const seen = []
  for (const id of ids) seen.push((await client.query({ name: 'change', text: 'UPDATE users SET plan = $1 WHERE id = $2 RETURNING id, plan', values: [id % 2 ? 'gold' : 'silver', id] })).rows)
  for (const id of ids.slice(30)) seen.push((await client.query('DELETE FROM users WHERE id = $1', [id])).rowCount)
  for (const id of ids) seen.push((await client.query({ name: 'read', text: 'SELECT plan FROM users WHERE id = $1', values: [id] })).rows)
  return seen
}))

test('transactions_stay_with_one_key', withClient(async (client) => {
  const seen = []
  for (const id of ids.slice(0, 10)) {
    await client.query('BEGIN')
    await client.query({ name: 'open', text: "INSERT INTO accounts (id, user_id, kind, balance) VALUES ($1, $2, 'cash', 10)", values: [id * 2, id] })
    await client.query('SAVEPOINT s')
    seen.push(await stateOf(() => client.query({ name: 'open', text: "INSERT INTO accounts (id, user_id, kind, balance) VALUES ($1, $2, 'cash', 10)", values: [id * 2, id] })))
    await client.query('ROLLBACK TO s')
    await client.query('UPDATE accounts SET balance = balance + 5 WHERE user_id = $1', [id])
    await client.query(id % 2 ? 'COMMIT' : 'ROLLBACK')
    seen.push((await client.query('SELECT balance FROM accounts WHERE user_id = $1', [id])).rows)
  }
  return seen
}))

test('queued_queries_reach_many_shards', withClient(async (client) =>
  (await Promise.all(ids.map((id) => client.query({ name: 'read', text: 'SELECT id, name FROM users WHERE id = $1', values: [id] })))).map((r) => r.rows)))

await main()
