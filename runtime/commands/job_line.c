/* job_line.c - the fields, and how they are written. */
#include "job_line.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../json.h"
#include "job_fields.h"

#define FIELD(name, kind, member, given)                                                                               \
	{name, FIELD_##kind, given, offsetof(struct OF, member), sizeof(((struct OF *)0)->member)},

#define OF store_job
const struct field job_fields[] = {JOB_FIELD_MAP(FIELD){0}};
#undef OF
#define OF store_attempt
const struct field attempt_fields[] = {ATTEMPT_FIELD_MAP(FIELD){0}};
#undef OF
#define OF store_story
const struct field story_fields[] = {STORY_FIELD_MAP(FIELD){0}};
#undef OF

/* ---- integers -------------------------------------------------------------------------------- */

static bool is_signed(const struct field *field)
{
	return field->kind == FIELD_INT || field->kind == FIELD_SECONDS;
}

/* The integer at a field, of whatever size. */
static int64_t field_get(const struct field *field, const void *object)
{
	const char *at = (const char *)object + field->offset;
	uint64_t bits = 0;
	unsigned unused = 64 - 8 * (unsigned)field->size;

	/* Little or big end: by the size. */
	switch (field->size) {
	case 1:
		bits = *(const uint8_t *)at;
		break;
	case 4:
		bits = *(const uint32_t *)(const void *)at;
		break;
	default:
		bits = *(const uint64_t *)(const void *)at;
	}
	return is_signed(field) ? (int64_t)(bits << unused) >> unused : (int64_t)bits;
}

bool field_set(const struct field *field, void *object, int64_t value)
{
	char *at = (char *)object + field->offset;

	switch (field->size) {
	case 1:
		*(uint8_t *)at = (uint8_t)value;
		break;
	case 4:
		*(uint32_t *)(void *)at = (uint32_t)value;
		break;
	default:
		*(uint64_t *)(void *)at = (uint64_t)value;
	}
	return field_get(field, object) == value;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static void put(struct json *json, const char *name, const void *data, size_t size)
{
	char base64[64];

	snprintf(base64, sizeof(base64), "%s_base64", name);
	if (json_is_utf8(data, size))
		json_put_bytes(json, name, data, size);
	else
		json_put_base64(json, base64, data, size);
}

/* Of a descriptor: mapped, so that the kernel has the bytes and not we. */
static int put_source(struct json *json, const char *name, const struct payload_source *source, struct ym_err *err)
{
	off_t at;
	size_t before;
	char *map;

	if (source->size == 0)
		return 0;
	if (source->data) {
		put(json, name, source->data, source->size);
		return 0;
	}
	at = lseek(source->fd, 0, SEEK_CUR);
	before = at > 0 ? (size_t)at : 0;
	map = at < 0 ? MAP_FAILED : mmap(NULL, before + source->size, PROT_READ, MAP_SHARED, source->fd, 0);
	if (map == MAP_FAILED)
		return ym_fail_sys(err, errno, "mmap(%zu bytes) of a %s", source->size, name);
	madvise(map, before + source->size, MADV_SEQUENTIAL);
	put(json, name, map + before, source->size);
	munmap(map, before + source->size);
	return 0;
}

/* ---- a line ---------------------------------------------------------------------------------- */

static int put_field(struct json *json, const struct field *field, const void *object, struct ym_err *err)
{
	const char *at = (const char *)object + field->offset;
	int64_t number = field->kind == FIELD_TEXT || field->kind == FIELD_BYTES ? 0 : field_get(field, object);

	switch (field->kind) {
	case FIELD_UINT:
		if (number || field->given)
			json_put_uint(json, field->name, (uint64_t)number);
		break;
	case FIELD_INT:
		if (number)
			json_put_int(json, field->name, number);
		break;
	case FIELD_SECONDS:
		if (number)
			json_put_real(json, field->name, (double)number / 1e3);
		break;
	case FIELD_FLAG:
		if (number)
			json_put_bool(json, field->name, true);
		break;
	case FIELD_STATE:
		json_put_string(json, field->name, job_state_word((enum job_state)number));
		break;
	case FIELD_END:
		json_put_string(json, field->name, story_end_word((unsigned)number));
		break;
	case FIELD_TEXT:
		if (at[0])
			put(json, field->name, at, strnlen(at, field->size));
		break;
	case FIELD_BYTES:
		return put_source(json, field->name, (const struct payload_source *)(const void *)at, err);
	}
	return 0;
}

static int put_fields(struct json *json, const struct field *fields, const void *object, struct ym_err *err)
{
	for (const struct field *field = fields; field->name; field++)
		if (put_field(json, field, object, err) < 0)
			return -1;
	return 0;
}

int job_line_write(FILE *to, const struct store_job *job, const struct store_story *story, struct ym_err *err)
{
	struct json json = {.to = to};

	json_open(&json, NULL, '{');
	if (put_fields(&json, job_fields, job, err) < 0)
		return -1;
	if (story && story->nattempts > 0) {
		json_open(&json, JOB_STORY_NAME, '[');
		for (size_t i = 0; i < story->nattempts; i++) {
			json_open(&json, NULL, '{');
			put_fields(&json, attempt_fields, &story->attempts[i], err);
			json_close(&json, '}');
		}
		json_close(&json, ']');
		put_fields(&json, story_fields, story, err);
	}
	json_close(&json, '}');
	fputc('\n', to);
	return 0;
}
