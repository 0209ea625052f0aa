/* reply.c - answers as messages. */
#include "reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ipc/queue.h"
#include "../ipc/serialize.h"
#include "json.h"

#define RESULT_KEY "result"
#define ERROR_MAX  640

/* ---- the answer as a value ------------------------------------------------------------------- */

static int put(struct ym_value *into, const char *key, struct ym_value value, struct ym_err *err)
{
	return ym_array_set(into->array, ym_array_key_text(key), &value, err);
}

/* A string, or null for NULL. */
static int put_bytes(struct ym_value *into, const char *key, const void *bytes, size_t size, struct ym_err *err)
{
	struct ym_value value = {0};

	if (bytes && ym_value_string(&value, bytes, size, err) < 0)
		return -1;
	return put(into, key, value, err);
}

static int put_text(struct ym_value *into, const char *key, const char *text, struct ym_err *err)
{
	return text && *text ? put_bytes(into, key, text, strlen(text), err) : put_bytes(into, key, NULL, 0, err);
}

static int answer_value(const struct job_answer *answer, struct ym_value *out, struct ym_err *err)
{
	if (ym_value_array(out, err) == 0 && put(out, "id", ym_value_int((int64_t)answer->id), err) == 0 &&
	    put_text(out, "tag", answer->tag, err) == 0 && put_text(out, "state", answer->state, err) == 0 &&
	    put_bytes(out, RESULT_KEY, answer->result, answer->result_size, err) == 0 &&
	    put_text(out, "error", answer->error, err) == 0 &&
	    put(out, "attempts", ym_value_int(answer->attempts), err) == 0)
		return 0;
	ym_value_free(out);
	return -1;
}

/* ---- forms ----------------------------------------------------------------------------------- */

static void write_member(struct json *json, const char *key, const struct ym_value *value)
{
	if (value->type == YM_TYPE_NULL)
		json_put_null(json, key);
	else if (value->type == YM_TYPE_INT)
		json_put_int(json, key, value->integer);
	else if (strcmp(key, RESULT_KEY) == 0 && !json_is_utf8(value->string.bytes, value->string.length))
		json_put_base64(json, RESULT_KEY "_base64", value->string.bytes, value->string.length);
	else
		json_put_bytes(json, key, value->string.bytes, value->string.length);
}

static int write_json(const struct ym_value *answer, struct ym_buffer *out, struct ym_err *err)
{
	struct json json = {0};
	char *text = NULL;
	size_t size = 0;
	int result = -1;

	json.to = open_memstream(&text, &size);
	if (!json.to)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory: open_memstream() for an answer");
	json_open(&json, NULL, '{');
	for (size_t i = 0; i < ym_array_count(answer->array); i++) {
		struct ym_array_key key;
		const struct ym_value *value = ym_array_at(answer->array, i, &key);

		write_member(&json, key.bytes, value);
	}
	json_close(&json, '}');
	if (fclose(json.to) == 0)
		result = ym_buffer_add(out, text, size, err);
	else
		ym_fail(err, YM_ERR_LIMIT, "out of memory for an answer");
	free(text);
	return result;
}

int reply_build(const struct job_answer *answer, unsigned form, struct ym_buffer *out, struct ym_err *err)
{
	struct ym_value value;
	int result;

	if (form != REPLY_PHP && form != REPLY_JSON)
		return ym_fail(err, YM_ERR_USAGE, "there is no form %u of an answer", form);
	if (answer_value(answer, &value, err) < 0)
		return -1;
	result = form == REPLY_PHP ? ym_serialize(&value, out, err) : write_json(&value, out, err);
	ym_value_free(&value);
	return result;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* 0, 1 full, 2 too long for the queue, -1. */
static int send_answer(int queue, const struct job_reply *to, const struct job_answer *answer, struct ym_err *err)
{
	long type = (long)to->type;
	struct ym_buffer message;
	int result;

	ym_buffer_init(&message, NULL, 0);
	result = ym_buffer_add(&message, &type, sizeof(type), err);
	if (result == 0)
		result = reply_build(answer, to->form, &message, err);
	if (result < 0) {
		/* Only for want of memory, which may be there later. */
		result = err->class == YM_ERR_LIMIT ? 1 : -1;
	} else {
		result = ym_queue_send(queue, message.bytes, message.length - sizeof(type), err);
		if (result < 0 && err->class == YM_ERR_LIMIT)
			result = 2;
	}
	ym_buffer_free(&message);
	return result;
}

static int send_without_result(int queue, const struct job_reply *to, const struct job_answer *answer,
                               struct ym_err *err)
{
	struct job_answer less = *answer;
	char text[ERROR_MAX];
	int result;

	snprintf(text, sizeof(text),
	         "%s%sresult of %zu bytes does not fit a message, fetch it with `yardmaster wait %llu`",
	         answer->error ? answer->error : "", answer->error && *answer->error ? "; " : "", answer->result_size,
	         (unsigned long long)answer->id);
	less.result = NULL;
	less.error = text;
	result = send_answer(queue, to, &less, err);
	return result == 2 ? -1 : result;
}

int reply_send(const struct job_reply *to, const struct job_answer *answer, struct ym_err *err)
{
	struct ym_err unheard;
	int queue, result;

	if (!err)
		err = &unheard;
	if (ym_queue_open(to->key, &queue, err) < 0)
		return ym_err_prefix(err, "reply");
	result = send_answer(queue, to, answer, err);
	if (result == 2 && answer->result)
		result = send_without_result(queue, to, answer, err);
	return result == 2 || result < 0 ? ym_err_prefix(err, "reply") : result;
}
