/* envelope_keys.c - what the keys of an envelope mean. */
#include "envelope_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../config/nearest.h"
#include "../config/problems.h"
#include "../config/values.h"
#include "../ipc/key.h"
#include "../ipc/number.h"
#include "reply.h"
#include "when.h"

#define LATEST_S   (INT64_C(36500) * 86400)
#define LAST_AT_S  INT64_C(253402300799) /* the end of the year 9999 */
#define WRONG      1                     /* of a setter: the value is not what the key wants */
#define REPLY_TYPE 1                     /* unless another one is asked for */

enum key {
#define X(name, wants) KEY_##name,
	ENVELOPE_KEY_MAP(X)
#undef X
};

static bool given(const struct envelope *envelope, enum key key)
{
	return envelope->given >> key & 1;
}

/* ---- kinds of values ------------------------------------------------------------------------- */

/* A string without a NUL byte in it, or NULL. */
static const char *text_of(const struct ym_value *value)
{
	if (value->type != YM_TYPE_STRING || memchr(value->string.bytes, '\0', value->string.length))
		return NULL;
	return value->string.bytes;
}

/* The string of a value, for good. */
static char *take_string(struct ym_value *value)
{
	char *bytes = value->string.bytes;

	*value = (struct ym_value){0};
	return bytes;
}

/* A text or, for the convenience of those who number things, an integer. */
static int name_of(struct ym_value *value, char **out, struct ym_err *err)
{
	char digits[YM_NUMBER_MAX];

	if (value->type == YM_TYPE_INT) {
		int64_t integer = value->integer;

		if (ym_value_string(value, digits, ym_format_int(integer, digits), err) < 0)
			return -1;
	}
	if (!text_of(value))
		return WRONG;
	*out = take_string(value);
	return 0;
}

/* Seconds, whole or not, as milliseconds. */
static bool seconds(const struct ym_value *value, int64_t most, int64_t *ms)
{
	if (value->type == YM_TYPE_INT && value->integer >= 0 && value->integer <= most)
		*ms = value->integer * 1000;
	else if (value->type == YM_TYPE_FLOAT && value->real >= 0 && value->real <= (double)most)
		*ms = (int64_t)rint(value->real * 1000);
	else
		return false;
	return true;
}

static int duration(const struct ym_value *value, int64_t *ms)
{
	const char *text = text_of(value);
	char why[CFG_WHY_MAX];

	if (seconds(value, LATEST_S, ms))
		return 0;
	return text && cfg_parse_duration(text, ms, why) == 0 && *ms <= LATEST_S * 1000 ? 0 : WRONG;
}

/* ---- the setters: 0, WRONG, or -1 with err --------------------------------------------------- */

typedef int setter(struct envelope *envelope, const struct envelope_member *member, struct ym_err *err);

static int set_payload(struct envelope *envelope, const struct envelope_member *member, struct ym_err *err)
{
	struct ym_value *value = member->value;
	size_t length;

	envelope->null = value->type == YM_TYPE_NULL;
	if (value->type == YM_TYPE_STRING) {
		length = value->string.length;
		envelope->payload = take_string(value);
	} else if (member->json) {
		/* Read and written again, numbers would change. */
		length = member->json_length;
		envelope->payload = malloc(length + 1);
		if (!envelope->payload)
			return ym_fail(err, YM_ERR_LIMIT, "out of memory: malloc(%zu) for a payload", length + 1);
		memcpy(envelope->payload, member->json, length);
		envelope->payload[length] = '\0';
	} else {
		envelope->payload = envelope_json(value, member->message_size, &length, err);
		if (!envelope->payload)
			return ym_err_prefix(err, "payload");
	}
	envelope->request.payload.data = envelope->payload;
	envelope->request.payload.size = length;
	return 0;
}

static int set_priority(struct envelope *envelope, const struct envelope_member *member, struct ym_err *err)
{
	char digits[YM_NUMBER_MAX], why[CFG_WHY_MAX];
	const char *text = text_of(member->value);
	int64_t level;

	(void)err;
	if (member->value->type == YM_TYPE_INT) {
		digits[ym_format_int(member->value->integer, digits)] = '\0';
		text = digits;
	}
	if (!text || cfg_parse_level(text, &level, why) < 0)
		return WRONG;
	envelope->request.level = (int)level;
	return 0;
}

static int set_delay(struct envelope *envelope, const struct envelope_member *member, struct ym_err *err)
{
	(void)err;
	return duration(member->value, &envelope->request.delay_ms);
}

static int set_at(struct envelope *envelope, const struct envelope_member *member, struct ym_err *err)
{
	const char *text = text_of(member->value);
	int64_t *ms = &envelope->request.at_ms;

	(void)err;
	if (!seconds(member->value, LAST_AT_S, ms) && !(text && when_parse(text, ms) == 0))
		return WRONG;
	/* 0 means no time at all; what is long past is due at once all the same. */
	if (*ms < 1)
		*ms = 1;
	return 0;
}

static int set_unique(struct envelope *envelope, const struct envelope_member *member, struct ym_err *err)
{
	int result = name_of(member->value, &envelope->unique, err);

	if (result == 0 && !*envelope->unique)
		return WRONG;
	envelope->request.unique = envelope->unique;
	return result;
}

static int set_tag(struct envelope *envelope, const struct envelope_member *member, struct ym_err *err)
{
	int result = name_of(member->value, &envelope->tag, err);

	if (result == 0 && *envelope->tag)
		envelope->request.tag = envelope->tag;
	return result;
}

static int set_timeout(struct envelope *envelope, const struct envelope_member *member, struct ym_err *err)
{
	(void)err;
	return duration(member->value, &envelope->request.timeout_ms);
}

static int set_file(struct envelope *envelope, const struct envelope_member *member, struct ym_err *err)
{
	const char *text = text_of(member->value);

	(void)err;
	/* Relative to what? Sender and master stand in different directories. */
	if (!text || *text != '/')
		return WRONG;
	envelope->file = take_string(member->value);
	return 0;
}

static int set_reply(struct envelope *envelope, const struct envelope_member *member, struct ym_err *err)
{
	char digits[YM_NUMBER_MAX], why[CFG_WHY_MAX];
	const char *text = text_of(member->value);
	size_t path_length;
	key_t key;

	if (member->value->type == YM_TYPE_INT) {
		digits[ym_format_int(member->value->integer, digits)] = '\0';
		text = digits;
	}
	if (!text || cfg_check_key(text, &path_length, why) < 0 || (path_length > 0 && *text != '/'))
		return WRONG;
	if (ym_key_parse(text, &key, err) < 0) {
		/* Also a file that is missing: who sent this cannot have made a queue of it. */
		if (err)
			err->class = YM_ERR_USAGE;
		return ym_err_prefix(err, "reply");
	}
	envelope->request.reply.key = key;
	envelope->request.reply.form = member->json ? REPLY_JSON : REPLY_PHP;
	if (envelope->request.reply.type == 0)
		envelope->request.reply.type = REPLY_TYPE;
	/* An answer that does not fit a message sends people to look the result up. */
	envelope->request.keep = true;
	return 0;
}

static int set_reply_type(struct envelope *envelope, const struct envelope_member *member, struct ym_err *err)
{
	(void)err;
	if (member->value->type != YM_TYPE_INT || member->value->integer < 1)
		return WRONG;
	envelope->request.reply.type = member->value->integer;
	return 0;
}

static const struct {
	const char *name, *wants;
	setter *set;
} keys[] = {
#define X(name, wants) {#name, wants, set_##name},
    ENVELOPE_KEY_MAP(X)
#undef X
};

#define KEYS (sizeof(keys) / sizeof(keys[0]))

/* ---- entering -------------------------------------------------------------------------------- */

/* Bytes as they can stand in a message to people. */
static const char *excerpt(const char *bytes, size_t length, char out[CFG_EXCERPT_MAX])
{
	char text[CFG_EXCERPT_MAX];

	if (length >= sizeof(text))
		length = sizeof(text) - 1;
	memcpy(text, bytes, length);
	text[length] = '\0';
	return cfg_excerpt(text, out);
}

static int unknown(const struct envelope_member *member, struct ym_err *err)
{
	char name[CFG_EXCERPT_MAX];
	struct cfg_nearest nearest = {.word = excerpt(member->name, member->length, name)};

	for (size_t i = 0; i < KEYS; i++)
		cfg_nearest_offer(&nearest, keys[i].name);
	return ym_fail(err, YM_ERR_USAGE, "an envelope has no key \"%s\"%s%s%s", name,
	               nearest.best ? ": did you mean \"" : "", nearest.best ? nearest.best : "",
	               nearest.best ? "\"?" : "");
}

static int wrong(size_t key, const struct ym_value *value, struct ym_err *err)
{
	char shown[CFG_EXCERPT_MAX] = "", number[YM_NUMBER_MAX] = "";

	if (value->type == YM_TYPE_STRING)
		excerpt(value->string.bytes, value->string.length, shown);
	else if (value->type == YM_TYPE_INT)
		excerpt(number, ym_format_int(value->integer, number), shown);
	else if (value->type == YM_TYPE_FLOAT)
		excerpt(number, ym_format_float(value->real, number), shown);
	return ym_fail(err, YM_ERR_USAGE, "%s has to be %s, not the %s %s", keys[key].name, keys[key].wants,
	               ym_type_word(value->type), shown);
}

int envelope_set(struct envelope *envelope, const struct envelope_member *member, struct ym_err *err)
{
	struct ym_value shown;
	size_t key = 0;
	int result;

	while (key < KEYS &&
	       (strlen(keys[key].name) != member->length || memcmp(keys[key].name, member->name, member->length) != 0))
		key++;
	if (key == KEYS)
		return unknown(member, err);
	if (given(envelope, (enum key)key))
		return ym_fail(err, YM_ERR_USAGE, "%s is there twice", keys[key].name);
	if (member->value->type == YM_TYPE_NULL && key != KEY_payload)
		return 0;
	envelope->given |= 1u << key;
	shown = *member->value;
	result = keys[key].set(envelope, member, err);
	if (result != WRONG)
		return result;
	/* A string that a setter took and then did not like is still in the envelope. */
	return wrong(key, &shown, err);
}

/* ---- all together ---------------------------------------------------------------------------- */

/* A file that cannot be read now: is it the message's fault, or can it be read another time? */
static int cannot_read(const char *path, int sys, struct ym_err *err)
{
	ym_fail_sys(err, sys, "open(\"%s\") for the payload", path);
	if (err && sys != EMFILE && sys != ENFILE && sys != ENOMEM && sys != EIO)
		err->class = YM_ERR_USAGE;
	return -1;
}

static int open_file(struct envelope *envelope, struct ym_err *err)
{
	char path[CFG_EXCERPT_MAX];
	/* Non-blocking: nobody may write to a FIFO. */
	int fd = open(envelope->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	cfg_excerpt(envelope->file, path);
	if (fd < 0)
		return cannot_read(path, errno, err);
	envelope->request.payload.fd = fd;
	if (fstat(fd, &st) < 0)
		return cannot_read(path, errno, err);
	if (!S_ISREG(st.st_mode))
		return ym_fail(err, YM_ERR_USAGE, "file: \"%s\" is no regular file", path);
	envelope->request.payload.data = NULL;
	envelope->request.payload.size = PAYLOAD_TO_END;
	return 0;
}

int envelope_complete(struct envelope *envelope, bool files, struct ym_err *err)
{
	if (given(envelope, KEY_delay) && given(envelope, KEY_at))
		return ym_fail(err, YM_ERR_USAGE, "delay and at are both there: give one of them");
	if (given(envelope, KEY_reply_type) && !given(envelope, KEY_reply))
		return ym_fail(err, YM_ERR_USAGE, "reply_type without reply: which queue?");
	if (!given(envelope, KEY_file))
		return 0;
	if (!envelope->null)
		return ym_fail(err, YM_ERR_USAGE, "payload has to be null when file gives it");
	if (!files)
		return ym_fail(err, YM_ERR_USAGE,
		               "file: others than the owner may send to this inbox, so it takes no files: they could "
		               "have the master read what they may not. Take the write permission for others away, or "
		               "use `yardmaster submit --file`");
	return open_file(envelope, err);
}
