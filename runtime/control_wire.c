/* control_wire.c - requests and answers of the control socket as bytes. */
#include "control_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

/* Room that control_end() needs. */
#define END_MAX 256

int control_address(const char *directory, struct sockaddr_un *address, struct ym_err *err)
{
	int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return ym_fail_sys(err, errno, "open(\"%s\") for the control socket in it", directory);
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/" CONTROL_NAME, fd);
	return fd;
}

/* ---- requests --------------------------------------------------------------------------------- */

/* Append the strings of a list to the message's own. */
static int take_list(struct control_message *message, size_t *used, const char *key, const char *const **list,
                     size_t *count, struct ym_err *err)
{
	json_t *array = json_object_get(message->json, key), *item;
	size_t i;

	*list = message->list + *used;
	*count = json_array_size(array);
	if (array && !json_is_array(array))
		return ym_fail(err, YM_ERR_USAGE, "\"%s\" of a request is a list of strings", key);
	json_array_foreach(array, i, item)
	{
		if (!json_is_string(item))
			return ym_fail(err, YM_ERR_USAGE, "\"%s\" of a request is a list of strings", key);
		message->list[(*used)++] = json_string_value(item);
	}
	return 0;
}

static int take(struct control_message *message, struct ym_err *err)
{
	struct control_request *request = &message->request;
	size_t used = 0, most;
	const char *key;
	json_t *value;

	if (!json_is_object(message->json))
		return ym_fail(err, YM_ERR_USAGE, "a request is a JSON object");
	/* A newer client could mean something by it. */
	json_object_foreach(message->json, key, value)
	{
		if (strcmp(key, "verb") != 0 && strcmp(key, "args") != 0 && strcmp(key, "flags") != 0)
			return ym_fail(err, YM_ERR_USAGE,
			               "\"%.80s\" in a request is not known to this master (version %s)", key,
			               YM_VERSION);
	}
	request->verb = json_string_value(json_object_get(message->json, "verb"));
	if (!request->verb)
		return ym_fail(err, YM_ERR_USAGE, "a request needs a \"verb\", a string");
	most = json_array_size(json_object_get(message->json, "args")) +
	       json_array_size(json_object_get(message->json, "flags"));
	message->list = malloc((most + 1) * sizeof(*message->list));
	if (!message->list)
		return ym_fail_sys(err, ENOMEM, "malloc() for %zu words of a request", most);
	if (take_list(message, &used, "args", &request->args, &request->nargs, err) < 0)
		return -1;
	return take_list(message, &used, "flags", &request->flags, &request->nflags, err);
}

int control_parse(const char *line, size_t length, struct control_message *message, struct ym_err *err)
{
	json_error_t why;

	*message = (struct control_message){.json = json_loadb(line, length, JSON_REJECT_DUPLICATES, &why)};
	if (!message->json)
		return ym_fail(err, YM_ERR_USAGE, "a request is one line of JSON: %s, at byte %d", why.text,
		               why.position);
	if (take(message, err) == 0)
		return 0;
	control_message_free(message);
	return -1;
}

void control_message_free(struct control_message *message)
{
	free(message->list);
	json_decref(message->json);
	*message = (struct control_message){0};
}

bool control_flag(const struct control_request *request, const char *flag)
{
	for (size_t i = 0; i < request->nflags; i++)
		if (strcmp(request->flags[i], flag) == 0)
			return true;
	return false;
}

/* Write one line of JSON by `put` and add it to the buffer, if it does not get longer than `most`: 0; 1 too long. */
static int add_line(struct ym_buffer *to, size_t most, void (*put)(struct json *json, const void *arg), const void *arg,
                    struct ym_err *err)
{
	char *text = NULL;
	size_t size = 0;
	struct json json = {.to = open_memstream(&text, &size)};
	int result;

	if (!json.to)
		return ym_fail_sys(err, errno, "open_memstream() for a line of JSON");
	json_open(&json, NULL, '{');
	put(&json, arg);
	json_close(&json, '}');
	fputc('\n', json.to);
	if (fclose(json.to) != 0) {
		free(text);
		return ym_fail_sys(err, ENOMEM, "a line of JSON");
	}
	result = to->length + size > most ? 1 : ym_buffer_add(to, text, size, err);
	free(text);
	return result;
}

static void put_list(struct json *json, const char *key, const char *const *list, size_t count)
{
	json_open(json, key, '[');
	for (size_t i = 0; i < count; i++)
		json_put_string(json, NULL, list[i]);
	json_close(json, ']');
}

static void put_request(struct json *json, const void *arg)
{
	const struct control_request *request = arg;

	json_put_string(json, "verb", request->verb);
	put_list(json, "args", request->args, request->nargs);
	put_list(json, "flags", request->flags, request->nflags);
}

int control_write(const struct control_request *request, struct ym_buffer *line, struct ym_err *err)
{
	int result = add_line(line, CONTROL_REQUEST_MAX, put_request, request, err);

	if (result == 1)
		return ym_fail(err, YM_ERR_USAGE, "%s: its arguments take more than the %d bytes of a request",
		               request->verb, CONTROL_REQUEST_MAX);
	return result;
}

/* ---- answers ---------------------------------------------------------------------------------- */

static void reply_line(struct control_reply *reply, size_t most, void (*put)(struct json *json, const void *arg),
                       const void *arg)
{
	int result = add_line(&reply->bytes, most, put, arg, NULL);

	reply->cut |= result == 1;
	reply->broken |= result < 0;
}

struct text {
	const char *key;
	char *text;
};

static void put_text(struct json *json, const void *arg)
{
	const struct text *text = arg;

	json_put_string(json, text->key, text->text);
}

/* After the first line that finds no room there are no shorter ones: the answer has no holes. */
static void reply_text(struct control_reply *reply, const char *key, const char *fmt, va_list list)
{
	struct text text = {.key = key};

	if (reply->cut)
		return;
	if (vasprintf(&text.text, fmt, list) < 0) {
		reply->broken = true;
		return;
	}
	reply_line(reply, CONTROL_ANSWER_MAX - END_MAX, put_text, &text);
	free(text.text);
}

void control_say(struct control_reply *reply, const char *fmt, ...)
{
	va_list list;

	va_start(list, fmt);
	reply_text(reply, "out", fmt, list);
	va_end(list);
}

void control_refuse(struct control_reply *reply, enum ym_err_class which, const char *fmt, ...)
{
	va_list list;

	if (!reply->code)
		reply->code = ym_err_exit_code(which);
	va_start(list, fmt);
	reply_text(reply, "err", fmt, list);
	va_end(list);
}

static void put_pong(struct json *json, const void *arg)
{
	const struct control_pong *pong = arg;

	json_put_string(json, "version", pong->version);
	json_put_int(json, "pid", pong->pid);
	json_put_uint(json, "since", pong->since);
}

void control_pong(struct control_reply *reply, const struct control_pong *pong)
{
	reply_line(reply, CONTROL_ANSWER_MAX, put_pong, pong);
}

static void put_exit(struct json *json, const void *arg)
{
	json_put_int(json, "exit", *(const int *)arg);
}

void control_end(struct control_reply *reply)
{
	const struct text rest = {"err", (char[]){"the answer is too long: the rest of it is left out"}};

	if (reply->cut)
		reply_line(reply, CONTROL_ANSWER_MAX, put_text, &rest);
	reply_line(reply, CONTROL_ANSWER_MAX, put_exit, &reply->code);
}
