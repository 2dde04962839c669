-- shape: an app's screens
-- params: 7
-- params: 14
SELECT id, email, name, region, plan, created_at FROM users WHERE id = $1;
-- params: 7
SELECT sum(balance) AS total FROM accounts WHERE user_id = $1;
-- params: 7 | EUR
SELECT id, kind, balance FROM accounts WHERE user_id = $1 AND currency = $2 ORDER BY balance DESC NULLS LAST, id;
-- params: 14 | 3
SELECT t.id, t.amount FROM transactions t WHERE t.user_id = $1 AND t.category_id = $2 ORDER BY t.created_at, t.id;
-- params: 14 | 0 | 100
SELECT count(*) FROM transactions WHERE user_id = $1 AND amount BETWEEN $2 AND $3;
-- params: 14
SELECT min(created_at), max(created_at), count(*), avg(amount)::numeric(18,2) FROM transactions WHERE user_id = $1;
-- params: 14
SELECT DISTINCT category_id FROM transactions WHERE user_id = $1 ORDER BY category_id;
-- params: 14
SELECT c.id, c.name, count(t.id) FROM categories c LEFT JOIN transactions t ON t.category_id = c.id AND t.user_id = $1 GROUP BY c.id, c.name ORDER BY c.id;
-- params: 3
SELECT a.id, a.currency, a.balance, (SELECT max(t.created_at) FROM transactions t WHERE t.user_id = a.user_id AND t.account_id = a.id) AS last FROM accounts a WHERE a.user_id = $1 ORDER BY a.id;
-- params: 14
SELECT unnest(tags) AS tag, count(*) FROM transactions WHERE user_id = $1 GROUP BY tag ORDER BY 2 DESC, 1;
-- params: Zo%
SELECT id, name FROM users WHERE name LIKE $1 ORDER BY name, id LIMIT 10;
-- params: u1%
SELECT id, email FROM users WHERE lower(email) LIKE $1 ORDER BY email LIMIT 5;
-- params: 14 | {1,2,3}
SELECT id FROM transactions WHERE user_id = $1 AND category_id = ANY($2) ORDER BY id;
-- params: 14 | 2024-01-01 | 2024-12-31
SELECT date_trunc('week', created_at) AS week, count(*), coalesce(sum(amount), 0) FROM transactions WHERE user_id = $1 AND created_at BETWEEN $2 AND $3 GROUP BY week ORDER BY week;
-- params: 532a7b8e-0328-a8d0-5a8e-6258b28b9a36
SELECT count(*), min(created_at), max(created_at) FROM events WHERE user_id = $1;
-- params: 532a7b8e-0328-a8d0-5a8e-6258b28b9a36
SELECT body->>'kind' AS kind, count(*) FROM events WHERE user_id = $1 GROUP BY 1 ORDER BY 1;
-- params: 0
SELECT id, name FROM categories WHERE parent_id IS NOT DISTINCT FROM nullif($1::int, 0) ORDER BY id;
-- params: theme
SELECT value FROM settings WHERE key = $1;
-- params: 3
SELECT u.name, count(a.id) AS accounts, sum(a.balance) AS wealth FROM users u LEFT JOIN accounts a ON a.user_id = u.id WHERE u.id = $1 GROUP BY u.id, u.name;
-- params: 14 | 5
WITH recent AS (SELECT * FROM transactions WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2) SELECT r.id, c.name FROM recent r LEFT JOIN categories c ON c.id = r.category_id ORDER BY r.created_at DESC, r.id DESC;

-- shape: reports over all customers
SELECT region, count(*) FILTER (WHERE plan = 'gold') AS gold, count(*) FILTER (WHERE plan = 'pro') AS pro, count(*) AS total FROM users GROUP BY region ORDER BY region;
SELECT currency, count(*) AS n, sum(balance) AS total, avg(balance) AS mean, min(balance) AS least, max(balance) AS most FROM accounts GROUP BY currency ORDER BY currency;
SELECT kind, currency, count(*) FROM accounts GROUP BY kind, currency HAVING count(*) > 2 ORDER BY count(*) DESC, kind, currency;
SELECT count(DISTINCT user_id) AS active FROM transactions WHERE created_at >= '2024-03-01';
SELECT created_at::date AS day, count(DISTINCT user_id) AS active, sum(amount) FROM transactions GROUP BY day ORDER BY day LIMIT 14;
SELECT category_id, avg(amount), stddev(amount) FROM transactions GROUP BY category_id ORDER BY category_id;
SELECT user_id, count(*) AS n FROM transactions GROUP BY user_id ORDER BY n DESC, user_id LIMIT 5;
SELECT user_id, sum(amount) AS s FROM transactions GROUP BY user_id HAVING sum(amount) < 0 ORDER BY s, user_id;
SELECT u.plan, avg(a.balance) AS mean FROM users u JOIN accounts a ON a.user_id = u.id WHERE a.balance > 0 GROUP BY u.plan ORDER BY mean DESC;
SELECT u.id, u.name FROM users u WHERE NOT EXISTS (SELECT FROM transactions t WHERE t.user_id = u.id) ORDER BY u.id;
SELECT u.id, a.id, a.balance FROM users u JOIN accounts a ON a.user_id = u.id WHERE a.balance < 0 ORDER BY a.balance, a.id LIMIT 20;
SELECT id, user_id, amount, created_at FROM transactions WHERE amount > 150 ORDER BY amount DESC, id LIMIT 10;
SELECT id, user_id, note FROM transactions WHERE note LIKE '%café%' ORDER BY id;
SELECT to_char(created_at, 'YYYY-MM') AS month, count(*), sum(amount) FROM transactions GROUP BY month ORDER BY month;
SELECT plan, count(*) FROM users WHERE created_at > '2023-06-10' AND region IS NOT NULL GROUP BY plan ORDER BY plan;
SELECT max(balance) AS richest, min(balance) AS poorest FROM accounts WHERE currency = 'EUR';
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) AS median FROM transactions;
SELECT c.name, count(*) AS n, sum(t.amount) AS total FROM transactions t JOIN categories c ON c.id = t.category_id GROUP BY c.name HAVING sum(t.amount) > 0 ORDER BY total DESC;
SELECT region, plan, count(*) FROM users GROUP BY ROLLUP (region, plan) ORDER BY grouping(region, plan), region, plan;
SELECT id, balance, rank() OVER (PARTITION BY currency ORDER BY balance DESC NULLS LAST) AS place FROM accounts ORDER BY id;
SELECT day, n, sum(n) OVER (ORDER BY day) AS total FROM (SELECT created_at::date AS day, count(*) AS n FROM transactions GROUP BY 1) x ORDER BY day LIMIT 20;
SELECT u.region, count(DISTINCT t.category_id) AS categories FROM users u JOIN transactions t ON t.user_id = u.id GROUP BY u.region ORDER BY u.region;
SELECT count(*) AS overdrawn FROM users u WHERE EXISTS (SELECT FROM accounts a WHERE a.user_id = u.id AND a.balance < 0);
SELECT balance > 1000 AS rich, count(*), sum(balance) FROM accounts GROUP BY rich ORDER BY rich;
SELECT u.id, coalesce(sum(t.amount), 0) AS flow FROM users u LEFT JOIN transactions t ON t.user_id = u.id AND t.amount > 0 GROUP BY u.id ORDER BY flow DESC, u.id LIMIT 8;
SELECT DISTINCT ON (currency) currency, id, balance FROM accounts ORDER BY currency, balance DESC NULLS LAST, id;
SELECT * FROM rich_accounts ORDER BY balance DESC, id LIMIT 10;
SELECT user_id, count(*), sum(balance) FROM rich_accounts GROUP BY user_id ORDER BY user_id;
