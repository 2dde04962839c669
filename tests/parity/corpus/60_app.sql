-- What a wealth-management app sends in a day: the screens of a customer, the office's reports, jobs.

-- shape: an app's screens
-- params: u3@example.com
SELECT id, name, plan FROM users WHERE email = $1;
-- params: 3
SELECT id, kind, currency, balance, opened_at FROM accounts WHERE user_id = $1 ORDER BY opened_at DESC, id;
-- params: 14
SELECT currency, sum(balance) AS total, count(*) AS accounts FROM accounts WHERE user_id = $1 GROUP BY currency ORDER BY currency;
-- params: 14 | 20 | 0
-- params: 14 | 3 | 3
SELECT t.id, t.amount, t.note, c.name AS category, t.created_at FROM transactions t LEFT JOIN categories c ON c.id = t.category_id WHERE t.user_id = $1 ORDER BY t.created_at DESC, t.id DESC LIMIT $2 OFFSET $3;
-- params: 14 | 2024-03-01 00:00:00+00 | 200
SELECT id, amount, created_at FROM transactions WHERE user_id = $1 AND (created_at, id) < ($2, $3) ORDER BY created_at DESC, id DESC LIMIT 5;
-- params: 14
SELECT date_trunc('month', created_at) AS month, sum(amount) FILTER (WHERE amount > 0) AS income, -sum(amount) FILTER (WHERE amount < 0) AS spent FROM transactions WHERE user_id = $1 GROUP BY 1 ORDER BY 1;
-- params: 14 | {food,travel}
SELECT id, tags FROM transactions WHERE user_id = $1 AND tags && $2::text[] ORDER BY id;
-- params: 14 | %caf%
SELECT id, note FROM transactions WHERE user_id = $1 AND note ILIKE $2 ORDER BY id;
-- params: 14
WITH spent AS (SELECT category_id, -sum(amount) AS s FROM transactions WHERE user_id = $1 AND amount < 0 GROUP BY category_id) SELECT coalesce(c.name, 'other') AS name, s, round(100 * s / sum(s) OVER (), 1) AS pct FROM spent LEFT JOIN categories c ON c.id = spent.category_id ORDER BY s DESC, name;
-- params: 14
SELECT id, amount, sum(amount) OVER (ORDER BY created_at, id) AS running FROM transactions WHERE user_id = $1 ORDER BY created_at, id;
-- params: 3
SELECT u.id, u.name, (SELECT count(*) FROM accounts a WHERE a.user_id = u.id) AS accounts, (SELECT max(created_at) FROM transactions t WHERE t.user_id = u.id) AS last_seen FROM users u WHERE u.id = $1;
-- params: 3
SELECT json_build_object('id', u.id, 'accounts', (SELECT json_agg(json_build_object('id', a.id, 'balance', a.balance) ORDER BY a.id) FROM accounts a WHERE a.user_id = u.id)) FROM users u WHERE u.id = $1;
-- params: 532a7b8e-0328-a8d0-5a8e-6258b28b9a36 | login
SELECT id, body, created_at FROM events WHERE user_id = $1 AND body->>'kind' = $2 ORDER BY created_at DESC, id LIMIT 10;
-- params: 3
SELECT EXISTS (SELECT 1 FROM accounts WHERE user_id = $1 AND balance < 0) AS overdrawn;
-- params: 3 | 4
SELECT 1 AS one FROM accounts WHERE user_id = $1 AND id = $2 LIMIT 1;
-- params: {1,2,3,4,14}
SELECT id, name, region FROM users WHERE id = ANY($1) ORDER BY id;
-- params: {1,2,3,4,14}
SELECT user_id, sum(balance) FROM accounts WHERE user_id = ANY($1) GROUP BY user_id ORDER BY user_id;

-- shape: an ORM's statements
-- params: 3 | 1
SELECT "users"."id" AS "users_id", "users"."email" AS "users_email", "users"."name" AS "users_name" FROM "users" WHERE "users"."id" = $1 LIMIT $2;
-- params: 3
SELECT "accounts".* FROM "accounts" WHERE "accounts"."user_id" = $1 ORDER BY "accounts"."id" ASC;
-- params: 1 | 2 | 3
SELECT "accounts"."id", "accounts"."user_id" FROM "accounts" WHERE "accounts"."user_id" IN ($1, $2, $3) ORDER BY 1;
-- params: 3
SELECT COUNT(*) AS "count" FROM "accounts" WHERE "accounts"."user_id" = $1;
SELECT COUNT(*) FROM "users" WHERE "users"."region" = 'eu';
SELECT t0.id, t1.id AS "accounts__id", t1.balance AS "accounts__balance" FROM users AS t0 LEFT OUTER JOIN accounts AS t1 ON t0.id = t1.user_id WHERE t0.id = 3 ORDER BY t1.id;
SELECT t0.id, t1.id FROM users AS t0 LEFT OUTER JOIN accounts AS t1 ON t0.id = t1.user_id WHERE t0.plan = 'gold' ORDER BY t0.id ASC, t1.id ASC;
SELECT DISTINCT "users"."id", "users"."name" FROM "users" INNER JOIN "accounts" ON "accounts"."user_id" = "users"."id" WHERE "accounts"."currency" = 'EUR' ORDER BY "users"."id";
SELECT anon_1.users_id FROM (SELECT users.id AS users_id FROM users WHERE users.plan = 'pro') AS anon_1 ORDER BY anon_1.users_id;
SELECT "u0"."id" FROM "users" "u0" WHERE ("u0"."name" = 'Bob' AND NOT ("u0"."region" = 'us' AND "u0"."region" IS NOT NULL)) ORDER BY "u0"."id";
SELECT (1) AS "a" FROM "users" WHERE "users"."email" = 'u3@example.com' LIMIT 1;
SELECT 1 AS one FROM "users" WHERE "users"."id" = 3 LIMIT 1;
SELECT "accounts"."currency" AS "currency", SUM("accounts"."balance") AS "sum_balance" FROM "accounts" GROUP BY "accounts"."currency" HAVING COUNT(*) > 5 ORDER BY "sum_balance" DESC;
SELECT count(*) FROM (SELECT DISTINCT users.id FROM users JOIN accounts ON accounts.user_id = users.id WHERE accounts.balance > 0) AS subquery;
-- params: 20 | 10
SELECT users.id, users.email FROM users ORDER BY users.id ASC LIMIT $1 OFFSET $2;

-- shape: reports over all customers
SELECT count(*) AS users, count(*) FILTER (WHERE plan = 'gold') AS gold, count(DISTINCT region) AS regions FROM users;
SELECT plan, count(*) AS n, round(100.0 * count(*) / sum(count(*)) OVER (), 2) AS pct FROM users GROUP BY plan ORDER BY n DESC, plan;
SELECT date_trunc('week', created_at) AS week, count(*) AS signups FROM users WHERE created_at IS NOT NULL GROUP BY week ORDER BY week;
SELECT week, signups, sum(signups) OVER (ORDER BY week) AS total FROM (SELECT date_trunc('week', created_at) AS week, count(*) AS signups FROM users GROUP BY 1) x ORDER BY week;
SELECT currency, sum(balance) AS assets, percentile_disc(0.5) WITHIN GROUP (ORDER BY balance) AS median FROM accounts WHERE balance IS NOT NULL GROUP BY currency ORDER BY assets DESC;
SELECT u.region, a.currency, sum(a.balance) AS total, count(DISTINCT u.id) AS customers FROM users u JOIN accounts a ON a.user_id = u.id GROUP BY GROUPING SETS ((u.region, a.currency), (u.region), ()) ORDER BY grouping(u.region, a.currency), 1, 2;
SELECT u.id, u.email, sum(a.balance) AS wealth FROM users u JOIN accounts a ON a.user_id = u.id GROUP BY u.id, u.email ORDER BY wealth DESC NULLS LAST, u.id LIMIT 10;
SELECT width_bucket(balance, -500, 3500, 4) AS bucket, count(*), min(balance), max(balance) FROM accounts WHERE balance IS NOT NULL GROUP BY bucket ORDER BY bucket;
SELECT c.name, to_char(t.created_at, 'YYYY-MM') AS month, count(*), sum(t.amount) FROM transactions t JOIN categories c ON c.id = t.category_id WHERE t.created_at >= '2024-02-01' GROUP BY c.name, month ORDER BY c.name NULLS LAST, month;
SELECT extract(hour FROM created_at)::int AS hour, count(*) FROM transactions GROUP BY hour ORDER BY hour;
SELECT body->>'kind' AS kind, count(*), count(DISTINCT user_id) AS users FROM events GROUP BY kind ORDER BY kind NULLS LAST;
SELECT tag, count(*) FROM transactions t CROSS JOIN LATERAL unnest(t.tags) AS x(tag) GROUP BY tag ORDER BY count(*) DESC, tag LIMIT 5;
SELECT u.id FROM users u LEFT JOIN transactions t ON t.user_id = u.id AND t.created_at >= '2024-03-01' WHERE t.id IS NULL ORDER BY u.id;
SELECT max(n) AS most, min(n) AS least, round(avg(n), 3) AS mean FROM (SELECT user_id, count(*) AS n FROM transactions GROUP BY user_id) s;
SELECT n, count(*) AS users FROM (SELECT u.id, count(a.id) AS n FROM users u LEFT JOIN accounts a ON a.user_id = u.id GROUP BY u.id) s GROUP BY n ORDER BY n;
WITH w AS (SELECT user_id, sum(balance) AS wealth FROM accounts GROUP BY user_id) SELECT CASE WHEN wealth < 0 THEN 'debt' WHEN wealth < 2000 THEN 'some' ELSE 'much' END AS class, count(*), sum(wealth) FROM w GROUP BY class ORDER BY class;
WITH monthly AS (SELECT user_id, date_trunc('month', created_at) AS m, sum(amount) AS s FROM transactions GROUP BY 1, 2) SELECT m, count(*) AS active, sum(s) AS flow, max(s) AS best FROM monthly GROUP BY m ORDER BY m;
SELECT currency, kind, count(*) FROM accounts GROUP BY CUBE (currency, kind) ORDER BY grouping(currency), grouping(kind), currency, kind;
SELECT string_agg(DISTINCT currency::text, ',' ORDER BY currency::text) AS currencies FROM accounts;
SELECT u.region, string_agg(u.name, ', ' ORDER BY u.name, u.id) AS names FROM users u WHERE u.plan = 'gold' GROUP BY u.region ORDER BY u.region;
SELECT min(created_at) AS first, max(created_at) AS last, max(created_at) - min(created_at) AS span FROM transactions;
SELECT a.currency, count(*) FILTER (WHERE t.amount > 0) AS ins, count(*) FILTER (WHERE t.amount < 0) AS outs FROM accounts a JOIN transactions t ON t.user_id = a.user_id AND t.account_id = a.id GROUP BY a.currency ORDER BY a.currency;

-- shape: an app's writes
-- writes
-- block
BEGIN;
SELECT balance FROM accounts WHERE user_id = 3 AND id = 31 FOR UPDATE;
UPDATE accounts SET balance = balance - 25.50 WHERE user_id = 3 AND id = 31 AND balance >= 25.50 RETURNING balance;
INSERT INTO transactions (id, user_id, account_id, category_id, amount, note, created_at) VALUES (9001, 3, 31, 2, -25.50, 'lunch', '2024-04-01 12:00+00');
UPDATE accounts SET balance = balance + 25.50 WHERE user_id = 4 AND id = 40 RETURNING balance;
INSERT INTO transactions (id, user_id, account_id, category_id, amount, note, created_at) VALUES (9002, 4, 40, 2, 25.50, 'lunch', '2024-04-01 12:00+00');
COMMIT;
SELECT user_id, sum(amount) FROM transactions WHERE id IN (9001, 9002) GROUP BY user_id ORDER BY user_id;
-- end
-- block
BEGIN;
INSERT INTO users (id, email, name, region, plan, created_at) VALUES (2001, 'new@example.com', 'New', 'eu', 'free', '2024-04-02+00') RETURNING id;
INSERT INTO accounts (id, user_id, kind, currency, balance, opened_at) VALUES (20010, 2001, 'checking', 'EUR', 0, '2024-04-02+00');
SAVEPOINT welcome;
INSERT INTO accounts (id, user_id, kind, currency, balance, opened_at) VALUES (20010, 2001, 'savings', 'EUR', 0, '2024-04-02+00');
ROLLBACK TO welcome;
INSERT INTO accounts (id, user_id, kind, currency, balance, opened_at) VALUES (20011, 2001, 'savings', 'EUR', 0, '2024-04-02+00');
COMMIT;
SELECT u.name, a.id FROM users u JOIN accounts a ON a.user_id = u.id WHERE u.id = 2001 ORDER BY a.id;
-- end
-- params: 3 | 31 | 99.95
UPDATE accounts SET balance = $3 WHERE user_id = $1 AND id = $2;
-- params: eu | pro
UPDATE users SET plan = $2 WHERE region = $1 AND plan IS NULL RETURNING id;
UPDATE accounts SET balance = round(balance * 1.0025, 2) WHERE kind = 'savings' AND balance > 0;
DELETE FROM transactions WHERE created_at < '2024-01-10' AND amount IS NULL RETURNING id, user_id;
DELETE FROM events WHERE created_at < '2024-02-01 03:00+00';
UPDATE transactions t SET category_id = 8 FROM categories c WHERE c.id = t.category_id AND c.name IS NULL;
INSERT INTO transactions (id, user_id, account_id, amount, note, created_at) SELECT a.id + 100000, a.user_id, a.id, round(a.balance * 0.001, 2), 'interest', '2024-04-30+00' FROM accounts a WHERE a.kind = 'savings' AND a.balance > 0;
INSERT INTO archive.accounts (id, user_id, balance) SELECT id, user_id, balance FROM accounts WHERE opened_at < '2023-07-05' ON CONFLICT (user_id, id) DO UPDATE SET balance = excluded.balance;
-- params: 3 | 50 | 1.25
-- params: 3 | 31 | 1.25
INSERT INTO accounts (user_id, id, balance) VALUES ($1, $2, $3) ON CONFLICT (user_id, id) DO UPDATE SET balance = accounts.balance + excluded.balance RETURNING id, balance;
