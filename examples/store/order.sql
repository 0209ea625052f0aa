-- order.sql - an order and the job that mails its customer, in one transaction: both are there, or none.
--     psql -v customer=ann@example.org -f order.sql jobs

CREATE TABLE IF NOT EXISTS orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text NOT NULL);

BEGIN;
WITH new AS (INSERT INTO orders (customer) VALUES (:'customer') RETURNING id, customer)
SELECT id AS order, yardmaster.submit('mail', customer, unique_key => 'order-' || id, tag => 'orders') AS job FROM new;
-- A worker is woken now, not before. After a ROLLBACK there would be neither order nor job.
COMMIT;
