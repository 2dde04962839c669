-- writes

-- shape: COPY
-- data: 1001	a@example.com
-- data: 1002	b@example.com
-- data: 1003	\N
COPY users (id, email) FROM STDIN;
-- data: 1001	a@example.com	Ünïcode	eu	\N	2024-01-01 00:00:00+00
-- data: 1002	b@example.com	tab\tand\nline	\N	pro	\N
-- data: 1003	c@example.com	back\\slash			\N
COPY users FROM STDIN;
-- data: id,email,name
-- data: 1001,a@example.com,"quoted, ""name"""
-- data: 1002,b@example.com,
-- data: 1003,c@example.com,""
COPY users (id, email, name) FROM STDIN WITH (FORMAT csv, HEADER);
-- data: 1001|a|x
-- data: 1002|b|NULL
COPY users (id, email, name) FROM STDIN (DELIMITER '|', NULL 'NULL');
-- data: 1001	a
-- data: 3	there already
COPY users (id, email) FROM STDIN;
-- data: 1001	a	too many
COPY users (id, email) FROM STDIN;
-- data: 1001
COPY users (id, email) FROM STDIN;
-- data: x	a
COPY users (id, email) FROM STDIN;
-- data: \N	a
COPY users (id, email) FROM STDIN;
COPY users (id, email) FROM STDIN;
-- data: 5001	3	1.50	{a,b}	2024-02-01 00:00:00+00
-- data: 5002	4	2.50	{}	2024-03-01 00:00:00+00
COPY transactions (id, user_id, amount, tags, created_at) FROM STDIN;
-- data: 900	New	1
COPY categories FROM STDIN;
-- data: k	[1, 2]
COPY settings FROM STDIN;
-- data: 1001	4242	5
COPY accounts (id, user_id, balance) FROM STDIN;
COPY users TO STDOUT;
COPY users (id, name, region) TO STDOUT WITH (FORMAT csv);
COPY accounts TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE (kind), NULL 'none');
COPY (SELECT id, name FROM users WHERE id = 3) TO STDOUT;
COPY (SELECT id, amount FROM transactions WHERE user_id = 14 ORDER BY id) TO STDOUT (FORMAT csv, HEADER);
COPY (SELECT id, balance FROM accounts WHERE currency = 'EUR') TO STDOUT;
COPY (SELECT region, count(*) FROM users GROUP BY region) TO STDOUT;
COPY (SELECT id FROM users ORDER BY id LIMIT 3) TO STDOUT;
COPY categories TO STDOUT;
COPY settings TO STDOUT (FORMAT csv);
COPY transactions_p20240101 (id, amount) TO STDOUT;
COPY users (nothing) TO STDOUT;
COPY users TO STDOUT (FORMAT nonsense);
COPY rich_accounts TO STDOUT;

-- shape: TRUNCATE and DDL
TRUNCATE accounts;
TRUNCATE transactions, events;
TRUNCATE users;
TRUNCATE users CASCADE;
TRUNCATE transactions_p20240101;
TRUNCATE categories;
TRUNCATE settings;
-- block
BEGIN;
TRUNCATE users CASCADE;
SELECT count(*) FROM accounts;
ROLLBACK;
-- end
-- block
CREATE INDEX parity_index ON users (region);
SELECT count(*) FROM users WHERE region = 'eu';
DROP INDEX parity_index;
-- end
-- block
CREATE UNIQUE INDEX parity_unique ON accounts (user_id, kind, currency, id);
DROP INDEX parity_unique;
-- end
-- block
CREATE SCHEMA parity_schema;
DROP SCHEMA parity_schema;
-- end
-- block
COMMENT ON TABLE users IS 'customers';
SELECT obj_description('public.users'::regclass);
COMMENT ON TABLE users IS NULL;
-- end
-- block
BEGIN;
CREATE INDEX parity_index ON accounts (balance);
ROLLBACK;
DROP INDEX parity_index;
-- end
-- block
CREATE TYPE parity_mood AS ENUM ('sad', 'ok', 'happy');
SELECT 'sad'::parity_mood < 'happy'::parity_mood;
DROP TYPE parity_mood;
-- end
-- block
GRANT SELECT ON archive.accounts TO PUBLIC;
REVOKE SELECT ON archive.accounts FROM PUBLIC;
-- end
CREATE TABLE IF NOT EXISTS users (id bigint);
CREATE UNIQUE INDEX ON users (email);
CREATE INDEX ON users (nothing);
DROP TABLE users;
DROP INDEX nothing_there;
DROP TABLE IF EXISTS nothing_there;
ALTER TABLE users ADD COLUMN id bigint;
ALTER TABLE users DROP COLUMN nothing;
VACUUM accounts;
ANALYZE users;
ANALYZE nothing_there;
LOCK TABLE accounts IN SHARE MODE;
-- block
BEGIN;
LOCK TABLE accounts IN SHARE MODE;
SELECT count(*) FROM accounts;
COMMIT;
-- end
