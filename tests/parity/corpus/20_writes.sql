-- Writes. Each runs in a transaction that is rolled back, and once more by itself, in every mode; then all tables are
-- compared, shard by shard.
-- writes

-- shape: INSERT
INSERT INTO users VALUES (1001, 'new@example.com', 'New', 'eu', 'free', '2024-01-01+00');
INSERT INTO users (id, email) VALUES (1001, 'new@example.com');
INSERT INTO users (email, id) VALUES ('new@example.com', 1001) RETURNING *;
INSERT INTO users (id, email) VALUES (1001, 'new@example.com') RETURNING id, upper(email) AS e, plan IS NULL;
INSERT INTO users (id, email) VALUES (1001, 'a'), (1002, 'b'), (1003, 'c'), (1004, 'd');
INSERT INTO users (id, email) VALUES (1004, 'd'), (1001, 'a'), (1003, 'c'), (1002, 'b') RETURNING id, email;
INSERT INTO users (id, email, plan) VALUES (1001, 'a', DEFAULT), (1002, 'b', 'pro');
INSERT INTO users (id, email) VALUES ('1001', 'a');
INSERT INTO users (id, email) VALUES (' +1001 ', 'a');
INSERT INTO users (id, email) VALUES (1001.4, 'a'), (1001.5, 'b');
INSERT INTO users (id, email) VALUES (1000 + 1, 'a');
INSERT INTO users (id, email) VALUES (-1001, 'a');
INSERT INTO users (id, email) VALUES (NULL, 'a');
INSERT INTO users (email) VALUES ('a');
INSERT INTO users (id, email) VALUES (1001, NULL);
INSERT INTO users (id, email) VALUES (3, 'there already');
INSERT INTO users (id, email) VALUES (1001, 'a'), (3, 'there already');
INSERT INTO users (id, email) VALUES (1001, 'a'), (1001, 'b');
INSERT INTO users (id, email) VALUES (1001, 'a'), (1002, NULL);
INSERT INTO users (id, email) VALUES ('x', 'a');
INSERT INTO users (id, email, nothing) VALUES (1001, 'a', 1);
INSERT INTO users (id, email) VALUES (1001);
INSERT INTO users (id, email) VALUES (1001, 'a', 'b');
INSERT INTO users (id, id, email) VALUES (1001, 1002, 'a');
INSERT INTO users VALUES (1001, 'a', 'b', 'c', 'd', 'no time');
INSERT INTO users VALUES (1001, 'short');
INSERT INTO users DEFAULT VALUES;
INSERT INTO accounts VALUES (1, 3, 'broker', 'USD', 12.345, NULL);
INSERT INTO accounts VALUES (1, 3, 'broker', 'DOLLAR', 1, NULL);
INSERT INTO accounts VALUES (1, 4242, 'broker', 'USD', 1, NULL);
INSERT INTO accounts (id, user_id, balance) VALUES (901, 1, 1), (902, 2, 2), (903, 3, 3), (904, 4242, 4);
INSERT INTO accounts AS a (id, user_id) VALUES (901, 1) RETURNING a.id, a.user_id * 2 AS twice;
INSERT INTO transactions (id, user_id, amount, tags, created_at) VALUES (5001, 3, 9.99, '{a,b}', '2024-02-29 12:00+00') RETURNING *;
INSERT INTO transactions (id, user_id, amount, created_at) VALUES (5001, 3, 1, '2024-01-05+00'), (5002, 4, 2, '2024-03-05+00'), (5003, 5, 3, '2024-04-05+00');
INSERT INTO transactions (id, user_id, amount, created_at) VALUES (5001, 3, 9.99, '2030-01-01+00');
INSERT INTO transactions (id, user_id, amount, created_at) VALUES (5001, 3, 9.99, '2024-02-01+00'), (5002, 4, 9.99, '2030-01-01+00');
INSERT INTO transactions_p20240201 (id, user_id, amount, created_at) VALUES (5001, 3, 9.99, '2024-02-02+00');
INSERT INTO transactions_p20240201 (id, user_id, amount, created_at) VALUES (5001, 3, 9.99, '2024-05-02+00');
INSERT INTO events VALUES ('00000000-0000-0000-0000-000000000001', md5('u3')::uuid, '{"kind": "x"}', NULL);
INSERT INTO events VALUES ('00000000-0000-0000-0000-000000000001', '532A7B8E-0328-A8D0-5A8E-6258B28B9A36', '{"kind": "x"}', NULL) RETURNING user_id, body;
INSERT INTO events VALUES ('00000000-0000-0000-0000-000000000001', '532a7b8e-0328-a8d0-5a8e-6258b28b9a36', '{broken', NULL);
INSERT INTO "Order Lines" VALUES (3, 'quoted "text"', 100), (4, 'Ünïcode', 101) RETURNING "User Id", "select";
INSERT INTO archive.accounts VALUES (900, 3, 1.5), (901, 4, 2.5);
INSERT INTO users (id, email) SELECT 1001, 'a';
INSERT INTO users (id, email) SELECT i, 'gen' || i FROM generate_series(1001, 1005) i;
INSERT INTO users (id, email) SELECT id + 10000, email FROM users WHERE id = 3;
INSERT INTO archive.accounts SELECT id + 1000, user_id, balance FROM accounts WHERE balance > 0;
INSERT INTO archive.accounts (user_id, id, balance) SELECT user_id, count(*) + 5000, sum(amount) FROM transactions GROUP BY user_id;
INSERT INTO archive.accounts SELECT id + 1000, user_id, balance FROM accounts WHERE user_id = 3 RETURNING *;
INSERT INTO archive.accounts SELECT id, id, balance FROM accounts;
INSERT INTO accounts (id, user_id, currency) SELECT t.id + 9000, t.user_id, 'EUR' FROM transactions t JOIN users u ON u.id = t.user_id WHERE t.amount > 100 RETURNING id;
INSERT INTO archive.accounts SELECT DISTINCT ON (user_id) id + 2000, user_id, balance FROM accounts ORDER BY user_id, id;
WITH x AS (SELECT 1001 AS id) INSERT INTO users (id, email) SELECT id, 'a' FROM x;
WITH x AS (INSERT INTO users (id, email) VALUES (1001, 'a') RETURNING id) SELECT id + 1 AS next FROM x;
WITH u AS (INSERT INTO users (id, email) VALUES (1001, 'a') RETURNING id) INSERT INTO accounts (id, user_id) SELECT 1, id FROM u;
INSERT INTO nothing_there VALUES (1);
INSERT INTO rich_accounts VALUES (1, 3, 2000);
-- params: 1001 | p@example.com | \N
-- params: 1002 | q@example.com | gold
-- params: \N | q@example.com | gold
-- params: 3 | q@example.com | gold
INSERT INTO users (id, email, plan) VALUES ($1, $2, $3) RETURNING id, plan;
-- params: 1001 | a | 1002 | b
INSERT INTO users (id, email) VALUES ($1, $2), ($3, $4);
-- params: 1003 | a | 1001 | b
INSERT INTO users (id, email) VALUES ($1, $2), ($3, $4) RETURNING id;
-- params: 3 | 1.005 | {x,"y z",NULL} | 2024-02-03 04:05:06+00
INSERT INTO transactions (id, user_id, amount, tags, created_at) VALUES (5001, $1, $2, $3, $4) RETURNING amount, tags;
-- params: 5 | 1001
INSERT INTO users (id, email) SELECT $2::bigint + i, 'x' FROM generate_series(1, $1::int) i;

-- shape: INSERT ... ON CONFLICT
INSERT INTO users (id, email) VALUES (3, 'x') ON CONFLICT DO NOTHING;
INSERT INTO users (id, email) VALUES (3, 'x') ON CONFLICT (id) DO NOTHING RETURNING id;
INSERT INTO users (id, email) VALUES (3, 'x') ON CONFLICT (id) DO UPDATE SET email = excluded.email RETURNING *;
INSERT INTO users AS u (id, email) VALUES (3, 'x') ON CONFLICT (id) DO UPDATE SET email = u.email || excluded.email, plan = 'gold' WHERE u.plan IS DISTINCT FROM 'gold' RETURNING id, email, plan;
INSERT INTO users (id, email) VALUES (3, 'x'), (1001, 'y'), (4, 'z') ON CONFLICT (id) DO UPDATE SET email = excluded.email RETURNING id, email;
INSERT INTO users (id, email) VALUES (3, 'x'), (1001, 'y'), (4, 'z'), (1002, 'w') ON CONFLICT DO NOTHING RETURNING id;
INSERT INTO users (id, email) VALUES (3, 'x'), (3, 'y') ON CONFLICT (id) DO UPDATE SET email = excluded.email;
INSERT INTO accounts (id, user_id, balance) VALUES (31, 3, 5), (901, 3, 6) ON CONFLICT (user_id, id) DO UPDATE SET balance = accounts.balance + excluded.balance RETURNING id, balance;
INSERT INTO accounts (id, user_id, balance) VALUES (31, 3, 5) ON CONFLICT ON CONSTRAINT accounts_pkey DO NOTHING;
INSERT INTO accounts (id, user_id, balance) VALUES (31, 3, 5) ON CONFLICT (id) DO NOTHING;
INSERT INTO users (id, email) VALUES (3, 'x') ON CONFLICT (email) DO NOTHING;
INSERT INTO users (id, email) VALUES (3, 'x') ON CONFLICT (id) DO UPDATE SET email = NULL;
INSERT INTO users (id, email) VALUES (3, 'x') ON CONFLICT (id) DO UPDATE SET id = 1001;
INSERT INTO users (id, email) VALUES (3, 'x') ON CONFLICT DO UPDATE SET email = 'y';
INSERT INTO archive.accounts SELECT id, user_id, balance FROM accounts WHERE user_id < 10 ON CONFLICT (user_id, id) DO UPDATE SET balance = excluded.balance;
-- params: 3 | up
-- params: 1001 | in
INSERT INTO users (id, email) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET email = excluded.email RETURNING id, email;
-- params: 3 | 10.50
INSERT INTO accounts (id, user_id, balance) VALUES (31, $1, $2) ON CONFLICT (user_id, id) DO UPDATE SET balance = coalesce(accounts.balance, 0) + $2 RETURNING balance;

-- shape: UPDATE
UPDATE users SET name = 'X' WHERE id = 3;
UPDATE users SET name = 'X' WHERE id = 100000;
UPDATE users SET name = 'X', plan = NULL WHERE id = 3 RETURNING *;
UPDATE users SET (name, plan) = ('X', 'gold') WHERE id = 3 RETURNING id, name;
UPDATE users SET (name, plan) = (SELECT 'X', 'gold') WHERE id = 3 RETURNING id, name;
UPDATE users SET name = upper(name) WHERE region = 'eu';
UPDATE users SET name = upper(name) WHERE region = 'eu' RETURNING id, name;
UPDATE users SET plan = CASE WHEN plan = 'gold' THEN 'pro' ELSE 'gold' END;
UPDATE users SET plan = 'x' WHERE region = 'nowhere' RETURNING id;
UPDATE users SET plan = 'x' WHERE id IN (1, 2, 3) RETURNING id;
UPDATE users SET plan = 'x' WHERE id = 3 OR plan = 'gold';
UPDATE users SET plan = 'x' WHERE false;
UPDATE users SET plan = DEFAULT WHERE id = 3;
UPDATE users SET plan = DEFAULT WHERE region = 'us';
UPDATE accounts SET balance = balance + 10 WHERE user_id = 3 AND id = 31;
UPDATE accounts SET balance = balance * 1.05 WHERE currency = 'EUR' AND balance > 0;
UPDATE accounts SET balance = balance / 0 WHERE user_id = 3;
UPDATE accounts SET balance = 1 / (balance - balance) WHERE currency = 'USD';
UPDATE accounts SET currency = 'TOO LONG' WHERE currency = 'JPY';
UPDATE users SET email = NULL WHERE region = 'us';
UPDATE users SET nothing = 1 WHERE id = 3;
UPDATE users SET id = 3 WHERE id = 3;
UPDATE users SET id = 1003 WHERE id = 5;
UPDATE users SET id = 1003 WHERE id = 5 RETURNING id, name;
UPDATE users SET id = 1003 WHERE id = 3;
UPDATE users SET id = id + 1000 WHERE id IN (5, 10, 15) RETURNING id;
UPDATE users SET id = 4 WHERE id = 5;
UPDATE users SET id = NULL WHERE id = 5;
UPDATE accounts SET user_id = 4 WHERE user_id = 3 AND id = 31;
UPDATE accounts SET user_id = 4242 WHERE user_id = 3 AND id = 31;
UPDATE accounts SET id = id + 1 WHERE user_id = 3;
UPDATE accounts SET user_id = 4, id = id + 5000 WHERE user_id = 3 RETURNING id, user_id, balance;
UPDATE accounts SET user_id = 4, id = id + 5000 WHERE user_id IN (3, 5, 6, 7) AND balance > 0 RETURNING *;
UPDATE accounts SET user_id = user_id + 1, id = id + 5000 WHERE user_id = 3 RETURNING *;
-- params: 8 | 1.50 | 3
UPDATE accounts SET user_id = $1, balance = balance + $2 WHERE user_id = $3 RETURNING user_id, balance;
UPDATE accounts a SET user_id = 8, currency = 'EUR', kind = upper(a.kind) WHERE a.user_id = 9 AND a.id < 10000 RETURNING a.*;
UPDATE accounts SET user_id = 8, balance = balance / 0 WHERE user_id = 9;
UPDATE accounts SET user_id = 8, currency = 'TOO LONG' WHERE user_id = 9;
UPDATE accounts SET user_id = 8, id = 1 WHERE user_id IN (9, 10, 11, 12);
UPDATE accounts SET user_id = user_id + 1;
UPDATE archive.accounts SET user_id = 777 WHERE balance > 0 RETURNING archive.accounts.id;
UPDATE transactions SET user_id = 12 WHERE user_id = 11;
UPDATE transactions SET user_id = user_id + 100000 RETURNING id, user_id, amount, tags;
UPDATE "Order Lines" SET "User Id" = "User Id" + 1000, "select" = "select" || '!' RETURNING *;
UPDATE events SET user_id = '00000000-0000-0000-0000-000000000001' RETURNING user_id;
UPDATE events SET user_id = id;
UPDATE accounts a SET balance = 0 FROM users u WHERE u.id = a.user_id AND u.region = 'eu';
UPDATE accounts a SET balance = 0 FROM users u WHERE u.id = a.user_id AND u.region = 'isle' RETURNING a.id, u.name;
UPDATE accounts a SET balance = 0 FROM users u WHERE u.id = a.user_id AND u.id = 3;
UPDATE accounts SET balance = s.total FROM (SELECT user_id, sum(amount) AS total FROM transactions GROUP BY user_id) s WHERE s.user_id = accounts.user_id;
UPDATE accounts SET balance = (SELECT sum(amount) FROM transactions t WHERE t.user_id = accounts.user_id AND t.account_id = accounts.id);
UPDATE users SET plan = 'debt' WHERE EXISTS (SELECT FROM accounts a WHERE a.user_id = users.id AND a.balance < 0) RETURNING id;
UPDATE users SET plan = 'none' WHERE id NOT IN (SELECT user_id FROM accounts WHERE user_id = users.id);
UPDATE accounts SET balance = 0 FROM users u WHERE u.region = accounts.kind;
UPDATE transactions SET category_id = c.parent_id FROM categories c WHERE c.id = transactions.category_id AND c.parent_id IS NOT NULL;
UPDATE transactions SET note = 'big' WHERE amount > 150 AND created_at < '2024-03-01';
UPDATE transactions SET tags = array_append(tags, 'x') WHERE user_id = 14 RETURNING id, tags;
UPDATE transactions SET created_at = created_at + interval '31 days' WHERE user_id = 14 AND created_at < '2024-03-01';
UPDATE transactions SET created_at = '2030-01-01' WHERE user_id = 14;
UPDATE transactions_p20240201 SET note = 'feb' WHERE amount > 100 RETURNING id;
UPDATE ONLY users SET plan = 'x' WHERE id = 3;
UPDATE "Order Lines" SET "select" = "select" || '!' WHERE "Ünits" > 20 RETURNING "User Id", "select";
UPDATE events SET body = body || '{"seen": true}' WHERE body->>'kind' = 'login';
UPDATE archive.accounts SET balance = balance + 1;
UPDATE users u SET name = u.region || '-' || u.plan WHERE u.id < 10 RETURNING u.id, u.name;
WITH x AS (SELECT id FROM users WHERE plan = 'gold') UPDATE users SET plan = 'silver' FROM x WHERE x.id = users.id RETURNING users.id;
WITH x AS (UPDATE users SET plan = 'z' WHERE id = 3 RETURNING id, plan) SELECT * FROM x;
WITH x AS (UPDATE users SET plan = 'z' WHERE region = 'isle' RETURNING id, plan) SELECT * FROM x;
-- params: 3 | Name
-- params: 100000 | Name
-- params: \N | Name
UPDATE users SET name = $2 WHERE id = $1;
-- params: 10.25 | EUR
UPDATE accounts SET balance = balance + $1 WHERE currency = $2 RETURNING id, balance;
-- params: {1,2,3} | vip
UPDATE users SET plan = $2 WHERE id = ANY($1) RETURNING id, plan;

-- shape: DELETE
DELETE FROM accounts WHERE user_id = 3;
DELETE FROM accounts WHERE user_id = 3 AND id = 31 RETURNING *;
DELETE FROM accounts WHERE user_id = 100000;
DELETE FROM accounts WHERE balance < 0;
DELETE FROM accounts WHERE balance < 0 RETURNING id, user_id, balance;
DELETE FROM accounts WHERE user_id IN (1, 2, 3) RETURNING id;
DELETE FROM accounts;
DELETE FROM users WHERE id = 5;
DELETE FROM users WHERE id = 3;
DELETE FROM users WHERE region = 'eu';
DELETE FROM users u WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.user_id = u.id) RETURNING id;
DELETE FROM accounts a USING users u WHERE u.id = a.user_id AND u.plan = 'gold';
DELETE FROM accounts a USING users u WHERE u.id = a.user_id AND u.region = 'isle' RETURNING a.*, u.name;
DELETE FROM accounts a USING users u WHERE u.plan = 'gold';
DELETE FROM transactions WHERE created_at < '2024-02-01';
DELETE FROM transactions t USING categories c WHERE c.id = t.category_id AND c.name = 'Food' RETURNING t.id;
DELETE FROM transactions WHERE category_id IN (SELECT id FROM categories WHERE parent_id = 4);
DELETE FROM transactions_p20240101 WHERE amount IS NULL;
DELETE FROM transactions WHERE id IN (SELECT id FROM transactions ORDER BY created_at LIMIT 5);
DELETE FROM events WHERE user_id = '532a7b8e-0328-a8d0-5a8e-6258b28b9a36';
DELETE FROM events WHERE body IS NULL RETURNING id;
DELETE FROM "Order Lines" WHERE "User Id" = 3 RETURNING "Ünits";
DELETE FROM users WHERE 1 / (id - 3) > 0;
DELETE FROM nothing_there;
DELETE FROM users WHERE nothing = 1;
WITH gone AS (DELETE FROM accounts WHERE user_id = 3 RETURNING balance) SELECT sum(balance) FROM gone;
WITH gone AS (DELETE FROM transactions WHERE user_id = 14 RETURNING *) INSERT INTO archive.accounts SELECT id, user_id, amount FROM gone;
-- params: 3
-- params: \N
DELETE FROM accounts WHERE user_id = $1 RETURNING id;
-- params: -100
DELETE FROM transactions WHERE amount < $1;

-- shape: MERGE
MERGE INTO accounts a USING (SELECT 31 AS id, 3 AS user_id, 7.5 AS amount) s ON a.user_id = s.user_id AND a.id = s.id WHEN MATCHED THEN UPDATE SET balance = s.amount;
MERGE INTO accounts a USING transactions t ON a.user_id = t.user_id AND a.id = t.account_id AND t.id < 40 WHEN MATCHED THEN UPDATE SET balance = a.balance + t.amount;
MERGE INTO archive.accounts a USING accounts s ON a.user_id = s.user_id AND a.id = s.id WHEN MATCHED THEN UPDATE SET balance = s.balance WHEN NOT MATCHED THEN INSERT (id, user_id, balance) VALUES (s.id, s.user_id, s.balance);
MERGE INTO accounts a USING users u ON a.user_id = u.id WHEN MATCHED AND u.plan = 'gold' THEN DELETE WHEN MATCHED AND a.balance < 0 THEN UPDATE SET balance = 0 WHEN MATCHED THEN DO NOTHING;
MERGE INTO users u USING (VALUES (1001, 'm')) s(id, email) ON u.id = s.id WHEN NOT MATCHED THEN INSERT (id, email) VALUES (s.id, s.email);
MERGE INTO users u USING (VALUES (3, 'm'), (1001, 'n')) s(id, email) ON u.id = s.id WHEN MATCHED THEN UPDATE SET email = s.email WHEN NOT MATCHED THEN INSERT (id, email) VALUES (s.id, s.email);
MERGE INTO users u USING (SELECT 3 AS id) s ON u.id = s.id AND u.id = 3 WHEN MATCHED THEN UPDATE SET email = 'm' WHEN NOT MATCHED THEN INSERT (id, email) VALUES (3, 'm');
MERGE INTO users u USING categories c ON u.id = c.id WHEN MATCHED THEN UPDATE SET name = c.name;
MERGE INTO accounts a USING users u ON a.kind = u.plan WHEN MATCHED THEN DELETE;

-- shape: writes to reference and local tables
INSERT INTO categories VALUES (100, 'New', NULL);
INSERT INTO categories VALUES (100, 'New', NULL), (101, 'Newer', 100) RETURNING *;
INSERT INTO categories VALUES (1, 'Food', NULL);
INSERT INTO categories VALUES (1, 'Eat', NULL) ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING name;
UPDATE categories SET name = upper(name) WHERE parent_id = 1;
UPDATE categories SET name = upper(name) WHERE parent_id = 1 RETURNING id, name;
UPDATE categories SET id = id + 1000 WHERE id = 20;
UPDATE categories c SET name = p.name || '/' || c.name FROM categories p WHERE p.id = c.parent_id RETURNING c.id, c.name;
DELETE FROM categories WHERE id = 20;
DELETE FROM categories WHERE parent_id IS NOT NULL RETURNING id;
DELETE FROM categories WHERE 1 / (id - 4) > 0;
INSERT INTO categories SELECT id + 1000, name, id FROM categories WHERE parent_id IS NULL;
UPDATE categories SET name = 'used' WHERE id IN (SELECT category_id FROM transactions);
INSERT INTO settings VALUES ('new', '[1, 2]') RETURNING key, value;
INSERT INTO settings VALUES ('theme', '{}') ON CONFLICT (key) DO UPDATE SET value = settings.value || excluded.value || '{"x": 1}' RETURNING value;
UPDATE settings SET value = jsonb_set(value, '{daily}', '600') WHERE key = 'limits';
DELETE FROM settings WHERE value IS NULL RETURNING *;
-- params: 100 | Néw | 1
-- params: 1 | twice | \N
INSERT INTO categories VALUES ($1, $2, $3);
-- params: theme | {"dark": false}
UPDATE settings SET value = $2 WHERE key = $1 RETURNING value;
