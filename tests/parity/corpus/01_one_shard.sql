-- One key value, in each way that the statement's logic gives it.

-- shape: key = constant
SELECT * FROM users WHERE id = 7;
SELECT * FROM users WHERE 7 = id;
SELECT id, name, plan FROM users WHERE id = 7::bigint;
SELECT id, name FROM users WHERE id = '7';
SELECT email FROM users WHERE users.id = 12;
SELECT email FROM public.users WHERE public.users.id = 12;
SELECT id FROM users WHERE (id = 12);
SELECT id FROM users WHERE id = +12;
SELECT * FROM users WHERE id = -7;
SELECT * FROM users WHERE id = 100000;
SELECT * FROM accounts WHERE user_id = 3;
SELECT * FROM accounts WHERE user_id = 3 AND kind = 'savings';
SELECT * FROM accounts WHERE user_id = 3 AND id = 31;
SELECT id, balance FROM accounts WHERE user_id = 7 ORDER BY balance DESC NULLS LAST, id;
SELECT id, amount FROM transactions WHERE user_id = 14 ORDER BY created_at DESC LIMIT 5;
SELECT * FROM transactions WHERE user_id = 14 AND created_at >= '2024-02-01' AND created_at < '2024-03-01';
SELECT * FROM events WHERE user_id = '532a7b8e-0328-a8d0-5a8e-6258b28b9a36';
SELECT count(*) FROM events WHERE user_id = md5('u3')::uuid;
SELECT count(*), sum(amount), avg(amount), min(note), max(created_at) FROM transactions WHERE user_id = 14;
SELECT category_id, count(*) FROM transactions WHERE user_id = 14 GROUP BY category_id ORDER BY category_id;
SELECT DISTINCT kind FROM accounts WHERE user_id = 3;
SELECT id, row_number() OVER (ORDER BY amount DESC NULLS LAST, id) FROM transactions WHERE user_id = 14;
SELECT EXISTS (SELECT 1 FROM accounts WHERE user_id = 3);
SELECT (SELECT name FROM users WHERE id = 3) AS name;
SELECT id FROM users WHERE id = 7 AND id = 8;
SELECT id FROM users WHERE id = 7 AND id = 7;
SELECT id FROM users WHERE id = 7 AND name IS NULL;
SELECT coalesce(name, 'nobody') FROM users WHERE id = 11;
SELECT upper(name), length(name), name || '!' FROM users WHERE id = 2;
SELECT id FROM users WHERE id = 7 FOR UPDATE;
SELECT id FROM users WHERE id = 7 FOR SHARE SKIP LOCKED;

-- shape: key = $1
-- params: 7
-- params: 8
-- params: \N
SELECT * FROM users WHERE id = $1;
-- params: 7
-- params: 9007199254740993
SELECT id, name FROM users WHERE id = $1::bigint;
-- params: 7
SELECT id, name FROM users WHERE $1 = id;
-- params: 7 | Zoë
-- params: 5 | Zoë
SELECT id, name FROM users WHERE id = $1 AND name = $2;
-- params: 14 | 2024-02-01 | 2024-03-01
SELECT id, amount FROM transactions WHERE user_id = $1 AND created_at >= $2 AND created_at < $3 ORDER BY id;
-- params: 14 | 3
-- params: 21 | \N
SELECT id, amount FROM transactions WHERE user_id = $1 ORDER BY id LIMIT $2;
-- params: 3 | 3
SELECT u.name, a.balance FROM users u JOIN accounts a ON a.user_id = u.id WHERE u.id = $1 AND a.user_id = $2;
-- params: 3 | 4
SELECT u.name, a.balance FROM users u JOIN accounts a ON a.user_id = u.id WHERE u.id = $1 AND a.user_id = $2;
-- params: 7 | x
SELECT id, $2::text AS given FROM users WHERE id = $1;
-- params: 7
SELECT id + $1 AS sum FROM users WHERE id = $1;
-- params: 532a7b8e-0328-a8d0-5a8e-6258b28b9a36
SELECT count(*) FROM events WHERE user_id = $1;
-- params: abc
SELECT id FROM users WHERE id = $1;
-- params: 7.5
SELECT id FROM users WHERE id = $1;
-- params: 99999999999999999999
SELECT id FROM users WHERE id = $1;

-- shape: key in a list
SELECT id FROM users WHERE id IN (7);
SELECT id FROM users WHERE id = ANY(ARRAY[7]);
SELECT id FROM users WHERE id = ANY('{7}');
SELECT id FROM users WHERE id = ANY('{7}'::bigint[]);
SELECT id, name FROM users WHERE id IN (1, 2, 3);
SELECT id, name FROM users WHERE id IN (3, 3, NULL, 2);
SELECT id, name FROM users WHERE id IN (1, 2, 3) ORDER BY id DESC;
SELECT id, name FROM users WHERE id = ANY(ARRAY[1, 2, 3, 1000]) ORDER BY name, id;
SELECT id FROM users WHERE id = ANY('{1,2,NULL,3}');
SELECT id FROM users WHERE id = ANY('{}');
SELECT id FROM users WHERE id = 1 OR id = 2;
SELECT id FROM users WHERE id = 1 OR id = 2 OR id = 40 ORDER BY id;
SELECT id FROM users WHERE (id = 1 OR id = 2) AND plan = 'pro';
SELECT * FROM accounts WHERE user_id IN (1, 2, 3, 4) AND currency = 'EUR' ORDER BY id;
SELECT id FROM users WHERE id NOT IN (1, 2, 3) AND id < 10;
SELECT id FROM users WHERE id <> ALL('{1,2,3}') AND id < 10;
SELECT id FROM users WHERE id IN (1, 2) AND id IN (2, 3);
SELECT id FROM users WHERE id IN (1, 2) AND id = 3;
SELECT id FROM users WHERE id IN (SELECT unnest(ARRAY[1, 2, 3]));
SELECT id FROM users WHERE id IN (VALUES (1), (2), (3));
-- params: 1 | 2 | 40
-- params: 1 | 1 | \N
SELECT id, name FROM users WHERE id IN ($1, $2, $3);
-- params: {1,2,40}
-- params: {}
-- params: \N
-- params: {7}
-- params: {7,NULL}
SELECT id, name FROM users WHERE id = ANY($1);
-- params: {1,2,40}
SELECT id, name FROM users WHERE id = ANY($1::bigint[]) ORDER BY id;
-- params: 1 | 2
SELECT id FROM users WHERE id = $1 OR id = $2;
-- params: 3 | savings
SELECT id FROM accounts WHERE user_id IN (1, 2, $1) AND kind = $2;
