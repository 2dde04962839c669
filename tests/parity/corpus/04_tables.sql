-- Reference and local tables, statements without tables, names, views, catalogs.

-- shape: reference tables
SELECT * FROM categories ORDER BY id;
SELECT count(*), max(name), min(id) FROM categories;
SELECT c.name, p.name FROM categories c LEFT JOIN categories p ON p.id = c.parent_id ORDER BY c.id;
SELECT name FROM categories WHERE id = 3;
SELECT parent_id, count(*) FROM categories GROUP BY 1 ORDER BY 1 NULLS FIRST;
SELECT id FROM categories WHERE name ILIKE '%o%' ORDER BY name;
SELECT id, rank() OVER (ORDER BY parent_id) FROM categories;
SELECT id FROM categories WHERE id IN (SELECT category_id FROM transactions WHERE user_id = 14) ORDER BY id;
SELECT id FROM categories c WHERE EXISTS (SELECT FROM transactions t WHERE t.category_id = c.id) ORDER BY id;
SELECT id FROM categories c WHERE NOT EXISTS (SELECT FROM transactions t WHERE t.category_id = c.id) ORDER BY id;
SELECT c.id, (SELECT count(*) FROM transactions t WHERE t.category_id = c.id) FROM categories c ORDER BY 1;
SELECT c.name, count(*) FROM categories c JOIN transactions t ON t.category_id = c.id GROUP BY c.name ORDER BY 2 DESC, 1;
SELECT c.name, count(t.id) FROM categories c LEFT JOIN transactions t ON t.category_id = c.id GROUP BY c.name ORDER BY 2 DESC, 1;
SELECT u.id, c.id FROM users u CROSS JOIN categories c WHERE u.id < 3 ORDER BY 1, 2;
SELECT u.id, c.name FROM categories c RIGHT JOIN users u ON u.id = c.id ORDER BY 1;
SELECT u.id, c.name FROM categories c FULL JOIN users u ON u.id = c.id ORDER BY 1;
SELECT id, name FROM categories UNION SELECT id, name FROM categories ORDER BY 1;
SELECT * FROM categories ORDER BY id FOR SHARE;
TABLE categories;
-- params: 1
-- params: \N
SELECT id FROM categories WHERE parent_id = $1 ORDER BY id;

-- shape: local tables
SELECT * FROM settings ORDER BY key;
SELECT value->>'dark' AS dark FROM settings WHERE key = 'theme';
SELECT count(*), count(value) FROM settings;
SELECT key, jsonb_array_elements_text(value->'tags') FROM settings WHERE key = 'limits';
SELECT s.key, c.name FROM settings s, categories c WHERE c.id = 1 ORDER BY 1;
SELECT u.id, s.key FROM users u, settings s WHERE u.id = 3;
SELECT u.id FROM users u WHERE u.plan = (SELECT value->>'plan' FROM settings WHERE key = 'theme');
SELECT (value->>'daily')::int + 1 FROM settings WHERE key = 'limits';
-- params: theme
-- params: nothing
SELECT value FROM settings WHERE key = $1;

-- shape: no table
SELECT 1;
SELECT 1 AS one, 'two' AS two, NULL AS three, 4.0 AS four, true;
SELECT 'abc', 'abc'::text, 'abc'::varchar(2), 'abc'::char(5);
SELECT;
SELECT WHERE false;
SELECT version() IS NOT NULL;
SELECT current_user, session_user, current_database(), current_schema();
SELECT now() = transaction_timestamp();
SELECT current_date = now()::date;
SELECT generate_series(1, 3);
SELECT * FROM generate_series(1, 10, 3) g ORDER BY g DESC;
SELECT * FROM unnest(ARRAY[1, 2], ARRAY['a', 'b']) AS t(n, l);
SELECT * FROM (VALUES (1, 'one'), (2, NULL)) v(n, t) ORDER BY n DESC;
VALUES (1, 'a'), (2, 'b');
VALUES (1), (2) ORDER BY 1 DESC LIMIT 1;
SELECT 1 UNION ALL SELECT 1;
SELECT 1 UNION SELECT 2 EXCEPT SELECT 1;
SELECT sum(x), avg(x), count(*) FROM generate_series(1, 10) x;
SELECT array_agg(x ORDER BY x DESC) FROM generate_series(1, 3) x;
SELECT json_build_object('a', 1, 'b', ARRAY[1, 2]);
SELECT '{"a": {"b": [1, 2]}}'::jsonb #> '{a,b}';
SELECT date '2024-02-29' + interval '1 year';
SELECT timestamptz '2024-03-31 01:00+00' AT TIME ZONE 'Europe/Berlin';
SELECT interval '1 month 2 days 03:04:05.678';
SELECT 10 / 4, 10 % 4, 10 / 4.0, 10::float8 / 4, -7 / 2, 2 ^ 10;
SELECT 1.10 + 2.2, round(2.5), round(-2.5), round(2.567, 2), trunc(-2.5), 1e400 * 0;
SELECT 'NaN'::float8, 'Infinity'::float8, '-0'::float8, 0.1 + 0.2, 0.1::float8 + 0.2::float8;
SELECT 'a' < 'B', 'a' < 'b' COLLATE "C", 'Z' < 'ä';
SELECT E'tab\tnew\nline \\ \u00e9', U&'\0441', $$dollar 'quoted'$$, $x$ $$ $x$;
SELECT '\x00ff'::bytea, decode('AAEC', 'base64'), md5('x');
SELECT uuid '7c4ab3b1-2b8d-ad34-f9ac-a2a9ad1ae0b5', '{1,2}'::int[], ARRAY[[1, 2], [3, 4]];
SELECT ROW(1, 'a', NULL), (1, 2) = (1, 2), (1, NULL) = (1, NULL);
SELECT int4range(1, 5), daterange('2024-01-01', '2024-02-01'), '[1,2)'::numrange @> 1.5;
SELECT CASE WHEN 1 = 1 THEN 'yes' END, COALESCE(NULL, 1), NULLIF(1, 1), GREATEST(1, 3, 2), LEAST(NULL, 2);
SELECT 'abc' LIKE 'a%', 'abc' ~ '^a', 'abc' SIMILAR TO 'a__', regexp_replace('a1b2', '\d', '#', 'g');
SELECT substring('hello' FROM 2 FOR 3), position('l' IN 'hello'), overlay('hello' PLACING 'J' FROM 1), trim(BOTH 'x' FROM 'xax');
SELECT extract(year FROM date '2024-05-06'), date_trunc('month', timestamp '2024-05-06 07:08'), to_char(date '2024-05-06', 'DD Mon YYYY');
SELECT x FROM (SELECT 1 AS x) s WHERE EXISTS (SELECT 1);
-- params: 1 | two | \N
SELECT $1::int + 1 AS a, $2::text AS b, $3::date AS c;
-- params: {1,2,3}
SELECT unnest($1::int[]) ORDER BY 1;

-- shape: names: schemas, quotes, aliases, ONLY, partitions
SELECT * FROM archive.accounts WHERE user_id = 3 ORDER BY id;
SELECT a.id, b.id FROM accounts a JOIN archive.accounts b ON a.user_id = b.user_id WHERE a.user_id = 3;
SELECT count(*) FROM archive.accounts;
SELECT archive.accounts.id FROM archive.accounts WHERE archive.accounts.user_id = 4 ORDER BY 1;
SELECT * FROM "Order Lines" WHERE "User Id" = 3 ORDER BY "Ünits";
SELECT "select", "Ünits" FROM "Order Lines" ORDER BY "Ünits" DESC LIMIT 4;
SELECT "User Id" AS "select", count(*) AS "from" FROM "Order Lines" GROUP BY "User Id" ORDER BY 1;
SELECT "select", sum("Ünits") FROM public."Order Lines" GROUP BY "select" ORDER BY "select";
SELECT U&"\00DCnits" FROM "Order Lines" WHERE "User Id" = 1 ORDER BY 1;
SELECT user_id FROM "order lines";
SELECT accounts.id, accounts.name FROM users accounts WHERE accounts.id = 3;
SELECT users.balance FROM accounts AS users WHERE users.user_id = 3 ORDER BY users.id;
SELECT a.id FROM users a JOIN accounts b ON b.user_id = a.id WHERE a.id = 3 AND b.id = 31;
SELECT u.a, u.b FROM users u(a, b) WHERE u.a = 3;
SELECT u.id FROM users u(name, id) WHERE u.name = 3;
SELECT id AS user_id, id FROM users WHERE id = 3;
SELECT user_id AS id FROM accounts WHERE user_id = 3 ORDER BY accounts.id;
SELECT user_id AS id FROM accounts WHERE id = 31;
SELECT ID, Name FROM USERS WHERE Id = 3;
SELECT "id", "name" FROM "users" WHERE "id" = 3;
SELECT "ID" FROM users WHERE id = 3;
SELECT id FROM ONLY users WHERE id = 3;
SELECT count(*) FROM ONLY transactions;
SELECT id FROM ONLY transactions WHERE user_id = 14;
SELECT id FROM users * WHERE id = 3;
SELECT id FROM transactions_p20240201 WHERE user_id = 14 ORDER BY id;
SELECT id, amount FROM transactions_p20240201 WHERE amount > 100 ORDER BY id;
SELECT count(*) FROM transactions_p20240101;
SELECT p.id FROM transactions_p20240201 p JOIN accounts a ON a.user_id = p.user_id AND a.id = p.account_id ORDER BY 1;
SELECT users FROM users WHERE id = 3;
SELECT u FROM users u WHERE id IN (1, 2);
SELECT u.* FROM users u WHERE id = 3;
SELECT (u).name FROM users u WHERE (u).id = 3;
SELECT row_to_json(a) FROM accounts a WHERE user_id = 3 ORDER BY id;
SELECT to_jsonb(a) FROM accounts a WHERE currency = 'GBP';
SELECT app.public.users.id FROM app.public.users WHERE id = 3;
SELECT id FROM other.public.users WHERE id = 3;
TABLE users;
SELECT FROM users WHERE id = 3;
SELECT *, id FROM users WHERE id = 3;
SELECT u.id FROM users u WHERE users.id = 3;
-- block
SET search_path = archive, public;
SELECT * FROM accounts WHERE user_id = 3 ORDER BY id;
SELECT u.id, a.balance FROM users u JOIN accounts a ON a.user_id = u.id WHERE u.id = 3 ORDER BY a.id;
SELECT count(*) FROM accounts;
RESET search_path;
SELECT * FROM accounts WHERE user_id = 3 ORDER BY id;
-- end
-- block
BEGIN;
SET LOCAL search_path = archive;
SELECT id FROM accounts ORDER BY id LIMIT 3;
SELECT id FROM public.users WHERE id = 3;
ROLLBACK;
SELECT id FROM accounts ORDER BY id LIMIT 3;
-- end
-- block
SET search_path = archive;
SELECT id FROM users WHERE id = 3;
-- end

-- shape: views
SELECT * FROM rich_accounts ORDER BY id;
SELECT * FROM rich_accounts WHERE user_id = 7;
SELECT count(*) FROM rich_accounts;
SELECT u.name, r.balance FROM users u JOIN rich_accounts r ON r.user_id = u.id WHERE u.id = 7;
SELECT u.name, r.balance FROM users u JOIN rich_accounts r ON r.user_id = u.id;

-- shape: catalogs, psql and drivers
SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname IN ('users', 'accounts', 'transactions', 'rich_accounts') ORDER BY 1;
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relname = 'accounts' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 ORDER BY a.attnum;
SELECT n.nspname AS "Schema", c.relname AS "Name", CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'p' THEN 'partitioned table' END AS "Type", pg_catalog.pg_get_userbyid(c.relowner) AS "Owner" FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','p','v','m','S','f','') AND n.nspname = 'public' AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1, 2;
SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema IN ('public', 'archive') ORDER BY 1, 2;
SELECT column_name, data_type, is_nullable, character_maximum_length FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'accounts' ORDER BY ordinal_position;
SELECT tc.constraint_name, tc.constraint_type, kcu.column_name FROM information_schema.table_constraints tc JOIN information_schema.key_column_usage kcu USING (constraint_name, table_schema, table_name) WHERE tc.table_schema = 'public' AND tc.table_name = 'accounts' ORDER BY 1, 3;
SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = 'accounts' ORDER BY 1;
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'accounts'::regclass ORDER BY 1;
SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'transactions'::regclass ORDER BY 1;
SELECT pg_get_viewdef('rich_accounts'::regclass);
SELECT typname, typcategory FROM pg_type WHERE oid IN (20, 25, 1700, 1184, 2950) ORDER BY oid;
SELECT t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = 'pg_catalog' AND t.typname LIKE 'int%' ORDER BY 1;
SELECT 'users'::regclass::text, to_regclass('nothing') IS NULL, to_regclass('public.users')::text;
SELECT has_table_privilege('users', 'SELECT'), has_schema_privilege('archive', 'USAGE');
SELECT name, setting FROM pg_settings WHERE name IN ('TimeZone', 'DateStyle', 'server_encoding', 'standard_conforming_strings') ORDER BY 1;
SELECT datname FROM pg_database WHERE datname = current_database();
SELECT rolname, rolsuper FROM pg_roles WHERE rolname = 'app';
SELECT nspname FROM pg_namespace WHERE nspname IN ('public', 'archive', 'pg_catalog') ORDER BY 1;
SELECT proname, prorettype::regtype::text FROM pg_proc WHERE proname = 'lower' ORDER BY 2, oid;
SELECT obj_description('users'::regclass, 'pg_class'), col_description('users'::regclass, 1);
SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) WHERE i.indrelid = 'accounts'::regclass AND i.indisprimary ORDER BY 1;
SELECT collname FROM pg_collation WHERE collname = 'C';
SELECT amname FROM pg_am WHERE amname = 'btree';
SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'app';
SELECT current_setting('server_version_num')::int / 10000;
SELECT u.id, c.relname FROM users u, pg_class c WHERE u.id = 3 AND c.relname = 'users';
SELECT relname FROM pg_class WHERE relname = (SELECT name FROM users WHERE id = 3);
-- params: users
SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum;
SHOW server_version_num;
SHOW TimeZone;
SHOW search_path;
SHOW transaction_isolation;
SHOW nothing_of_this_name;
