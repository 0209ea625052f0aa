/* msg_receive.c - `yardmaster msg recv` and `yardmaster msg peek`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../../ipc/queue.h"
#include "../../ipc/serialize.h"
#include "../json.h"
#include "../typed.h"
#include "msg.h"

#define PREVIEW_COLUMNS 80

#define DECODE_OPTION                                                                                                  \
	{                                                                                                              \
		"php", 'p', NULL, "the message is serialize()d, as PHP sends it by default: print the value"           \
	}

struct message {
	int64_t index; /* in the queue; -1: taken out of it */
	long type;
	struct ym_buffer bytes;
};

/* The value of a message; with --php what its bytes mean. A message that means nothing is a string of its bytes. */
static int decode(const struct message *message, bool php, struct ym_value *value, struct ym_err *err)
{
	int result = php ? ym_unserialize(message->bytes.bytes, message->bytes.length, value, NULL, err) : 0;

	if (php && result == 0)
		return 0;
	if (ym_value_string(value, message->bytes.bytes, message->bytes.length, result == 0 ? err : NULL) < 0)
		return -1;
	return result;
}

static void print_json_message(const struct message *message, const struct ym_value *value, const struct ym_err *bad)
{
	struct json json = {.to = stdout};

	json_open(&json, NULL, '{');
	if (message->index >= 0)
		json_put_int(&json, "index", message->index);
	json_put_int(&json, "type", message->type);
	json_put_uint(&json, "size", message->bytes.length);
	json_put_value(&json, "message", value, NULL);
	if (bad)
		json_put_string(&json, "error", bad->text);
	json_close(&json, '}');
	putchar('\n');
}

static void print_line(const struct message *message, const struct ym_value *value)
{
	printf("%6lld  type %-6ld %6zu bytes  ", (long long)message->index, message->type, message->bytes.length);
	typed_preview(stdout, value, PREVIEW_COLUMNS, NULL);
	putchar('\n');
}

static void print_plain(const struct message *message, const struct ym_value *value, bool decoded)
{
	size_t size = message->bytes.length;

	if (decoded) {
		typed_print(stdout, value, 0, NULL);
		putchar('\n');
		return;
	}
	fwrite(message->bytes.bytes, 1, size, stdout);
	/* A text on a terminal ends with a newline; bytes for another program are left as they are. */
	if (size > 0 && message->bytes.bytes[size - 1] != '\n' && isatty(STDOUT_FILENO))
		putchar('\n');
}

/* What was taken out of the queue exists nowhere else: tell when it got lost on the way out. */
static int check_output(struct ym_err *err)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return ym_fail(err, YM_ERR_SYSTEM, "write() of a message to stdout: %s", strerror(errno));
}

/* To the end of the queue: better out of turn than lost. */
static void give_back(int id, const struct message *message)
{
	struct ym_err err;

	if (ym_queue_send_bytes(id, message->type, message->bytes.bytes, message->bytes.length, 0, &err) == 0)
		fprintf(stderr, "yardmaster: the message is back in its queue, at the end\n");
	else
		fprintf(stderr, "yardmaster: the message of type %ld, %zu bytes, is lost: %s\n", message->type,
		        message->bytes.length, err.text);
}

/* Returns the exit code. What cannot be decoded is printed as it is, for it may be in no queue any more. */
static int print_message(const struct args *args, const struct message *message, bool in_list)
{
	bool php = args_flag(args, "php");
	struct ym_value value;
	struct ym_err err;
	int result = decode(message, php, &value, &err);

	if (args_flag(args, "json"))
		print_json_message(message, &value, result < 0 ? &err : NULL);
	else if (in_list)
		print_line(message, &value);
	else
		print_plain(message, &value, php && result == 0);
	ym_value_free(&value);
	if (result < 0) {
		fflush(stdout);
		ym_err_prefix(&err, "the message of type %ld, %zu bytes, is not serialize()d", message->type,
		              message->bytes.length);
		return command_fail(&err);
	}
	return check_output(&err) < 0 ? command_fail(&err) : 0;
}

static int receive(const struct args *args)
{
	struct message message = {.index = -1};
	int64_t type = 0, max;
	unsigned flags =
	    (args_flag(args, "except") ? YM_QUEUE_EXCEPT : 0) | (args_flag(args, "truncate") ? YM_QUEUE_TRUNCATE : 0);
	bool wait = !args_flag(args, "no-wait");
	struct ym_err err;
	uint64_t deadline;
	int id, result;
	key_t key;

	if ((args->nrest > 1 && args_number(args, 1, "TYPE", INT64_MIN, INT64_MAX, &type, &err) < 0) ||
	    args_int(args, "max", 1, INT32_MAX, 0, &max, &err) < 0 || msg_deadline(args, &deadline, &err) < 0 ||
	    msg_open(args, &key, &id, &err) < 0)
		return command_fail(&err);
	if (flags & YM_QUEUE_EXCEPT && type <= 0) {
		ym_fail(&err, YM_ERR_USAGE, "--except needs a TYPE from 1 on: the one that is left in the queue");
		return command_fail(&err);
	}
	if (fcntl(STDOUT_FILENO, F_GETFD) < 0) {
		ym_fail(&err, YM_ERR_USAGE, "stdout is closed: there is nowhere to put a message");
		return command_fail(&err);
	}
	ym_buffer_init(&message.bytes, NULL, 0);
	result = ym_queue_receive(id, type, (size_t)max, flags, deadline, &message.bytes, &message.type, &err);
	if (result == 1)
		ym_fail(&err, wait ? YM_ERR_TIMEOUT : YM_ERR_NO, "queue 0x%08x: no %smessage%s", (unsigned)key,
		        type ? "such " : "", wait ? " came in time" : "");
	result = result == 0 ? print_message(args, &message, false) : command_fail(&err);
	if (ferror(stdout))
		give_back(id, &message);
	ym_buffer_free(&message.bytes);
	return result;
}

static const struct option_row receive_options[] = {
    {"except", 'x', NULL, "the oldest of any type but TYPE"},
    {"truncate", 0, NULL, "cut a message longer than --max off; otherwise it stays in the queue (exit code 4)"},
    {"max", 0, "BYTES", "the longest message to take (default: whatever the queue can hold)"},
    MSG_WAIT_OPTIONS,
    DECODE_OPTION,
    {"json", 0, NULL, "print {\"type\": ..., \"size\": ..., \"message\": ...}"},
    {0},
};
const struct command command_msg_recv = {
    .verb = "recv",
    .usage = "KEY [TYPE] [OPTIONS]",
    .summary = "take a message out of a queue and print it, waiting for one if there is none",
    .text =
	KEY_HELP "\nTYPE 0 (default): the oldest; N: the oldest of type N; -N: the oldest of the lowest type up to N.\n"
		 "The bytes are printed as they are. A message that --php cannot decode is printed, too, as it is,\n"
		 "and the exit code is 4.\n\n"
		 "example: yardmaster msg recv name:mails -3 --wait 10s --json",
    .options = receive_options,
    .least = 1,
    .most = 2,
    .run = receive,
};

static int peek_all(const struct args *args, int id)
{
	struct message message;
	struct ym_err err;
	int result = 0, code = 0;

	for (message.index = 0; result == 0; message.index++) {
		ym_buffer_init(&message.bytes, NULL, 0);
		result = ym_queue_peek(id, (uint64_t)message.index, &message.bytes, &message.type, &err);
		if (result == 0) {
			int one = print_message(args, &message, true);

			code = one > code ? one : code;
		}
		ym_buffer_free(&message.bytes);
	}
	return result < 0 ? command_fail(&err) : code;
}

static int peek(const struct args *args)
{
	struct message message = {.index = 0};
	struct ym_err err;
	int id, result;
	key_t key;

	if (args->nrest > 1 && args_flag(args, "all")) {
		ym_fail(&err, YM_ERR_USAGE, "INDEX means one message, --all means all: give one of them");
		return command_fail(&err);
	}
	if ((args->nrest > 1 && args_number(args, 1, "INDEX", 0, INT64_MAX, &message.index, &err) < 0) ||
	    msg_open(args, &key, &id, &err) < 0)
		return command_fail(&err);
	if (args_flag(args, "all"))
		return peek_all(args, id);
	ym_buffer_init(&message.bytes, NULL, 0);
	result = ym_queue_peek(id, (uint64_t)message.index, &message.bytes, &message.type, &err);
	if (result == 1)
		ym_fail(&err, YM_ERR_NO, "queue 0x%08x has no message number %lld", (unsigned)key,
		        (long long)message.index);
	result = result == 0 ? print_message(args, &message, false) : command_fail(&err);
	ym_buffer_free(&message.bytes);
	return result;
}

static const struct option_row peek_options[] = {
    {"all", 'a', NULL, "all messages, a line each"},
    DECODE_OPTION,
    {"json", 0, NULL, "print {\"index\": ..., \"type\": ..., \"size\": ..., \"message\": ...}; with --all a line each"},
    {0},
};
const struct command command_msg_peek = {
    .verb = "peek",
    .usage = "KEY [INDEX] [OPTIONS]",
    .summary = "print a message and leave it in the queue",
    .text = KEY_HELP "\nINDEX counts from 0, the oldest (default).\n\nexample: yardmaster msg peek name:mails --all",
    .options = peek_options,
    .least = 1,
    .most = 2,
    .run = peek,
};
