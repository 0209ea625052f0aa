/* job_reader.c - read lines of job_line.h. */
#include <stdlib.h>
#include <string.h>

#include "job_fields.h"
#include "job_line.h"
#include "job_scan.h"

/* ---- fields ---------------------------------------------------------------------------------- */

static int read_state(struct job_reader *reader, int64_t *number)
{
	char word[SCAN_NAME_MAX];

	if (scan_text(reader, false, word, sizeof(word)) < 0)
		return -1;
	for (int state = JOB_READY; state < JOB_STATES; state++)
		if (strcmp(word, job_state_word((enum job_state)state)) == 0) {
			*number = state;
			return 0;
		}
	return scan_wrong(reader, "there is no such state");
}

static int read_end(struct job_reader *reader, int64_t *number)
{
	char word[SCAN_NAME_MAX];

	if (scan_text(reader, false, word, sizeof(word)) < 0)
		return -1;
	for (unsigned end = 0; end < STORY_ENDS; end++)
		if (strcmp(word, story_end_word(end)) == 0) {
			*number = end;
			return 0;
		}
	return scan_wrong(reader, "no attempt ends like that");
}

static int read_flag(struct job_reader *reader, int64_t *number)
{
	scan_blanks(reader);
	*number = reader->next == 't';
	return scan_word(reader, *number ? "true" : "false");
}

static int read_field(struct job_reader *reader, const struct field *field, bool base64, void *object)
{
	char *at = (char *)object + field->offset;
	int64_t number = 0;
	int result = 0;

	switch (field->kind) {
	case FIELD_TEXT:
		return scan_text(reader, base64, at, field->size);
	case FIELD_BYTES:
		return scan_bytes(reader, base64, object, (struct payload_source *)(void *)at);
	case FIELD_STATE:
		result = read_state(reader, &number);
		break;
	case FIELD_END:
		result = read_end(reader, &number);
		break;
	case FIELD_FLAG:
		result = read_flag(reader, &number);
		break;
	default:
		result = scan_number(reader, field->kind == FIELD_SECONDS, &number);
	}
	if (result == 0 && ((field->kind == FIELD_UINT && number < 0) || !field_set(field, object, number)))
		return scan_wrong(reader, "a number is out of range");
	return result;
}

/* Of this name, which may end with _base64. */
static const struct field *find_field(const struct field *fields, char *name, bool *base64)
{
	static const char suffix[] = "_base64";
	size_t length = strlen(name), tail = sizeof(suffix) - 1;

	*base64 = length > tail && strcmp(name + length - tail, suffix) == 0;
	if (*base64)
		name[length - tail] = '\0';
	for (const struct field *field = fields; field->name; field++)
		if (strcmp(field->name, name) == 0 &&
		    (!*base64 || field->kind == FIELD_TEXT || field->kind == FIELD_BYTES))
			return field;
	return NULL;
}

/* "NAME": */
static int read_name(struct job_reader *reader, char name[SCAN_NAME_MAX])
{
	return scan_text(reader, false, name, SCAN_NAME_MAX) < 0 ? -1 : scan_expect(reader, ':', "a colon is missing");
}

static int read_attempt(struct job_reader *reader, struct store_attempt *attempt)
{
	*attempt = (struct store_attempt){0};
	if (scan_expect(reader, '{', "an attempt is an object") < 0)
		return -1;
	do {
		char name[SCAN_NAME_MAX];
		const struct field *field;
		bool base64;

		if (read_name(reader, name) < 0)
			return -1;
		field = find_field(attempt_fields, name, &base64);
		if ((field ? read_field(reader, field, base64, attempt) : scan_skip(reader, 0)) < 0)
			return -1;
	} while (scan_accept(reader, ','));
	return scan_expect(reader, '}', "a comma or a brace is missing");
}

static int read_story(struct job_reader *reader, struct store_story *story)
{
	if (scan_expect(reader, '[', "\"" JOB_STORY_NAME "\" is a list") < 0)
		return -1;
	if (scan_accept(reader, ']'))
		return 0;
	do {
		struct store_attempt *more =
		    realloc(story->attempts, (story->nattempts + 1) * sizeof(*story->attempts));

		if (!more)
			return ym_fail(reader->err, YM_ERR_LIMIT, "out of memory");
		story->attempts = more;
		if (read_attempt(reader, &more[story->nattempts]) < 0)
			return -1;
		story->nattempts++;
	} while (scan_accept(reader, ','));
	return scan_expect(reader, ']', "a comma or a bracket is missing");
}

static int read_member(struct job_reader *reader, struct job_line *line)
{
	char name[SCAN_NAME_MAX];
	const struct field *field;
	bool base64;

	if (read_name(reader, name) < 0)
		return -1;
	if (strcmp(name, JOB_STORY_NAME) == 0)
		return read_story(reader, &line->story);
	field = find_field(job_fields, name, &base64);
	if (field) {
		line->given |= field->given;
		return read_field(reader, field, base64, &line->job);
	}
	field = find_field(story_fields, name, &base64);
	return field ? read_field(reader, field, base64, &line->story) : scan_skip(reader, 0);
}

/* ---- lines ----------------------------------------------------------------------------------- */

void job_reader_init(struct job_reader *reader, FILE *from, const char *directory)
{
	reader->from = from;
	reader->directory = directory;
	reader->line = 1;
	scan_step(reader);
}

int job_reader_next(struct job_reader *reader, struct job_line *line, struct ym_err *err)
{
	*line = (struct job_line){.job.payload.fd = -1, .job.result.fd = -1};
	reader->err = err;
	for (; scan_blanks(reader), reader->next == '\n'; reader->line++)
		scan_step(reader);
	if (reader->next == EOF)
		return ferror(reader->from) ? scan_wrong(reader, "") : 1;
	if (scan_expect(reader, '{', "a line is an object of JSON") < 0)
		return -1;
	do {
		if (read_member(reader, line) < 0) {
			job_line_free(line);
			return -1;
		}
	} while (scan_accept(reader, ','));
	if (scan_expect(reader, '}', "a comma or a brace is missing") == 0) {
		scan_blanks(reader);
		if (reader->next == '\n' || reader->next == EOF)
			return 0;
		scan_wrong(reader, "something stands behind the object");
	}
	job_line_free(line);
	return -1;
}

void job_line_free(struct job_line *line)
{
	store_job_free(&line->job);
	store_story_free(&line->story);
}
