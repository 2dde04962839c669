// The frame of a Node.js suite: test(name, async () => seen) and main(). See python/harness.py for what a test may return.
import fs from 'node:fs'

const tests = []
const kDeadlineMs = 20000

export const tls = () => ({ ca: fs.readFileSync(process.env.PGSSLROOTCERT, 'utf8'), rejectUnauthorized: true })

export const test = (name, run) => tests.push({ name, run })

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// Values as JSON, with what JSON cannot hold written out.
const plain = (value) => {
  if (value === undefined) return null
  if (typeof value === 'bigint') return `bigint:${value}`
  if (Buffer.isBuffer(value) || value instanceof Uint8Array) return 'bytes:' + Buffer.from(value).toString('hex')
  if (value instanceof Date) return 'date:' + value.toISOString()
  if (Array.isArray(value)) return value.map(plain)
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
  return value
}

// The SQLSTATE and text of the error that `action` must end with.
export const stateOf = async (action) => {
  try {
    await action()
  } catch (error) {
    return [error.code ?? error.name, error.message]
  }
  throw new Error('this should have failed')
}

const within = (promise, ms) => {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${ms} ms`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

export const main = async () => {
  const wanted = process.argv.slice(2)
  for (const { name, run } of tests) {
    if (wanted.length && !wanted.includes(name)) continue
    const result = { test: name, ok: true, saw: null }
    try {
      result.saw = plain(await within(run(), kDeadlineMs))
    } catch (error) {
      result.ok = false
      result.saw = [error.code ?? error.name, error.message]
      result.error = error.stack
    }
    await new Promise((written) => process.stdout.write(JSON.stringify(result) + '\n', written))
  }
  // A test that hung left sockets behind.
  process.exit(0)
}

process.on('unhandledRejection', (error) => console.error('unhandled rejection:', error))
