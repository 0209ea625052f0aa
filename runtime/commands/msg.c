/* msg.c - `yardmaster msg ...`: message queues, shared with PHP's msg_send() and msg_receive(). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../ipc/queue.h"
#include "../../ipc/serialize.h"
#include "../json.h"
#include "../typed.h"
#include "msg.h"

#define MODE_DEFAULT 0600
#define READ_CHUNK   65536

int msg_open(const struct args *args, key_t *key, int *id, struct ym_err *err)
{
	if (args_key(args, 0, key, err) < 0)
		return -1;
	if (ym_queue_open(*key, id, err) == 0)
		return 0;
	if (err->class == YM_ERR_NO)
		ym_fail(err, YM_ERR_NO, "there is no queue of key 0x%08x: make one with `yardmaster msg get %.200s`",
		        (unsigned)*key, args->rest[0]);
	return -1;
}

int msg_deadline(const struct args *args, uint64_t *deadline, struct ym_err *err)
{
	int64_t wait;

	if (args_flag(args, "no-wait") && args_flag(args, "wait"))
		return ym_fail(err, YM_ERR_USAGE, "--wait and --no-wait contradict each other: give one of them");
	if (args_duration(args, "wait", -1, &wait, err) < 0)
		return -1;
	*deadline = args_flag(args, "no-wait") ? 0 : ym_deadline(wait);
	return 0;
}

/* ---- state ----------------------------------------------------------------------------------- */

static void print_json_state(key_t key, int id, const struct ym_queue_stat *stat)
{
	struct json json = {.to = stdout};
	char mode[8];

	snprintf(mode, sizeof(mode), "%03o", (unsigned)stat->mode & 0777u);
	json_open(&json, NULL, '{');
	json_put_int(&json, "key", key);
	json_put_int(&json, "id", id);
	json_put_uint(&json, "messages", stat->messages);
	json_put_uint(&json, "bytes", stat->bytes);
	json_put_uint(&json, "capacity", stat->capacity);
	json_put_int(&json, "last_sender", stat->last_sender);
	json_put_int(&json, "last_receiver", stat->last_receiver);
	json_put_int(&json, "sent", stat->sent);
	json_put_int(&json, "received", stat->received);
	json_put_int(&json, "changed", stat->changed);
	json_put_uint(&json, "uid", stat->uid);
	json_put_uint(&json, "gid", stat->gid);
	json_put_uint(&json, "cuid", stat->cuid);
	json_put_string(&json, "mode", mode);
	json_close(&json, '}');
	putchar('\n');
}

static int show(key_t key, int id, bool as_json, struct ym_err *err)
{
	struct ym_queue_stat stat;

	if (ym_queue_stat(id, &stat, err) < 0)
		return -1;
	if (as_json) {
		print_json_state(key, id, &stat);
		return 0;
	}
	printf("queue 0x%08x (id %d): %llu messages, %llu of %llu bytes, owner uid %u gid %u, mode %03o", (unsigned)key,
	       id, (unsigned long long)stat.messages, (unsigned long long)stat.bytes, (unsigned long long)stat.capacity,
	       (unsigned)stat.uid, (unsigned)stat.gid, (unsigned)stat.mode & 0777u);
	if (stat.last_sender)
		printf(", last sent by process %d", stat.last_sender);
	if (stat.last_receiver)
		printf(", last received by process %d", stat.last_receiver);
	putchar('\n');
	return 0;
}

static int get(const struct args *args)
{
	struct ym_err err;
	mode_t mode;
	key_t key;
	int id;

	if (args_key(args, 0, &key, &err) < 0 || args_mode(args, "mode", MODE_DEFAULT, &mode, &err) < 0 ||
	    ym_queue_get(key, mode, &id, &err) < 0 || show(key, id, false, &err) < 0)
		return command_fail(&err);
	return 0;
}

static const struct option_row get_options[] = {
    {"mode", 0, "OCTAL", "permissions of a new one (default 600; PHP's default is 666)"},
    {0},
};
static const struct command command_get = {
    .verb = "get",
    .usage = "KEY [OPTIONS]",
    .summary = "make a queue if there is none; prints its state",
    .text = KEY_HELP "\n\nexample: yardmaster msg get name:mails",
    .options = get_options,
    .least = 1,
    .most = 1,
    .run = get,
};

static int show_stat(const struct args *args)
{
	struct ym_err err;
	key_t key;
	int id;

	if (msg_open(args, &key, &id, &err) < 0 || show(key, id, args_flag(args, "json"), &err) < 0)
		return command_fail(&err);
	return 0;
}

static const struct option_row stat_options[] = {{"json", 0, NULL, "print one object; times in seconds since 1970"},
                                                 {0}};
static const struct command command_stat = {
    .verb = "stat",
    .usage = "KEY [OPTIONS]",
    .summary = "messages, bytes, capacity, owner, last sender and receiver",
    .text = KEY_HELP "\n\nexample: yardmaster msg stat name:mails --json",
    .options = stat_options,
    .least = 1,
    .most = 1,
    .run = show_stat,
};

static int set(const struct args *args)
{
	struct ym_queue_change change = {.mode = -1};
	struct ym_err err;
	mode_t mode;
	key_t key;
	int id;

	if (args_int(args, "capacity", 0, INT64_MAX, -1, &change.capacity, &err) < 0 ||
	    args_int(args, "uid", 0, UINT32_MAX - 1, -1, &change.uid, &err) < 0 ||
	    args_int(args, "gid", 0, UINT32_MAX - 1, -1, &change.gid, &err) < 0 ||
	    args_mode(args, "mode", 0, &mode, &err) < 0)
		return command_fail(&err);
	if (args_flag(args, "mode"))
		change.mode = (int64_t)mode;
	if (change.capacity < 0 && change.uid < 0 && change.gid < 0 && change.mode < 0) {
		ym_fail(&err, YM_ERR_USAGE, "nothing to set: give --capacity, --mode, --uid or --gid");
		return command_fail(&err);
	}
	if (msg_open(args, &key, &id, &err) < 0 || ym_queue_set(id, &change, &err) < 0 ||
	    show(key, id, false, &err) < 0)
		return command_fail(&err);
	return 0;
}

static const struct option_row set_options[] = {
    {"capacity", 0, "BYTES", "room for messages; more than the sysctl kernel.msgmnb: root only"},
    {"mode", 0, "OCTAL", "permissions"},
    {"uid", 0, "NUMBER", "owner"},
    {"gid", 0, "NUMBER", "group"},
    {0},
};
static const struct command command_set = {
    .verb = "set",
    .usage = "KEY OPTIONS",
    .summary = "change capacity, permissions or owner of a queue; prints its state",
    .text = KEY_HELP "\n\nexample: yardmaster msg set name:mails --capacity 65536 --mode 660",
    .options = set_options,
    .least = 1,
    .most = 1,
    .run = set,
};

static int remove_queue(const struct args *args)
{
	struct ym_queue_stat stat;
	struct ym_err err;
	key_t key;
	int id;

	if (msg_open(args, &key, &id, &err) < 0)
		return command_fail(&err);
	/* Who may not read it may still remove it, and then nobody can say how much was in it. */
	if (ym_queue_stat(id, &stat, NULL) < 0)
		stat.messages = 0;
	if (ym_queue_remove(id, &err) < 0)
		return command_fail(&err);
	printf("queue 0x%08x (id %d) removed", (unsigned)key, id);
	if (stat.messages)
		printf(" with %llu message%s in it", (unsigned long long)stat.messages, stat.messages == 1 ? "" : "s");
	putchar('\n');
	return 0;
}

static const struct option_row rm_options[] = {{0}};
static const struct command command_rm = {
    .verb = "rm",
    .usage = "KEY",
    .summary = "remove a queue with everything in it; who waits on it gets an error",
    .text = KEY_HELP "\n\nexample: yardmaster msg rm name:mails",
    .options = rm_options,
    .least = 1,
    .most = 1,
    .run = remove_queue,
};

/* ---- sending --------------------------------------------------------------------------------- */

static int read_stdin(struct ym_buffer *out, struct ym_err *err)
{
	size_t most = ym_queue_message_max();

	while (out->length <= most) {
		char *room = ym_buffer_room(out, READ_CHUNK, err);
		ssize_t got = room ? read(STDIN_FILENO, room, READ_CHUNK) : 0;

		if (!room)
			return -1;
		if (got == 0)
			return 0;
		if (got < 0 && errno != EINTR)
			return ym_fail_sys(err, errno, "read() of the message from stdin");
		out->length += got > 0 ? (size_t)got : 0;
	}
	return ym_fail(err, YM_ERR_LIMIT,
	               "the message from stdin is longer than %zu bytes, which the sysctl kernel.msgmax allows", most);
}

/* The bytes to send: as they are given, or in PHP's format. */
static int read_message(const struct args *args, struct ym_buffer *out, struct ym_err *err)
{
	const char *text = args->rest[2];
	bool from_stdin = strcmp(text, "-") == 0;
	struct ym_buffer raw;
	struct ym_value string;
	int result;

	if (args_flag(args, "php") && args_flag(args, "value"))
		return ym_fail(err, YM_ERR_USAGE, "--php sends a string, --value any value: give one of them");
	if (args_flag(args, "value"))
		return typed_encode(text, out, err);
	if (!args_flag(args, "php"))
		return from_stdin ? read_stdin(out, err) : ym_buffer_add(out, text, strlen(text), err);
	ym_buffer_init(&raw, NULL, 0);
	result = from_stdin ? read_stdin(&raw, err) : ym_buffer_add(&raw, text, strlen(text), err);
	if (result == 0)
		result = ym_value_string(&string, raw.bytes, raw.length, err);
	ym_buffer_free(&raw);
	if (result == 0) {
		result = ym_serialize(&string, out, err);
		ym_value_free(&string);
	}
	return result;
}

static int send_message(const struct args *args)
{
	struct ym_buffer message;
	struct ym_err err;
	uint64_t deadline;
	int64_t type;
	int id, result;
	key_t key;

	if (args_number(args, 1, "TYPE", 1, INT64_MAX, &type, &err) < 0 || msg_deadline(args, &deadline, &err) < 0 ||
	    msg_open(args, &key, &id, &err) < 0)
		return command_fail(&err);
	ym_buffer_init(&message, NULL, 0);
	result = read_message(args, &message, &err);
	if (result == 0)
		result = ym_queue_send_bytes(id, type, message.bytes, message.length, deadline, &err);
	ym_buffer_free(&message);
	return result < 0 ? command_fail(&err) : 0;
}

static const struct option_row send_options[] = {
    {"php", 'p', NULL, "send the string serialize()d, as PHP's msg_send() does by default"},
    {"value", 'v', NULL, "the message is a value with its type (see above), sent serialize()d"},
    MSG_WAIT_OPTIONS,
    {0},
};
static const struct command command_send = {
    .verb = "send",
    .usage = "KEY TYPE MESSAGE|- [OPTIONS]",
    .summary = "send a message, waiting for room if the queue is full",
    .text = KEY_HELP "\nTYPE is a number from 1 on. The message is the argument, or stdin for \"-\", byte for byte;\n"
		     "without any it is empty. The queue has to exist (see `msg get`).\n"
		     "With --value:\n" TYPED_HELP "\n\n"
		     "example: yardmaster msg send name:mails 1 \"to: somebody\" --wait 5s\n"
		     "         yardmaster msg send name:mails 1 --value 'json:{\"to\": \"somebody\", \"tries\": 3}'",
    .options = send_options,
    .least = 3,
    .most = 3,
    .run = send_message,
};

static const struct command *const subcommands[] = {
    &command_get, &command_send, &command_msg_recv, &command_msg_peek, &command_stat, &command_set, &command_rm, NULL,
};

const struct command command_msg = {
    .verb = "msg",
    .usage = "COMMAND KEY ...",
    .summary = "message queues, shared with PHP's msg_send() and msg_receive()",
    .text = KEY_HELP,
    .group = COMMAND_GROUP_IPC,
    .subcommands = subcommands,
};
