-- shape: tables that are not joined on their sharding keys
SELECT count(*), sum(balance) FROM accounts WHERE balance > (SELECT avg(balance) FROM accounts);
SELECT id, user_id FROM accounts WHERE balance = (SELECT max(balance) FROM accounts) ORDER BY 1, 2;
SELECT count(*) FROM (SELECT DISTINCT kind FROM accounts) x;
SELECT * FROM users u, (SELECT user_id, balance, id AS account FROM accounts ORDER BY balance DESC NULLS LAST, id, user_id LIMIT 3) t WHERE t.user_id = u.id ORDER BY t.balance, u.id, account;
SELECT kind, (SELECT count(*) FROM users) AS n FROM accounts GROUP BY kind ORDER BY kind;
SELECT u1.id, u2.id FROM users u1 JOIN users u2 ON u1.id = u2.id + 1 WHERE u1.id BETWEEN 2 AND 400 ORDER BY 1, 2;
SELECT u1.id, u2.id FROM users u1 LEFT JOIN users u2 ON u1.id = u2.id + 1 WHERE u2.region IS NULL ORDER BY 1, 2;
SELECT u1.id, u2.id FROM users u1 LEFT JOIN users u2 ON u1.id = u2.id + 1 AND u2.region = 'eu' WHERE u1.id > 0 ORDER BY 1, 2;
SELECT a.id, b.id FROM accounts a FULL JOIN accounts b ON a.id = b.user_id WHERE a.kind = 'cash' OR b.kind = 'cash' ORDER BY 1, 2 LIMIT 30;
WITH t AS (SELECT kind, sum(balance) AS s FROM accounts GROUP BY kind) SELECT a.id, a.user_id, a.balance / nullif(t.s, 0) AS share FROM accounts a JOIN t USING (kind) ORDER BY 1, 2 LIMIT 5;
WITH t AS MATERIALIZED (SELECT region, count(*) AS n FROM users GROUP BY region) SELECT x.region, y.region FROM t x JOIN t y ON x.n = y.n ORDER BY 1, 2;
SELECT id FROM users WHERE id < 400 UNION SELECT id FROM accounts WHERE balance < 100 ORDER BY 1 LIMIT 7;
SELECT name FROM users EXCEPT SELECT kind FROM accounts ORDER BY 1 LIMIT 3;
SELECT region FROM users INTERSECT SELECT region FROM users WHERE plan = 'pro' ORDER BY 1;
(SELECT id FROM users ORDER BY id LIMIT 2) UNION ALL (SELECT id FROM categories ORDER BY id LIMIT 2) ORDER BY 1;
SELECT x.region, count(*) FROM (SELECT region FROM users UNION ALL SELECT kind FROM accounts) x GROUP BY 1 ORDER BY 1;
SELECT s.key, u.id FROM settings s CROSS JOIN users u WHERE u.id < 300 ORDER BY 1, 2;
SELECT s.key, (SELECT count(*) FROM users) AS n FROM settings s ORDER BY 1;
SELECT count(*) FROM users WHERE name IN (SELECT key FROM settings);
SELECT c.name, count(t.id) FROM categories c LEFT JOIN transactions t ON t.category_id = c.id GROUP BY c.name ORDER BY 2 DESC, 1 LIMIT 5;
SELECT c.name FROM categories c WHERE NOT EXISTS (SELECT FROM transactions t WHERE t.category_id = c.id) ORDER BY 1;
SELECT c.name, l.amount FROM categories c CROSS JOIN LATERAL (SELECT amount FROM transactions t WHERE t.category_id = c.id ORDER BY amount DESC, id LIMIT 2) l ORDER BY 1, 2 LIMIT 10;
SELECT u.id FROM users u WHERE u.id NOT IN (SELECT user_id FROM accounts) ORDER BY 1;
SELECT u.id FROM users u WHERE u.id > ALL (SELECT user_id FROM accounts) ORDER BY 1;
SELECT count(*) FROM users NATURAL JOIN accounts;
SELECT count(*) FROM users, accounts WHERE users.id = 7 AND accounts.user_id = 8;
SELECT count(*) FROM users u JOIN accounts a ON a.user_id IN (2, 3) WHERE u.id IN (7, 8);
SELECT "Ux".k, v FROM users AS "Ux" (k, v) JOIN accounts b ON b.id = "Ux".k WHERE "Ux".k < 500 ORDER BY 1, 2 LIMIT 5;
SELECT count(*) FROM ONLY users a JOIN public.accounts b ON b.id = a.id;
SELECT count(*) FROM transactions t JOIN users u ON t.amount > u.id WHERE t.created_at >= '2024-03-01' AND u.region LIKE 'e%';
SELECT count(*) FROM transactions t JOIN users u ON t.id = u.id WHERE t.note IS NOT NULL AND (t.amount > 10 OR t.amount < -5) AND NOT (u.plan = 'x');
SELECT count(*) FROM transactions t JOIN users u ON t.id = u.id WHERE t.created_at BETWEEN DATE '2024-01-01' AND timestamptz '2026-01-01 00:00:00+00' AND t.category_id NOT IN (1, -2);
SELECT count(*) FROM transactions t JOIN users u ON t.id = u.id WHERE u.name ILIKE E'%\x61%' AND u.email <> $$x$$;
SELECT u.id, t.tags FROM users u JOIN transactions t ON t.id = u.id ORDER BY 1, t.user_id, t.created_at LIMIT 8;
SELECT max(n) FROM (SELECT kind, count(*) AS n FROM accounts GROUP BY kind) x;
SELECT count(*) FROM (SELECT user_id FROM accounts LIMIT 5) x;
SELECT rank() OVER (ORDER BY n DESC, kind), kind FROM (SELECT kind, count(*) AS n FROM accounts GROUP BY kind) x ORDER BY 1;
SELECT u.id, 1 / (SELECT count(*) FROM accounts WHERE kind = 'no such kind') FROM users u;
SELECT u.id FROM users u WHERE u.region = (SELECT region FROM users ORDER BY id LIMIT 2) ORDER BY 1;
SELECT u.nothing FROM users u, users v;
SELECT id FROM users u, users v;
SELECT u.id FROM users u, users v WHERE u.name = v.id;
-- params: 300 | eu
-- params: 900 | us
-- params: \N | us
SELECT count(*) FROM users u JOIN accounts a ON a.id = u.id WHERE u.id < $1 AND u.region = $2;
WITH RECURSIVE r AS (SELECT id, 1 AS d FROM users WHERE id = 7 UNION ALL SELECT u.id, d + 1 FROM users u JOIN r ON u.id = r.id + 1) SELECT * FROM r ORDER BY 1;
WITH RECURSIVE r (k, d) AS (SELECT min(id), 1 FROM users UNION SELECT (SELECT min(id) FROM users WHERE id > r.k), d + 1 FROM r WHERE r.k < 300) SELECT * FROM r ORDER BY 1, 2;
WITH RECURSIVE tree AS (SELECT id, name, 0 AS level FROM categories WHERE parent_id IS NULL UNION ALL SELECT c.id, c.name, level + 1 FROM categories c JOIN tree ON c.parent_id = tree.id) SELECT tree.level, count(t.id) FROM tree LEFT JOIN transactions t ON t.category_id = tree.id GROUP BY 1 ORDER BY 1;
-- A primary key in GROUP BY decides on the other columns.
SELECT u.id, u.name FROM users u JOIN accounts a ON a.id = u.id GROUP BY u.id;
SELECT row_to_json(u) FROM users u JOIN accounts a ON a.id = u.id ORDER BY u.id, a.user_id;
SELECT to_jsonb(x) FROM (SELECT id, name FROM users WHERE id < 300) x ORDER BY x.id;
SELECT json_agg(x ORDER BY x.id) FROM (SELECT id, name FROM users WHERE id < 300) x;
SELECT json_agg(users ORDER BY users.id) FROM users WHERE id < 300;
SELECT row_to_json(users) FROM users ORDER BY id;
SELECT row_to_json(x) FROM (SELECT count(*) AS n, max(id) AS m FROM users) x;
SELECT json_agg(j ORDER BY j.id) FROM (users u JOIN accounts a USING (id)) AS j;
SELECT u FROM users u WHERE id = 5;
SELECT u FROM users u ORDER BY id;
SELECT u.id, u IS NULL, a IS NULL, a IS NOT NULL FROM users u LEFT JOIN accounts a ON a.id = u.id ORDER BY u.id, a.user_id;
SELECT count(*) FROM users u, users v WHERE u = v;
SELECT u::text FROM users u JOIN accounts a ON a.id = u.id ORDER BY 1;
SELECT (u).name FROM users u JOIN accounts a ON a.id = u.id ORDER BY 1;
-- Whole rows are of the table's own type.
SELECT u FROM users u JOIN accounts a ON a.id = u.id;
SELECT count(u) FROM users u LEFT JOIN accounts a ON a.id = u.id;
SELECT ROW(u.*) FROM users u JOIN accounts a ON a.id = u.id;
