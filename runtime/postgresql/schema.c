/*
 * schema.c - the schema `yardmaster` of a database, made and brought up to date in steps.
 *
 * A step is never changed once it was released: databases have it. What is to be different comes as a new step at the end.
 */
#include "postgresql.h"

#include <string.h>

/* clang-format off: the lines of these texts are SQL's */
static const char first[] =
    "CREATE TYPE yardmaster.state AS ENUM ('waiting', 'delayed', 'running', 'buried', 'done', 'failed', 'cancelled');\n"
    "\n"
    "-- Ids come in turns: a million for a node, a million for those who insert themselves, and so on.\n"
    "CREATE SEQUENCE yardmaster.node_block MINVALUE 0 START 0;\n"
    "CREATE SEQUENCE yardmaster.job_number MINVALUE 0 START 0 CACHE 1;\n"
    "CREATE FUNCTION yardmaster.next_id() RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER\n"
    "SET search_path = pg_catalog, pg_temp AS $$\n"
    "<<next_id>>\n"
    "DECLARE\n"
    "  number bigint;\n"
    "  id bigint;\n"
    "BEGIN\n"
    "  LOOP -- past what was imported\n"
    "    number := nextval('yardmaster.job_number');\n"
    "    id := number / 1000000 * 2000000 + 1000000 + number % 1000000;\n"
    "    EXIT WHEN NOT EXISTS (SELECT FROM yardmaster.job j WHERE j.id = next_id.id);\n"
    "  END LOOP;\n"
    "  RETURN id;\n"
    "END $$;\n"
    "\n"
    "CREATE TABLE yardmaster.pool (\n"
    "  name text PRIMARY KEY,\n"
    "  level smallint NOT NULL DEFAULT 5 CHECK (level BETWEEN 0 AND 9),\n"
    "  attempts smallint NOT NULL DEFAULT 1 CHECK (attempts BETWEEN 1 AND 255),\n"
    "  timeout_ms bigint NOT NULL DEFAULT 0,\n"
    "  ageing_ms bigint NOT NULL DEFAULT 0,\n"
    "  payload_max bigint,\n"
    "  changed timestamptz NOT NULL DEFAULT now());\n"
    "COMMENT ON TABLE yardmaster.pool IS 'what jobs of a pool get that are put in without saying; written by the "
    "masters';\n"
    "\n"
    "CREATE TABLE yardmaster.node (\n"
    "  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n"
    "  name text NOT NULL,\n"
    "  instance text NOT NULL,\n"
    "  host text NOT NULL,\n"
    "  pid integer NOT NULL,\n"
    "  token text NOT NULL,\n"
    "  since timestamptz NOT NULL DEFAULT now(),\n"
    "  beat bigint NOT NULL DEFAULT 0,\n"
    "  beat_at timestamptz NOT NULL DEFAULT now(),\n"
    "  lease_ms bigint NOT NULL,\n"
    "  dead timestamptz);\n"
    "COMMENT ON TABLE yardmaster.node IS 'masters; beat counts up while one lives. A new row whenever one starts';\n"
    "ALTER TABLE yardmaster.node SET (fillfactor = 50);\n"
    "\n"
    "CREATE UNLOGGED TABLE yardmaster.node_board (\n"
    "  node bigint PRIMARY KEY,\n"
    "  at timestamptz NOT NULL,\n"
    "  board text NOT NULL);\n"
    "\n"
    "CREATE TABLE yardmaster.job (\n"
    "  id bigint PRIMARY KEY DEFAULT yardmaster.next_id(),\n"
    "  pool text NOT NULL,\n"
    "  state yardmaster.state NOT NULL DEFAULT 'waiting',\n"
    "  level smallint,\n"
    "  rank bigint,\n"
    "  attempt smallint NOT NULL DEFAULT 0,\n"
    "  attempts smallint,\n"
    "  crashes smallint NOT NULL DEFAULT 0,\n"
    "  round integer NOT NULL DEFAULT 0,\n"
    "  keep boolean NOT NULL DEFAULT false,\n"
    "  submitted timestamptz NOT NULL DEFAULT now(),\n"
    "  due timestamptz,\n"
    "  started timestamptz,\n"
    "  finished timestamptz,\n"
    "  timeout_ms bigint,\n"
    "  done bigint NOT NULL DEFAULT 0,\n"
    "  total bigint NOT NULL DEFAULT 0,\n"
    "  unit text,\n"
    "  tag text,\n"
    "  unique_key text,\n"
    "  key_lost boolean NOT NULL DEFAULT false,\n"
    "  error text,\n"
    "  note text,\n"
    "  output text,\n"
    "  node bigint,\n"
    "  ran_by bigint,\n"
    "  ran_on text,\n"
    "  pin text,\n"
    "  cancel boolean NOT NULL DEFAULT false,\n"
    "  reply_type bigint NOT NULL DEFAULT 0,\n"
    "  reply_key integer NOT NULL DEFAULT 0,\n"
    "  reply_form smallint NOT NULL DEFAULT 0,\n"
    "  payload bytea NOT NULL DEFAULT '',\n"
    "  payload_size bigint,\n"
    "  result bytea,\n"
    "  result_size bigint);\n"
    "COMMENT ON COLUMN yardmaster.job.rank IS 'order in the pool, the smallest first: level times ageing, plus when it "
    "is due, unix ms';\n"
    "COMMENT ON COLUMN yardmaster.job.node IS 'node.id of the master in whose table it is; NULL: it waits here, or is "
    "over';\n"
    "COMMENT ON COLUMN yardmaster.job.ran_by IS 'node.id of the master that wrote the row last';\n"
    "COMMENT ON COLUMN yardmaster.job.pin IS 'only the node of this name may fetch it: somebody there waits for its "
    "answer';\n"
    "COMMENT ON COLUMN yardmaster.job.payload_size IS 'not NULL: the payload is in yardmaster.chunk';\n"
    "ALTER TABLE yardmaster.job ALTER payload SET STORAGE EXTERNAL, ALTER result SET STORAGE EXTERNAL;\n"
    "ALTER TABLE yardmaster.job SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,\n"
    "  autovacuum_analyze_scale_factor = 0.2);\n"
    "\n"
    "CREATE INDEX job_fetch ON yardmaster.job (pool, rank, id) WHERE state = 'waiting' AND node IS NULL;\n"
    "CREATE INDEX job_due ON yardmaster.job (due) WHERE state = 'delayed' AND node IS NULL;\n"
    "CREATE INDEX job_held ON yardmaster.job (node, id) WHERE node IS NOT NULL;\n"
    "CREATE INDEX job_over ON yardmaster.job (finished) WHERE state IN ('done', 'failed', 'cancelled');\n"
    "CREATE INDEX job_buried ON yardmaster.job (id) WHERE state = 'buried';\n"
    "CREATE UNIQUE INDEX job_unique ON yardmaster.job (pool, unique_key)\n"
    "  WHERE unique_key IS NOT NULL AND state IN ('waiting', 'delayed', 'running');\n"
    "\n"
    "CREATE TABLE yardmaster.attempt (\n"
    "  job bigint NOT NULL,\n"
    "  round integer NOT NULL DEFAULT 0,\n"
    "  number integer NOT NULL,\n"
    "  ended_as text NOT NULL,\n"
    "  started timestamptz,\n"
    "  ended timestamptz,\n"
    "  pid integer,\n"
    "  status integer,\n"
    "  rss_kib bigint,\n"
    "  user_ms bigint,\n"
    "  system_ms bigint,\n"
    "  done bigint NOT NULL DEFAULT 0,\n"
    "  total bigint NOT NULL DEFAULT 0,\n"
    "  unit text,\n"
    "  error text,\n"
    "  node text,\n"
    "  PRIMARY KEY (job, round, number));\n"
    "COMMENT ON COLUMN yardmaster.attempt.round IS 'how often the job had been kicked: its attempts count from 1 each "
    "time';\n"
    "\n"
    "CREATE TABLE yardmaster.chunk (\n"
    "  job bigint NOT NULL,\n"
    "  of_result boolean NOT NULL,\n"
    "  number integer NOT NULL,\n"
    "  bytes bytea NOT NULL,\n"
    "  PRIMARY KEY (job, of_result, number));\n"
    "ALTER TABLE yardmaster.chunk ALTER bytes SET STORAGE EXTERNAL;\n"
    "\n"
    "CREATE TABLE yardmaster.tally (\n"
    "  pool text NOT NULL,\n"
    "  state yardmaster.state NOT NULL,\n"
    "  n bigint NOT NULL);\n"
    "COMMENT ON TABLE yardmaster.tally IS 'changes of the number of jobs that no node holds: their sum is that "
    "number';\n"
    "ALTER TABLE yardmaster.tally SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);\n"
    "\n"
    "CREATE TABLE yardmaster.limit_use (\n"
    "  name text NOT NULL,\n"
    "  node bigint NOT NULL,\n"
    "  granted bigint NOT NULL,\n"
    "  in_use bigint NOT NULL,\n"
    "  wanted bigint NOT NULL,\n"
    "  turn timestamptz NOT NULL DEFAULT '-infinity',\n"
    "  PRIMARY KEY (name, node));\n"
    "COMMENT ON COLUMN yardmaster.limit_use.turn IS 'when it was granted its first unit: who has waited longest comes "
    "first';\n"
    "\n"
    "CREATE FUNCTION yardmaster.rank(pool text, level integer, ready timestamptz) RETURNS bigint\n"
    "LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$\n"
    "  SELECT $2 * CASE WHEN p.ageing_ms > 0 THEN p.ageing_ms ELSE 100000000000000 END\n"
    "    + floor(extract(epoch FROM $3) * 1000)::bigint\n"
    "  FROM (SELECT coalesce(max(ageing_ms), 0) AS ageing_ms FROM yardmaster.pool WHERE name = $1) p\n"
    "$$;\n"
    "\n"
    "-- A job that somebody else than a master puts in: what was not said comes from its pool.\n"
    "CREATE FUNCTION yardmaster.job_fill() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\n"
    "SET search_path = pg_catalog, pg_temp AS $$\n"
    "DECLARE\n"
    "  p yardmaster.pool;\n"
    "BEGIN\n"
    "  SELECT * INTO p FROM yardmaster.pool WHERE name = NEW.pool;\n"
    "  IF NOT FOUND THEN\n"
    "    RAISE foreign_key_violation USING MESSAGE = format('there is no pool \"%s\"', NEW.pool),\n"
    "      HINT = 'A master that has it in its configuration enters it into yardmaster.pool when it starts.';\n"
    "  END IF;\n"
    "  IF NEW.id % 2000000 < 1000000 THEN\n"
    "    RAISE check_violation USING MESSAGE = format('the id %s is none of those that SQL gives: leave it out', "
    "NEW.id);\n"
    "  END IF;\n"
    "  NEW.level := coalesce(NEW.level, p.level);\n"
    "  NEW.attempts := coalesce(NEW.attempts, p.attempts);\n"
    "  NEW.timeout_ms := coalesce(NEW.timeout_ms, p.timeout_ms);\n"
    "  IF NEW.level NOT BETWEEN 0 AND 9 OR NEW.attempts NOT BETWEEN 1 AND 255 OR NEW.timeout_ms < 0\n"
    "    OR octet_length(NEW.tag) > 47 OR octet_length(NEW.unique_key) > 63 THEN\n"
    "    RAISE check_violation USING MESSAGE = 'priority must be 0 to 9, attempts 1 to 255, timeout not negative,'\n"
    "      ' a tag has at most 47 bytes, a unique key 63';\n"
    "  END IF;\n"
    "  IF octet_length(NEW.payload) > p.payload_max THEN\n"
    "    RAISE check_violation USING MESSAGE = format('a payload of %s bytes is too long, %s are allowed',\n"
    "      octet_length(NEW.payload), p.payload_max);\n"
    "  END IF;\n"
    "  NEW.unique_key := nullif(NEW.unique_key, '');\n"
    "  NEW.tag := nullif(NEW.tag, '');\n"
    "  NEW.state := CASE WHEN NEW.due > clock_timestamp() THEN 'delayed' ELSE 'waiting' END;\n"
    "  NEW.rank := yardmaster.rank(NEW.pool, NEW.level, greatest(NEW.due, now()));\n"
    "  NEW.attempt := 0;\n"
    "  NEW.node := NULL;\n"
    "  NEW.payload_size := NULL;\n"
    "  RETURN NEW;\n"
    "END $$;\n"
    "CREATE TRIGGER job_fill BEFORE INSERT ON yardmaster.job FOR EACH ROW WHEN (NEW.rank IS NULL)\n"
    "  EXECUTE FUNCTION yardmaster.job_fill();\n"
    "\n"
    "CREATE FUNCTION yardmaster.job_inserted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\n"
    "SET search_path = pg_catalog, pg_temp AS $$\n"
    "BEGIN\n"
    "  IF EXISTS (SELECT FROM new_rows WHERE node IS NULL) THEN\n"
    "    INSERT INTO yardmaster.tally SELECT pool, state, count(*) FROM new_rows\n"
    "      WHERE node IS NULL AND state IN ('waiting', 'delayed', 'buried') GROUP BY pool, state;\n"
    "    PERFORM pg_notify('yardmaster', pool)\n"
    "      FROM (SELECT DISTINCT pool FROM new_rows WHERE node IS NULL AND state = 'waiting') p;\n"
    "  END IF;\n"
    "  RETURN NULL;\n"
    "END $$;\n"
    "CREATE TRIGGER job_inserted AFTER INSERT ON yardmaster.job REFERENCING NEW TABLE AS new_rows\n"
    "  FOR EACH STATEMENT EXECUTE FUNCTION yardmaster.job_inserted();\n"
    "\n"
    "CREATE FUNCTION yardmaster.job_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\n"
    "SET search_path = pg_catalog, pg_temp AS $$\n"
    "BEGIN\n"
    "  INSERT INTO yardmaster.tally SELECT pool, state, sum(n) FROM (\n"
    "    SELECT pool, state, 1 AS n FROM new_rows WHERE node IS NULL AND state IN ('waiting', 'delayed', 'buried')\n"
    "    UNION ALL\n"
    "    SELECT pool, state, -1 FROM old_rows WHERE node IS NULL AND state IN ('waiting', 'delayed', 'buried')) d\n"
    "    GROUP BY pool, state HAVING sum(n) <> 0;\n"
    "  PERFORM pg_notify('yardmaster', pool)\n"
    "    FROM (SELECT DISTINCT pool FROM new_rows WHERE node IS NULL AND state = 'waiting') p;\n"
    "  RETURN NULL;\n"
    "END $$;\n"
    "CREATE TRIGGER job_updated AFTER UPDATE ON yardmaster.job\n"
    "  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows\n"
    "  FOR EACH STATEMENT EXECUTE FUNCTION yardmaster.job_updated();\n"
    "\n"
    "CREATE FUNCTION yardmaster.job_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\n"
    "SET search_path = pg_catalog, pg_temp AS $$\n"
    "BEGIN\n"
    "  INSERT INTO yardmaster.tally SELECT pool, state, -count(*) FROM old_rows\n"
    "    WHERE node IS NULL AND state IN ('waiting', 'delayed', 'buried') GROUP BY pool, state;\n"
    "  DELETE FROM yardmaster.attempt WHERE job IN (SELECT id FROM old_rows);\n"
    "  DELETE FROM yardmaster.chunk WHERE job IN (SELECT id FROM old_rows);\n"
    "  RETURN NULL;\n"
    "END $$;\n"
    "CREATE TRIGGER job_deleted AFTER DELETE ON yardmaster.job REFERENCING OLD TABLE AS old_rows\n"
    "  FOR EACH STATEMENT EXECUTE FUNCTION yardmaster.job_deleted();\n"
    "\n"
    "CREATE FUNCTION yardmaster.job_truncated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\n"
    "SET search_path = pg_catalog, pg_temp AS $$\n"
    "BEGIN\n"
    "  TRUNCATE yardmaster.tally, yardmaster.attempt, yardmaster.chunk;\n"
    "  RETURN NULL;\n"
    "END $$;\n"
    "CREATE TRIGGER job_truncated AFTER TRUNCATE ON yardmaster.job\n"
    "  FOR EACH STATEMENT EXECUTE FUNCTION yardmaster.job_truncated();\n"
    "\n"
    "-- For everybody: a new job, within the caller's transaction. Its id, or that of the live job with its unique "
    "key.\n"
    "CREATE FUNCTION yardmaster.submit(pool text, payload bytea DEFAULT '', priority integer DEFAULT NULL,\n"
    "  delay interval DEFAULT NULL, at timestamptz DEFAULT NULL, unique_key text DEFAULT NULL, tag text DEFAULT NULL,\n"
    "  timeout interval DEFAULT NULL) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER\n"
    "SET search_path = pg_catalog, pg_temp AS $$\n"
    "#variable_conflict use_variable\n"
    "DECLARE\n"
    "  number bigint;\n"
    "BEGIN\n"
    "  LOOP\n"
    "    INSERT INTO yardmaster.job (pool, payload, level, due, unique_key, tag, timeout_ms)\n"
    "      VALUES (pool, coalesce(payload, ''), priority, coalesce(at, clock_timestamp() + delay), unique_key, tag,\n"
    "        extract(epoch FROM timeout) * 1000)\n"
    "      ON CONFLICT DO NOTHING RETURNING job.id INTO number;\n"
    "    EXIT WHEN number IS NOT NULL;\n"
    "    SELECT j.id INTO number FROM yardmaster.job j WHERE j.pool = submit.pool AND j.unique_key = "
    "submit.unique_key\n"
    "      AND j.state IN ('waiting', 'delayed', 'running');\n"
    "    EXIT WHEN number IS NOT NULL;\n"
    "  END LOOP;\n"
    "  RETURN number;\n"
    "END $$;\n"
    "CREATE FUNCTION yardmaster.submit(pool text, payload text, priority integer DEFAULT NULL,\n"
    "  delay interval DEFAULT NULL, at timestamptz DEFAULT NULL, unique_key text DEFAULT NULL, tag text DEFAULT NULL,\n"
    "  timeout interval DEFAULT NULL) RETURNS bigint LANGUAGE sql\n"
    "SET search_path = pg_catalog, pg_temp AS $$\n"
    "  SELECT yardmaster.submit($1, convert_to($2, 'UTF8'), $3, $4, $5, $6, $7, $8)\n"
    "$$;\n"
    "\n"
    "-- Nobody takes a node for dead while it writes, and nobody writes as a node that was taken for dead.\n"
    "CREATE FUNCTION yardmaster.guard(holder bigint) RETURNS void LANGUAGE plpgsql AS $$\n"
    "BEGIN\n"
    "  PERFORM pg_advisory_xact_lock_shared(1497188609, (holder % 2147483647)::integer);\n"
    "  IF NOT EXISTS (SELECT FROM yardmaster.node n WHERE n.id = holder AND n.dead IS NULL) THEN\n"
    "    RAISE SQLSTATE 'YM001' USING MESSAGE = 'the other nodes have taken this one for dead, as it gave no sign of "
    "life';\n"
    "  END IF;\n"
    "END $$;\n"
    "\n"
    "-- Does no transaction that is still open have something to say about a unique key? It tries, and undoes that.\n"
    "CREATE FUNCTION yardmaster.key_is_settled(pool text, unique_key text) RETURNS boolean LANGUAGE plpgsql\n"
    "SET lock_timeout = '100ms' AS $$\n"
    "BEGIN\n"
    "  INSERT INTO yardmaster.job (id, pool, rank, node, unique_key) VALUES (-pg_backend_pid(), $1, 0, 0, $2)\n"
    "    ON CONFLICT DO NOTHING;\n"
    "  RAISE SQLSTATE 'YM002';\n"
    "EXCEPTION\n"
    "  WHEN SQLSTATE 'YM002' THEN RETURN true;\n"
    "  WHEN lock_not_available THEN RETURN false;\n"
    "END $$;\n"
    "\n"
    "-- Jobs that a node held which is no more: they wait again; an attempt that was cut short counts.\n"
    "CREATE FUNCTION yardmaster.take_back(ids bigint[], holder bigint, why text) RETURNS bigint LANGUAGE plpgsql AS "
    "$$\n"
    "DECLARE\n"
    "  n bigint;\n"
    "BEGIN\n"
    "  WITH gone AS (\n"
    "    SELECT id, state, round, attempt, started, ran_on FROM yardmaster.job WHERE id = ANY (ids)\n"
    "      AND node IS NOT DISTINCT FROM holder\n"
    "      ORDER BY id FOR UPDATE),\n"
    "  told AS (\n"
    "    INSERT INTO yardmaster.attempt (job, round, number, ended_as, started, ended, status, error, node)\n"
    "      SELECT id, round, attempt, 'crashed', started, now(), -1, why, ran_on FROM gone WHERE state = 'running'\n"
    "      ON CONFLICT (job, round, number) DO NOTHING),\n"
    "  back AS (\n"
    "    UPDATE yardmaster.job j SET node = NULL, cancel = false,\n"
    "      crashes = least(255, j.crashes + (j.state = 'running')::integer),\n"
    "      error = CASE WHEN j.state = 'running' THEN why ELSE j.error END,\n"
    "      state = CASE WHEN j.cancel THEN 'cancelled' WHEN j.state <> 'running' THEN j.state\n"
    "        WHEN j.attempt >= j.attempts THEN 'failed' ELSE 'waiting' END::yardmaster.state,\n"
    "      finished = CASE WHEN j.cancel OR (j.state = 'running' AND j.attempt >= j.attempts) THEN now() END\n"
    "      FROM gone WHERE j.id = gone.id)\n"
    "  SELECT count(*) INTO n FROM gone;\n"
    "  RETURN n;\n"
    "END $$;\n"
    "\n"
    "CREATE VIEW yardmaster.jobs AS\n"
    "  SELECT j.id, j.pool, j.state, j.level AS priority, j.tag, j.unique_key, j.attempt, j.attempts, j.crashes,\n"
    "    j.submitted, j.due, j.started, j.finished, j.timeout_ms * interval '1 ms' AS timeout, j.done, j.total, "
    "j.unit,\n"
    "    j.error, j.node IS NOT NULL AS held, j.ran_on AS node, encode(j.payload, 'escape') AS payload,\n"
    "    encode(j.result, 'escape') AS result\n"
    "  FROM yardmaster.job j;\n"
    "CREATE VIEW yardmaster.nodes AS\n"
    "  SELECT n.name, n.instance, n.host, n.pid, n.since, CASE WHEN n.dead IS NULL THEN 'alive' ELSE 'dead' END AS "
    "state,\n"
    "    clock_timestamp() - n.beat_at AS silent, n.lease_ms * interval '1 ms' AS lease,\n"
    "    (SELECT count(*) FROM yardmaster.job j WHERE j.node = n.id) AS held\n"
    "  FROM yardmaster.node n;\n"
    "CREATE VIEW yardmaster.backlog AS\n"
    "  SELECT pool, coalesce(sum(n) FILTER (WHERE state = 'waiting'), 0) AS waiting,\n"
    "    coalesce(sum(n) FILTER (WHERE state = 'delayed'), 0) AS delayed,\n"
    "    coalesce(sum(n) FILTER (WHERE state = 'buried'), 0) AS buried\n"
    "  FROM yardmaster.tally GROUP BY pool;\n"
    "CREATE VIEW yardmaster.limits AS\n"
    "  SELECT l.name, n.name AS node, l.granted, l.in_use, l.wanted\n"
    "  FROM yardmaster.limit_use l JOIN yardmaster.node n ON n.id = l.node;\n";
/* clang-format on */

static const char *const steps[] = {first};
#define PG_SCHEMA_VERSION ((int)(sizeof(steps) / sizeof(steps[0])))

/* One master makes it, others wait for that. */
static const char lock_sql[] = "SELECT pg_advisory_xact_lock(1497188608, 0)";

static const char prepare_sql[] = "CREATE SCHEMA IF NOT EXISTS yardmaster;"
				  "CREATE TABLE IF NOT EXISTS yardmaster.version (version integer PRIMARY KEY, since "
				  "timestamptz NOT NULL DEFAULT now())";

static const char exists_sql[] = "SELECT to_regclass('yardmaster.version') IS NOT NULL";
static const char version_sql[] = "SELECT coalesce(max(version), 0) FROM yardmaster.version";
static const char step_sql[] = "INSERT INTO yardmaster.version (version) VALUES ($1)";

static int number(struct pg_link *link, const char *sql, int64_t *value, struct ym_err *err)
{
	PGresult *result = pg_ask(link, sql, NULL, err);

	if (!result)
		return -1;
	*value = libpq.PQgetlength(result, 0, 0) == 1 ? pg_bool(result, 0, 0) : pg_big(result, 0, 0);
	pg_free(result);
	return 0;
}

static int version_of(struct pg_link *link, int64_t *version, struct ym_err *err)
{
	int64_t there;

	*version = 0;
	if (number(link, exists_sql, &there, err) < 0)
		return -1;
	return there ? number(link, version_sql, version, err) : 0;
}

static int too_new(struct pg_link *link, int64_t version, struct ym_err *err)
{
	char shown[STORE_SHOWN_MAX];

	return ym_fail(err, YM_ERR_CONFIG,
	               "PostgreSQL, %s: the schema is of version %lld, this program knows %d: use the newer program",
	               store_shown(link->uri, shown), (long long)version, PG_SCHEMA_VERSION);
}

int pg_schema_check(struct pg_link *link, struct ym_err *err)
{
	char shown[STORE_SHOWN_MAX];
	int64_t version;

	if (version_of(link, &version, err) < 0)
		return -1;
	if (version > PG_SCHEMA_VERSION)
		return too_new(link, version, err);
	if (version == PG_SCHEMA_VERSION)
		return 0;
	return ym_fail(err, YM_ERR_CONFIG, "PostgreSQL, %s: %s: run `yardmaster store init`",
	               store_shown(link->uri, shown),
	               version ? "the schema is of an older version" : "there is no schema for jobs yet");
}

/* Texts in UTF-8 are all that is sent. */
static int check_encoding(struct pg_link *link, struct ym_err *err)
{
	PGresult *result = pg_ask(link, "SHOW server_encoding", NULL, err);
	char shown[STORE_SHOWN_MAX];
	bool good;

	if (!result)
		return -1;
	good = strcmp(pg_text(result, 0, 0), "UTF8") == 0;
	pg_free(result);
	if (good)
		return 0;
	return ym_fail(
	    err, YM_ERR_CONFIG,
	    "PostgreSQL, %s: the encoding of the database is not UTF8: create one with createdb -E UTF8 -T template0",
	    store_shown(link->uri, shown));
}

static int make(struct pg_link *link, const char **text, struct ym_err *err)
{
	int64_t version;

	if (pg_begin(link, err) < 0 || pg_run(link, lock_sql, NULL, err) < 0)
		return -1;
	if (version_of(link, &version, err) < 0)
		return -1;
	if (version > PG_SCHEMA_VERSION)
		return too_new(link, version, err);
	*text = version == PG_SCHEMA_VERSION ? "the schema is up to date"
	        : version                    ? "the schema was brought up to date"
	                                     : "the schema was made";
	if (version == 0 && pg_script(link, prepare_sql, err) < 0)
		return -1;
	for (int64_t i = version; i < PG_SCHEMA_VERSION; i++) {
		struct pg_args args = {0};
		int code;

		if (pg_script(link, steps[i], err) < 0)
			return -1;
		pg_arg_big(&args, i + 1);
		code = pg_run(link, step_sql, &args, err);
		pg_args_free(&args);
		if (code < 0)
			return -1;
	}
	return pg_commit(link, err);
}

int pg_schema_init(const struct store_options *options, const char **text, struct ym_err *err)
{
	struct pg_link link;
	int code;

	if (libpq_load(err) < 0 || pg_open(&link, options->uri, "yardmaster store init", PG_PATIENCE_MS, err) < 0)
		return -1;
	code = check_encoding(&link, err);
	if (code == 0)
		code = make(&link, text, err);
	if (code < 0)
		pg_rollback(&link);
	pg_shut(&link);
	return code;
}
