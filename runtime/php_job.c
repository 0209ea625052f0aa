/* php_job.c - to an array and back. */
#include "php_job.h"

#include <string.h>

#include "../ipc/serialize.h"

/* Values get longer and shorter in steps of so many bytes. */
#define STEP 64

enum kind {
	COUNT,     /* uint64_t: an integer */
	TEXT,      /* a string */
	NULL_TEXT, /* ... null if it is empty */
	REAL,      /* double: a float, null if it is negative */
	TIME       /* int64_t, ms: a float in seconds, null if it is 0 */
};

#define FIELD(name, kind)                                                                                              \
	{                                                                                                              \
#name, kind, offsetof(struct php_job, name), sizeof(((struct php_job *)NULL)->name)                    \
	}

static const struct field {
	const char *name;
	enum kind kind;
	size_t offset, size;
} fields[] = {
    FIELD(id, COUNT),      FIELD(pool, TEXT),     FIELD(tag, TEXT),        FIELD(state, TEXT),     FIELD(done, COUNT),
    FIELD(total, COUNT),   FIELD(unit, TEXT),     FIELD(note, TEXT),       FIELD(percent, REAL),   FIELD(rate, REAL),
    FIELD(eta, REAL),      FIELD(attempt, COUNT), FIELD(error, NULL_TEXT), FIELD(submitted, TIME), FIELD(started, TIME),
    FIELD(finished, TIME), FIELD(updated, TIME),
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

/* ---- writing --------------------------------------------------------------------------------- */

/* More digits than anybody reads only make the values differ in length. */
static double rounded(double real)
{
	return real < 1e12 ? (double)(int64_t)(real * 1000 + 0.5) / 1000 : real;
}

static int make(const struct php_job *job, const struct field *field, struct ym_value *value, struct ym_err *err)
{
	const char *at = (const char *)job + field->offset;
	uint64_t count;
	int64_t time;
	double real;

	*value = (struct ym_value){0};
	switch (field->kind) {
	case COUNT:
		memcpy(&count, at, sizeof(count));
		*value = ym_value_int(count > INT64_MAX ? INT64_MAX : (int64_t)count);
		break;
	case NULL_TEXT:
		if (!at[0])
			break;
		/* fall through */
	case TEXT:
		return ym_value_string(value, at, strnlen(at, field->size), err);
	case REAL:
		memcpy(&real, at, sizeof(real));
		if (real >= 0)
			*value = ym_value_float(rounded(real));
		break;
	case TIME:
		memcpy(&time, at, sizeof(time));
		if (time)
			*value = ym_value_float((double)time / 1000);
		break;
	}
	return 0;
}

static int fill(const struct php_job *job, struct ym_array *array, struct ym_err *err)
{
	struct ym_value value;

	for (size_t i = 0; i < FIELDS; i++)
		if (make(job, &fields[i], &value, err) < 0 ||
		    ym_array_set(array, ym_array_key_text(fields[i].name), &value, err) < 0)
			return -1;
	return 0;
}

int php_job_write(const struct php_job *job, struct ym_buffer *out, struct ym_err *err)
{
	struct ym_value value;
	size_t before = out->length, blanks;
	int result = -1;
	char *to;

	if (ym_value_array(&value, err) < 0)
		return -1;
	if (fill(job, value.array, err) == 0 && ym_serialize(&value, out, err) == 0) {
		blanks = (STEP - (out->length - before) % STEP) % STEP;
		to = ym_buffer_room(out, blanks, err);
		if (to) {
			memset(to, ' ', blanks);
			out->length += blanks;
			result = 0;
		}
	}
	ym_value_free(&value);
	return result;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool take(struct php_job *job, const struct field *field, const struct ym_value *value)
{
	char *at = (char *)job + field->offset;
	const bool null = value->type == YM_TYPE_NULL;
	uint64_t count;
	int64_t time;
	double real;

	switch (field->kind) {
	case COUNT:
		count = (uint64_t)value->integer;
		memcpy(at, &count, sizeof(count));
		return value->type == YM_TYPE_INT && value->integer >= 0;
	case NULL_TEXT:
		if (null)
			return true;
		/* fall through */
	case TEXT:
		if (value->type != YM_TYPE_STRING || value->string.length >= field->size)
			return false;
		memcpy(at, value->string.bytes, value->string.length);
		return true;
	case REAL:
		real = null ? -1 : value->real;
		memcpy(at, &real, sizeof(real));
		return null || value->type == YM_TYPE_FLOAT;
	case TIME:
		if (null)
			return true;
		if (value->type != YM_TYPE_FLOAT || !(value->real >= 0 && value->real < 1e12))
			return false;
		time = (int64_t)(value->real * 1000 + 0.5);
		memcpy(at, &time, sizeof(time));
		return true;
	}
	return false;
}

bool php_job_read(const void *bytes, size_t length, struct php_job *job)
{
	struct ym_value value;
	bool ours;

	*job = (struct php_job){0};
	if (ym_unserialize(bytes, length, &value, NULL, NULL) < 0)
		return false;
	ours = value.type == YM_TYPE_ARRAY && ym_array_count(value.array) == FIELDS;
	for (size_t i = 0; ours && i < FIELDS; i++) {
		const struct ym_value *part = ym_array_get(value.array, ym_array_key_text(fields[i].name));

		ours = part && take(job, &fields[i], part);
	}
	ym_value_free(&value);
	return ours && job->id > 0;
}

bool php_job_over(const struct php_job *job)
{
	for (enum job_state state = 0; state < JOB_STATES; state++)
		if (strcmp(job->state, job_state_word(state)) == 0)
			return job_state_over(state);
	return true;
}
