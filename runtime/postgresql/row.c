/* row.c - the one list of the columns of a job that are fields of struct store_job. */
#include "postgresql.h"

#include <stdio.h>
#include <string.h>

#include "../text.h"

/* How a field is told. */
enum kind {
	KIND_ID,     /* uint64_t */
	KIND_COUNT,  /* uint64_t, as much of it as fits */
	KIND_BYTE,   /* uint8_t */
	KIND_BOOL,   /* bool */
	KIND_INT,    /* int32_t */
	KIND_BIG,    /* int64_t */
	KIND_RANK,   /* int64_t with a moment in it */
	KIND_MOMENT, /* int64_t, unix ms */
	KIND_TEXT,   /* char[] */
	KIND_STATE,  /* enum job_state, a word */
};

/* Column, kind, field, who writes it. */
#define COLUMN_MAP(X)                                                                                                  \
	X("id", ID, id, PG_SUBMIT | PG_SAVE)                                                                           \
	X("pool", TEXT, pool, PG_SUBMIT | PG_SAVE)                                                                     \
	X("state", STATE, state, PG_SUBMIT | PG_SAVE)                                                                  \
	X("level", BYTE, level, PG_SUBMIT)                                                                             \
	X("rank", RANK, rank, PG_SUBMIT | PG_SAVE)                                                                     \
	X("attempt", BYTE, attempt, PG_SUBMIT | PG_SAVE)                                                               \
	X("attempts", BYTE, attempts, PG_SUBMIT)                                                                       \
	X("crashes", BYTE, crashes, PG_SUBMIT | PG_SAVE)                                                               \
	X("keep", BOOL, keep, PG_SUBMIT)                                                                               \
	X("submitted", MOMENT, submitted_ms, PG_SUBMIT)                                                                \
	X("due", MOMENT, due_ms, PG_SUBMIT | PG_SAVE)                                                                  \
	X("started", MOMENT, started_ms, PG_SUBMIT | PG_SAVE)                                                          \
	X("finished", MOMENT, finished_ms, PG_SUBMIT | PG_SAVE)                                                        \
	X("timeout_ms", BIG, timeout_ms, PG_SUBMIT)                                                                    \
	X("done", COUNT, done, PG_SUBMIT | PG_SAVE)                                                                    \
	X("total", COUNT, total, PG_SUBMIT | PG_SAVE)                                                                  \
	X("reply_type", BIG, reply_type, PG_SUBMIT)                                                                    \
	X("reply_key", INT, reply_key, PG_SUBMIT)                                                                      \
	X("reply_form", BYTE, reply_form, PG_SUBMIT)                                                                   \
	X("unit", TEXT, unit, PG_SUBMIT | PG_SAVE)                                                                     \
	X("tag", TEXT, tag, PG_SUBMIT)                                                                                 \
	X("unique_key", TEXT, unique, PG_SUBMIT)                                                                       \
	X("error", TEXT, error, PG_SUBMIT | PG_SAVE)                                                                   \
	X("ran_on", TEXT, node, 0)

static const struct column {
	const char *name;
	enum kind kind;
	size_t offset, size;
	unsigned use;
} columns[] = {
#define X(name, kind, field, use)                                                                                      \
	{name, KIND_##kind, offsetof(struct store_job, field), sizeof(((struct store_job *)0)->field), use},
    COLUMN_MAP(X)
#undef X
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static const enum pg_type types[] = {
    [KIND_ID] = PG_BIG,  [KIND_COUNT] = PG_BIG, [KIND_BYTE] = PG_SMALL,  [KIND_BOOL] = PG_BOOL, [KIND_INT] = PG_INT,
    [KIND_BIG] = PG_BIG, [KIND_RANK] = PG_BIG,  [KIND_MOMENT] = PG_TIME, [KIND_TEXT] = PG_TEXT, [KIND_STATE] = PG_TEXT,
};

static const char *const words[] = {
#define X(name, value, word, over) [value] = word,
    JOB_STATE_MAP(X)
#undef X
};

/* ---- statements ------------------------------------------------------------------------------ */

#define SQL_MAX 4096
static char insert_sql[SQL_MAX], update_sql[SQL_MAX], columns_sql[SQL_MAX / 2], want_sql[SQL_MAX], look_sql[SQL_MAX];

static int count_columns(enum pg_use use)
{
	int n = 0;

	for (size_t i = 0; i < COLUMNS; i++)
		n += (columns[i].use & use) != 0;
	return n;
}

/* "a, b, c" with something before each name; *out goes behind it. */
static void add_names(char **out, enum pg_use use, const char *before)
{
	const char *comma = "";

	for (size_t i = 0; i < COLUMNS; i++)
		if (columns[i].use & use) {
			*out += sprintf(*out, "%s%s%s%s", comma, before, columns[i].name,
			                columns[i].kind == KIND_STATE && before[0] ? "::yardmaster.state" : "");
			comma = ", ";
		}
}

static void add_parameters(char **out, int n)
{
	for (int i = 1; i <= n; i++)
		*out += sprintf(*out, "%s$%d", i > 1 ? ", " : "", i);
}

/*
 * Behind the arrays of pg_put_jobs(): held, payload, its size if in chunks, result, its size, who ran it; then our registration and name.
 * In the order of the keys: two nodes that put in the same keys do not wait for each other in a circle.
 */
static void make_insert(char *out)
{
	int n = count_columns(PG_SUBMIT);

	out += sprintf(out, "INSERT INTO yardmaster.job (");
	add_names(&out, PG_SUBMIT, "");
	out += sprintf(out, ", node, ran_by, ran_on, pin, payload, payload_size, result, result_size) SELECT ");
	add_names(&out, PG_SUBMIT, "s.");
	out += sprintf(out,
	               ", CASE WHEN s.held THEN $%d::bigint END, $%d, CASE WHEN s.held THEN $%d ELSE s.ran_on END,"
	               " CASE WHEN s.reply_key <> 0 THEN $%d END, s.payload, s.payload_size, s.result, s.result_size"
	               " FROM unnest(",
	               n + 7, n + 7, n + 8, n + 8);
	add_parameters(&out, n + 6);
	out += sprintf(out, ") WITH ORDINALITY AS s (");
	add_names(&out, PG_SUBMIT, "");
	sprintf(out, ", held, payload, payload_size, result, result_size, ran_on, place)"
	             " ORDER BY s.pool, s.unique_key, s.place ON CONFLICT DO NOTHING RETURNING id");
}

/*
 * IS NOT DISTINCT FROM, here and elsewhere: by id, never by the index of what is held, which the planner thinks is short; an
 * = would tell it that the node is not NULL, and let it search all of that index for each id. Behind the arrays: held, result,
 * its size if in chunks, note, output; then our registration and name.
 */
static void make_update(char *out)
{
	static const char taken[] = "s.pool <> j.pool AND EXISTS (SELECT FROM yardmaster.job o WHERE o.pool = s.pool"
				    " AND o.unique_key = j.unique_key AND o.state IN " PG_LIVE ")";
	int n = count_columns(PG_SAVE);

	out += sprintf(out, "UPDATE yardmaster.job j SET ");
	for (size_t i = 1; i < COLUMNS; i++) /* not the id */
		if (columns[i].use & PG_SAVE)
			out += sprintf(out, "%s = s.%s%s, ", columns[i].name, columns[i].name,
			               columns[i].kind == KIND_STATE ? "::yardmaster.state" : "");
	out += sprintf(out,
	               "node = CASE WHEN s.held THEN j.node END, ran_by = $%d, ran_on = $%d, result = s.result,"
	               " result_size = s.result_size, note = coalesce(s.note, j.note),"
	               " output = coalesce(s.output, j.output), cancel = j.cancel AND s.held, key_lost = %s,"
	               " unique_key = CASE WHEN %s THEN NULL ELSE j.unique_key END FROM unnest(",
	               n + 6, n + 7, taken, taken);
	add_parameters(&out, n + 5);
	out += sprintf(out, ") AS s (");
	add_names(&out, PG_SAVE, "");
	sprintf(out,
	        ", held, result, result_size, note, output) WHERE j.id = s.id AND j.node IS NOT DISTINCT FROM $%d"
	        " RETURNING j.id, j.key_lost",
	        n + 6);
}

static void make_columns(char *out)
{
	for (size_t i = 0; i < COLUMNS; i++)
		out += sprintf(out, "j.%s, ", columns[i].name);
	sprintf(out, "j.node IS NOT NULL, coalesce(j.payload_size, octet_length(j.payload)),"
	             " coalesce(j.result_size, octet_length(j.result))");
}

/* Those that wait for an answer on another machine are not ours. */
static void make_want(char *out)
{
	sprintf(out,
	        "SELECT %s, " PG_BYTES_COLUMNS " FROM yardmaster.job j WHERE j.pool = $1 AND j.state = 'waiting'"
	        " AND j.node IS NULL AND (j.pin IS NULL OR j.pin = $2) ORDER BY j.rank, j.id LIMIT $3"
	        " FOR UPDATE SKIP LOCKED",
	        columns_sql);
}

static void make_all(void)
{
	make_insert(insert_sql);
	make_update(update_sql);
	make_columns(columns_sql);
	make_want(want_sql);
	sprintf(look_sql, "SELECT %s, " PG_BYTES_COLUMNS " FROM yardmaster.job j WHERE j.id = ANY ($1)", columns_sql);
}

static const char *made(const char *sql)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_all);
	return sql;
}

const char *pg_insert_sql(void)
{
	return made(insert_sql);
}

const char *pg_update_sql(void)
{
	return made(update_sql);
}

const char *pg_look_sql(void)
{
	return made(look_sql);
}

const char *pg_want_sql(void)
{
	return made(want_sql);
}

const char *pg_columns(void)
{
	return made(columns_sql);
}

/* ---- values ---------------------------------------------------------------------------------- */

static int64_t as_big(const struct column *column, const void *field)
{
	uint64_t value = *(const uint64_t *)field;

	return column->kind == KIND_COUNT && value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static void put(struct pg_store *store, struct pg_args *args, const struct column *column, const struct store_job *job)
{
	const void *field = (const char *)job + column->offset;

	switch (column->kind) {
	case KIND_ID:
	case KIND_COUNT:
		pg_put_big(args, as_big(column, field));
		break;
	case KIND_BYTE:
		pg_put_small(args, *(const uint8_t *)field);
		break;
	case KIND_BOOL:
		pg_put_bool(args, *(const bool *)field);
		break;
	case KIND_INT:
		pg_put_int(args, *(const int32_t *)field);
		break;
	case KIND_BIG:
		pg_put_big(args, *(const int64_t *)field);
		break;
	case KIND_RANK:
		pg_put_big(args, *(const int64_t *)field + atomic_load(&store->offset_ms));
		break;
	case KIND_MOMENT:
		pg_put_time(args, pg_to_db(store, *(const int64_t *)field));
		break;
	case KIND_TEXT:
		pg_put_text(args, field);
		break;
	case KIND_STATE:
		pg_put_text(args, words[job->state]);
		break;
	}
}

void pg_put_jobs(struct pg_store *store, struct pg_args *args, enum pg_use use, pg_job_at *at, const void *jobs,
                 size_t n)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		if (!(columns[i].use & use))
			continue;
		pg_array_begin(args, types[columns[i].kind]);
		for (size_t k = 0; k < n; k++)
			put(store, args, &columns[i], at(jobs, k));
		pg_array_end(args);
	}
}

const char *pg_state_word(enum job_state state)
{
	return words[state];
}

static enum job_state state_of(const char *word)
{
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i] && strcmp(words[i], word) == 0)
			return (enum job_state)i;
	return JOB_FREE;
}

static void get(struct pg_store *store, const PGresult *result, int row, int number, struct store_job *job)
{
	const struct column *column = &columns[number];
	void *field = (char *)job + column->offset;

	switch (column->kind) {
	case KIND_ID:
	case KIND_COUNT:
		*(uint64_t *)field = (uint64_t)pg_big(result, row, number);
		break;
	case KIND_BYTE:
		*(uint8_t *)field = (uint8_t)pg_big(result, row, number);
		break;
	case KIND_BOOL:
		*(bool *)field = pg_bool(result, row, number);
		break;
	case KIND_INT:
		*(int32_t *)field = (int32_t)pg_big(result, row, number);
		break;
	case KIND_BIG:
		*(int64_t *)field = pg_big(result, row, number);
		break;
	case KIND_RANK:
		*(int64_t *)field = pg_big(result, row, number) - atomic_load(&store->offset_ms);
		break;
	case KIND_MOMENT:
		*(int64_t *)field = pg_from_db(store, pg_time(result, row, number));
		break;
	case KIND_TEXT:
		text_copy(field, column->size, pg_text(result, row, number));
		break;
	case KIND_STATE:
		job->state = state_of(pg_text(result, row, number));
		break;
	}
}

int pg_columns_count(void)
{
	return (int)COLUMNS + 3;
}

void pg_read_job(struct pg_store *store, const PGresult *result, int row, struct store_job *job)
{
	int n = (int)COLUMNS;

	*job = (struct store_job){0};
	for (int i = 0; i < n; i++)
		get(store, result, row, i, job);
	job->held = pg_bool(result, row, n);
	job->payload.size = (size_t)pg_big(result, row, n + 1);
	job->result.size = (size_t)pg_big(result, row, n + 2);
}
