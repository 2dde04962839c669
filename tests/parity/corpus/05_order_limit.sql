-- ORDER BY, LIMIT and OFFSET of rows of several shards.

-- shape: ORDER BY
SELECT id FROM users ORDER BY id;
SELECT id FROM users ORDER BY id DESC;
SELECT * FROM users ORDER BY id;
-- ties: 1
SELECT region, id FROM users ORDER BY region;
-- ties: 1
SELECT region, id FROM users ORDER BY region DESC;
-- ties: 1
SELECT region, id FROM users ORDER BY region NULLS FIRST;
-- ties: 1
SELECT region, id FROM users ORDER BY region DESC NULLS LAST;
SELECT name, id FROM users ORDER BY name, id;
SELECT name, id FROM users ORDER BY name DESC NULLS LAST, id DESC;
SELECT id, name FROM users ORDER BY lower(name), id;
SELECT id, name FROM users ORDER BY length(name) DESC, name, id;
SELECT id FROM users ORDER BY name, id;
SELECT id FROM users ORDER BY plan NULLS FIRST, region DESC, created_at, id;
SELECT id, created_at FROM users ORDER BY created_at DESC NULLS LAST, id;
SELECT id, created_at::date AS day FROM users ORDER BY day, id;
SELECT id, date_trunc('month', created_at) FROM users ORDER BY 2 DESC, 1;
SELECT id AS x, -id AS y FROM users WHERE id < 1000 ORDER BY y;
SELECT id AS name, name AS id FROM users ORDER BY name;
SELECT id, balance FROM accounts ORDER BY balance, id;
SELECT id, balance FROM accounts ORDER BY balance DESC, id;
SELECT id, abs(balance) FROM accounts ORDER BY abs(balance), id;
SELECT id, balance FROM accounts ORDER BY balance * -1 NULLS FIRST, id;
SELECT id, currency FROM accounts ORDER BY currency, id;
SELECT id, currency FROM accounts ORDER BY currency DESC, kind, id;
SELECT id, opened_at FROM accounts ORDER BY opened_at, id;
SELECT id, opened_at FROM accounts ORDER BY opened_at::date DESC, opened_at, id;
SELECT id, tags FROM transactions WHERE amount > 100 ORDER BY tags, id;
SELECT id, created_at FROM transactions ORDER BY created_at DESC, id DESC;
SELECT id, user_id FROM events ORDER BY user_id, id;
SELECT id, body FROM events ORDER BY body, id;
SELECT id, body->>'kind' FROM events ORDER BY body->>'kind', id;
SELECT id, (body->>'n')::int AS n FROM events ORDER BY n DESC NULLS LAST, id;
SELECT id, balance > 0 AS positive FROM accounts ORDER BY positive, id;
SELECT id, amount::float8 FROM transactions ORDER BY amount::float8, id;
SELECT id, amount::float4 FROM transactions WHERE user_id < 20 ORDER BY 2, 1;
SELECT id, interval '1 day' * id AS i FROM users WHERE id BETWEEN 0 AND 40 ORDER BY i;
SELECT id, created_at::time AS t FROM users ORDER BY t, id;
SELECT id FROM users ORDER BY CASE WHEN plan = 'gold' THEN 0 WHEN plan IS NULL THEN 2 ELSE 1 END, id;
SELECT id FROM users ORDER BY name COLLATE "C", id;
SELECT id FROM users ORDER BY name COLLATE "POSIX" DESC, id;
SELECT id FROM users ORDER BY (SELECT count(*) FROM accounts a WHERE a.user_id = users.id) DESC, id;
SELECT id FROM users ORDER BY 1 + id;
SELECT id FROM users ORDER BY 'constant'::text, id;
SELECT id FROM users ORDER BY 2;
SELECT id FROM users ORDER BY nothing;
SELECT id, name FROM users ORDER BY id USING <;
SELECT id, name FROM users ORDER BY id USING >;
SELECT u.*, a.id FROM users u JOIN accounts a ON a.user_id = u.id ORDER BY a.balance NULLS FIRST, a.id;
SELECT DISTINCT id, name FROM users ORDER BY name, id;

-- shape: LIMIT and OFFSET
SELECT id FROM users ORDER BY id LIMIT 5;
SELECT id FROM users ORDER BY id DESC LIMIT 5;
SELECT id FROM users ORDER BY id LIMIT 5 OFFSET 3;
SELECT id FROM users ORDER BY id OFFSET 40;
SELECT id FROM users ORDER BY id LIMIT 0;
SELECT id FROM users ORDER BY id LIMIT 1000;
SELECT id FROM users ORDER BY id OFFSET 1000;
SELECT id FROM users ORDER BY id LIMIT ALL OFFSET 45;
SELECT id FROM users ORDER BY id LIMIT NULL OFFSET 45;
SELECT id FROM users ORDER BY id FETCH FIRST 3 ROWS ONLY;
SELECT id FROM users ORDER BY id OFFSET 2 ROWS FETCH NEXT ROW ONLY;
SELECT id FROM users ORDER BY id LIMIT 2 + 1;
SELECT id FROM users ORDER BY id LIMIT '3';
SELECT id FROM users ORDER BY id LIMIT 2.5;
SELECT id FROM users ORDER BY id LIMIT -1;
SELECT id FROM users ORDER BY id OFFSET -1;
SELECT id FROM users ORDER BY id LIMIT 'x';
SELECT id FROM users ORDER BY id LIMIT (SELECT 3);
SELECT id FROM users ORDER BY id LIMIT (SELECT count(*) FROM categories) OFFSET 1;
-- any rows
SELECT id FROM users LIMIT 7;
-- any rows
SELECT id FROM users WHERE region = 'eu' LIMIT 3 OFFSET 2;
SELECT id FROM users WHERE region = 'isle' LIMIT 3;
-- any rows
SELECT id FROM users WHERE region = 'nowhere' LIMIT 3;
-- any rows
SELECT * FROM transactions LIMIT 100;
-- ties, cut: 1
SELECT plan, id FROM users ORDER BY plan LIMIT 20;
-- ties, cut: 1
SELECT category_id, id FROM transactions ORDER BY category_id DESC LIMIT 13 OFFSET 4;
SELECT id FROM transactions ORDER BY created_at DESC, id LIMIT 10;
SELECT id, amount FROM transactions WHERE amount IS NOT NULL ORDER BY amount DESC, id LIMIT 10;
SELECT u.id, a.balance FROM users u JOIN accounts a ON a.user_id = u.id ORDER BY a.balance DESC NULLS LAST, a.id LIMIT 10;
-- ties: 1
SELECT plan, id FROM users ORDER BY plan FETCH FIRST 3 ROWS WITH TIES;
-- ties: 1
SELECT category_id, id FROM transactions ORDER BY category_id FETCH FIRST 5 ROWS WITH TIES;
-- ties, cut: 1
SELECT amount, id FROM transactions ORDER BY amount DESC NULLS LAST OFFSET 1 FETCH FIRST 2 ROWS WITH TIES;
SELECT id FROM users ORDER BY id FETCH FIRST 3 ROWS WITH TIES;
SELECT id FROM users FETCH FIRST 3 ROWS WITH TIES;
-- params: 5 | 3
-- params: \N | 45
-- params: 0 | \N
-- params: 3 | 0
SELECT id FROM users ORDER BY id LIMIT $1 OFFSET $2;
-- params: 3
-- params: -1
SELECT id FROM users ORDER BY id LIMIT $1;
-- params: x
SELECT id FROM users ORDER BY id LIMIT $1;
-- params: eu | 4
-- params: isle | 4
SELECT id FROM users WHERE region = $1 ORDER BY id LIMIT $2;
-- params: 2
SELECT id FROM users ORDER BY id LIMIT $1::int + 1;
-- params: 2
SELECT id FROM users ORDER BY id FETCH FIRST $1 ROWS ONLY;
