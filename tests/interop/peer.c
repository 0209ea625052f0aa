/*
 * peer.c - a C program that does with semaphores, queues, variables and groups what it is told, line by line; peer.php,
 * peer.pl and peer.py understand the same words. It is built like a user's program, against <yardmaster/ipc.h>.
 *
 * A line is a verb, the name of a handle ("one", "q"), and arguments; the answer is one line. Bytes travel as hex
 * digits behind an x, so that an empty string has a word, too. Whatever fails is answered with "error TEXT".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yardmaster/ipc.h>

#define WORDS_MAX 6
#define NAMES_MAX 8
#define WAIT_MS   10000

static struct handle {
	char name[16];
	struct ym_sem sem;
	struct ym_vars vars;
	struct ym_group group;
	int queue;
	char *directory;
} handles[NAMES_MAX];

static struct ym_err err;

/* ---- words and bytes ------------------------------------------------------------------------- */

static struct handle *handle_of(const char *name)
{
	for (size_t i = 0; i < NAMES_MAX; i++) {
		if (handles[i].name[0] == '\0')
			snprintf(handles[i].name, sizeof(handles[i].name), "%s", name);
		if (strcmp(handles[i].name, name) == 0)
			return &handles[i];
	}
	fprintf(stderr, "too many handles\n");
	exit(2);
}

static long number(const char *word)
{
	return strtol(word, NULL, 0);
}

static key_t key_of(const char *word)
{
	return (key_t)(uint32_t)number(word);
}

/* The bytes of a word, in its place; returns how many. */
static size_t from_hex(char *word)
{
	size_t length = strlen(word + 1) / 2;
	unsigned byte;

	for (size_t i = 0; i < length; i++) {
		sscanf(word + 1 + 2 * i, "%2x", &byte);
		word[i] = (char)byte;
	}
	return length;
}

static void print_hex(const char *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	putchar('x');
	for (size_t i = 0; i < length; i++) {
		putchar(digits[(unsigned char)bytes[i] >> 4]);
		putchar(digits[bytes[i] & 15]);
	}
}

static int say(const char *word)
{
	fputs(word, stdout);
	return 0;
}

/* ---- semaphores ------------------------------------------------------------------------------ */

static int sem_get(struct handle *h, char **word)
{
	if (ym_sem_get(&h->sem, key_of(word[0]), (int)number(word[1]), 0666, ym_deadline(WAIT_MS), &err) < 0)
		return -1;
	return say(h->sem.alone ? "alone" : "joined");
}

static int sem_try(struct handle *h, char **word)
{
	int busy = ym_sem_try(&h->sem, &err);

	(void)word;
	return busy < 0 ? -1 : say(busy ? "busy" : "taken");
}

static int sem_acquire(struct handle *h, char **word)
{
	(void)word;
	return ym_sem_acquire(&h->sem, YM_NEVER, &err) < 0 ? -1 : say("taken");
}

static int sem_release(struct handle *h, char **word)
{
	(void)word;
	return ym_sem_release(&h->sem, &err) < 0 ? -1 : say("ok");
}

static int sem_close(struct handle *h, char **word)
{
	(void)word;
	ym_sem_close(&h->sem);
	return say("ok");
}

static int sem_remove(struct handle *h, char **word)
{
	(void)word;
	return ym_sem_remove(h->sem.id, &err) < 0 ? -1 : say("ok");
}

/* Read the number in a file and write the next one, each time under one unit. */
static int sem_count(struct handle *h, char **word)
{
	FILE *file = fopen(word[0], "r+");
	long n = 0;

	if (!file)
		return ym_fail(&err, YM_ERR_SYSTEM, "no file %s", word[0]);
	setbuf(file, NULL);
	for (long i = number(word[1]); i > 0; i--) {
		if (ym_sem_acquire(&h->sem, YM_NEVER, &err) < 0)
			return -1;
		rewind(file);
		if (fscanf(file, "%ld", &n) != 1)
			return ym_fail(&err, YM_ERR_SYSTEM, "no number in %s", word[0]);
		rewind(file);
		fprintf(file, "%ld\n", n + 1);
		if (ym_sem_release(&h->sem, &err) < 0)
			return -1;
	}
	fclose(file);
	return say("ok");
}

/* ---- queues ---------------------------------------------------------------------------------- */

static int queue(struct handle *h, char **word)
{
	return ym_queue_get(key_of(word[0]), 0666, &h->queue, &err) < 0 ? -1 : say("ok");
}

static int queue_send(struct handle *h, char **word)
{
	size_t length = from_hex(word[1]);
	uint64_t deadline = strcmp(word[2], "wait") == 0 ? YM_NEVER : 0;

	if (ym_queue_send_bytes(h->queue, number(word[0]), word[1], length, deadline, &err) == 0)
		return say("sent");
	return err.class == YM_ERR_FULL ? say("full") : -1;
}

/* A value, not serialize()d, as PHP's msg_send() does it when told so. */
static int queue_say(struct handle *h, char **word)
{
	size_t length = from_hex(word[1]);
	struct ym_value value;
	int result;

	if (ym_unserialize(word[1], length, &value, NULL, &err) < 0)
		return -1;
	result = ym_queue_send_value(h->queue, number(word[0]), &value, true, 0, &err);
	ym_value_free(&value);
	return result < 0 ? -1 : say("sent");
}

static int queue_receive(struct handle *h, char **word)
{
	struct ym_buffer buffer;
	long got;
	int result;

	ym_buffer_init(&buffer, NULL, 0);
	result = ym_queue_receive(h->queue, number(word[0]), (size_t)number(word[1]), (unsigned)number(word[2]),
	                          YM_NEVER, &buffer, &got, &err);
	if (result == 0) {
		printf("got %ld ", got);
		print_hex(buffer.bytes, buffer.length);
	}
	ym_buffer_free(&buffer);
	return result == 1 ? say("none") : result;
}

/* Send each message of type 1 back as type 2. */
static int queue_relay(struct handle *h, char **word)
{
	struct ym_buffer buffer;
	long got;
	int result = 0;

	ym_buffer_init(&buffer, NULL, 0);
	for (long i = number(word[0]); i > 0 && result == 0; i--) {
		result = ym_queue_receive(h->queue, 1, 0, 0, YM_NEVER, &buffer, &got, &err);
		if (result == 0)
			result = ym_queue_send_bytes(h->queue, 2, buffer.bytes, buffer.length, YM_NEVER, &err);
	}
	ym_buffer_free(&buffer);
	return result < 0 ? -1 : say("ok");
}

static int queue_remove(struct handle *h, char **word)
{
	(void)word;
	return ym_queue_remove(h->queue, &err) < 0 ? -1 : say("ok");
}

/* ---- variables ------------------------------------------------------------------------------- */

static int vars_attach(struct handle *h, char **word)
{
	if (ym_vars_attach(&h->vars, key_of(word[0]), (size_t)number(word[1]), 0666, 0, &err) < 0)
		return -1;
	printf("%zu", h->vars.size);
	return 0;
}

static int vars_detach(struct handle *h, char **word)
{
	(void)word;
	ym_vars_detach(&h->vars);
	return say("ok");
}

static int vars_destroy(struct handle *h, char **word)
{
	(void)word;
	return ym_vars_destroy(&h->vars, false, &err) < 0 ? -1 : say("ok");
}

/* Through a value, so that it is serialize()d here. */
static int vars_put(struct handle *h, char **word)
{
	size_t length = from_hex(word[1]);
	struct ym_value value;
	int result;

	if (ym_unserialize(word[1], length, &value, NULL, &err) < 0)
		return -1;
	result = ym_vars_put(&h->vars, number(word[0]), &value, &err);
	ym_value_free(&value);
	if (result < 0)
		return err.class == YM_ERR_FULL ? say("full") : -1;
	return say("ok");
}

/* The serialized value: all of it, or its length and crc32. */
static int show(struct handle *h, const char *variable, bool all)
{
	struct ym_buffer buffer;
	struct ym_value value;
	int result = ym_vars_get(&h->vars, number(variable), &value, &err);

	if (result != 0)
		return result < 0 ? -1 : say("missing");
	ym_buffer_init(&buffer, NULL, 0);
	result = ym_serialize(&value, &buffer, &err);
	if (result == 0 && all) {
		fputs("value ", stdout);
		print_hex(buffer.bytes, buffer.length);
	} else if (result == 0) {
		printf("%zu bytes %" PRIu32, buffer.length, ym_crc32(buffer.bytes, buffer.length));
	}
	ym_buffer_free(&buffer);
	ym_value_free(&value);
	return result;
}

static int vars_fetch(struct handle *h, char **word)
{
	return show(h, word[0], true);
}

static int vars_sum(struct handle *h, char **word)
{
	return show(h, word[0], false);
}

static int vars_has(struct handle *h, char **word)
{
	int has = ym_vars_has(&h->vars, number(word[0]), &err);

	return has < 0 ? -1 : say(has ? "yes" : "no");
}

static int vars_drop(struct handle *h, char **word)
{
	int missing = ym_vars_remove(&h->vars, number(word[0]), &err);

	return missing < 0 ? -1 : say(missing ? "missing" : "ok");
}

/* All variables, in their order. */
static int vars_walk(struct handle *h, char **word)
{
	struct ym_var var = {0};
	int result;

	(void)word;
	fputs("walk", stdout);
	while ((result = ym_vars_next(&h->vars, &var, &err)) == 0) {
		printf(" %" PRId64 ":", var.key);
		print_hex(var.bytes, var.length);
	}
	return result < 0 ? -1 : 0;
}

/* The number of variables, if all of the segment is sound. */
static int vars_stat(struct handle *h, char **word)
{
	struct ym_vars_stat stat;

	(void)word;
	if (ym_vars_stat(&h->vars, &stat, &err) < 0)
		return -1;
	printf("%zu variables", stat.variables);
	return 0;
}

static int vars_repair(struct handle *h, char **word)
{
	size_t lost;

	(void)word;
	if (ym_vars_repair(&h->vars, &lost, &err) < 0)
		return -1;
	printf("ok %zu", lost);
	return 0;
}

/* One more; the first element of an array that grows and shrinks, so that things move. */
static int add_one(struct ym_value *value, bool exists, void *arg, struct ym_err *why)
{
	struct ym_value next, filler, *counter;
	char bytes[400];
	int64_t n = 0;

	(void)arg;
	if (exists) {
		counter = value->type == YM_TYPE_ARRAY ? ym_array_get(value->array, ym_array_key_int(0)) : NULL;
		if (!counter || counter->type != YM_TYPE_INT)
			return ym_fail(why, YM_ERR_CORRUPT, "the counter is not there");
		n = counter->integer;
	}
	next = ym_value_int(n + 1);
	memset(bytes, 'c', sizeof(bytes));
	ym_value_free(value);
	if (ym_value_array(value, why) < 0 || ym_array_append(value->array, &next, why) < 0 ||
	    ym_value_string(&filler, bytes, (size_t)(n * 7 % (int64_t)sizeof(bytes)), why) < 0)
		return -1;
	return ym_array_append(value->array, &filler, why);
}

/* With the semaphore of the same handle. */
static int vars_bump(struct handle *h, char **word)
{
	for (long i = number(word[1]); i > 0; i--) {
		if (ym_vars_update(&h->vars, &h->sem, YM_NEVER, number(word[0]), add_one, NULL, &err) < 0)
			return -1;
	}
	return say("ok");
}

/* Put large values of changing sizes until killed; a line says that all of them were put once. */
static int vars_churn(struct handle *h, char **word)
{
	long first = number(word[0]), count = number(word[1]), most = number(word[2]);
	char *bytes = malloc((size_t)most + 1);
	struct ym_value value;

	if (!bytes)
		return -1;
	for (long n = 0;; n++) {
		if (n == count) {
			puts("begun");
			fflush(stdout);
		}
		size_t length = (size_t)(most / 2 + n * 7919 % (most / 2));

		memset(bytes, 'a' + (int)(n % 26), length);
		if (ym_value_string(&value, bytes, length, &err) < 0 || ym_sem_acquire(&h->sem, YM_NEVER, &err) < 0 ||
		    ym_vars_put(&h->vars, first + n % count, &value, &err) < 0 || ym_sem_release(&h->sem, &err) < 0)
			return -1;
		ym_value_free(&value);
	}
}

/* ---- groups ---------------------------------------------------------------------------------- */

static const struct ym_group_object objects[] = {
    {.kind = YM_OBJECT_VARIABLES, .name = "settings", .size = 2000},
    {.kind = YM_OBJECT_QUEUE, .name = "letters"},
    {.kind = YM_OBJECT_SEMAPHORE, .name = "lock", .size = 2},
};

/* Join the group of a directory: "make" it, or only "join" one that is there. */
static int group_enter(struct handle *h, char **word)
{
	struct ym_group_spec spec = {
	    .role = "peer",
	    .capacity = strcmp(word[1], "make") == 0 ? 8 : 0,
	    .mode = 0666,
	    .patience_ms = WAIT_MS,
	    .objects = objects,
	    .nobjects = sizeof(objects) / sizeof(objects[0]),
	};

	spec.directory = h->directory = strdup(word[0]);
	if (ym_group_join(&h->group, &spec, &err) < 0)
		return -1;
	return say(h->group.fresh ? "fresh" : h->group.orphan ? "orphan" : "joined");
}

static int group_guard(struct handle *h, char **word)
{
	(void)word;
	return ym_group_guardian(&h->group, &err) < 0 ? -1 : say("ok");
}

/* Attach to what the group has. */
static int group_open(struct handle *h, char **word)
{
	(void)word;
	if (ym_group_vars(&h->group, "settings", 0, &h->vars, &err) < 0 ||
	    ym_group_queue(&h->group, "letters", &h->queue, &err) < 0 ||
	    ym_group_sem(&h->group, "lock", &h->sem, &err) < 0)
		return -1;
	return say("ok");
}

static int group_leave(struct handle *h, char **word)
{
	bool last;

	(void)word;
	ym_vars_detach(&h->vars);
	ym_sem_close(&h->sem);
	if (ym_group_leave(&h->group, &last, &err) < 0)
		return -1;
	free(h->directory);
	return say(last ? "last" : "left");
}

/* ---- keys ------------------------------------------------------------------------------------ */

static int keys_ftok(struct handle *h, char **word)
{
	key_t key;

	(void)h;
	if (ym_ftok(word[0], (int)number(word[1]), &key, &err) < 0)
		return -1;
	printf("%d", key);
	return 0;
}

static int keys_crc32(struct handle *h, char **word)
{
	size_t length = from_hex(word[0]);

	(void)h;
	printf("%" PRIu32, ym_crc32(word[0], length));
	return 0;
}

/* ---- the verbs ------------------------------------------------------------------------------- */

static const struct verb {
	const char *name;
	int words;
	int (*run)(struct handle *h, char **word);
} verbs[] = {
    {"ftok", 2, keys_ftok},     {"crc32", 1, keys_crc32},    {"get", 2, sem_get},
    {"try", 0, sem_try},        {"acquire", 0, sem_acquire}, {"release", 0, sem_release},
    {"close", 0, sem_close},    {"remove", 0, sem_remove},   {"count", 2, sem_count},
    {"queue", 1, queue},        {"send", 3, queue_send},     {"receive", 3, queue_receive},
    {"say", 2, queue_say},      {"relay", 1, queue_relay},   {"unqueue", 0, queue_remove},
    {"attach", 2, vars_attach}, {"detach", 0, vars_detach},  {"destroy", 0, vars_destroy},
    {"put", 2, vars_put},       {"fetch", 1, vars_fetch},    {"has", 1, vars_has},
    {"drop", 1, vars_drop},     {"sum", 1, vars_sum},        {"walk", 0, vars_walk},
    {"stat", 0, vars_stat},     {"repair", 0, vars_repair},  {"bump", 2, vars_bump},
    {"churn", 3, vars_churn},   {"enter", 2, group_enter},   {"guard", 0, group_guard},
    {"open", 0, group_open},    {"leave", 0, group_leave},
};

static int serve(char *line)
{
	char *word[WORDS_MAX] = {0}, *rest = line;
	int words = 0;

	while (words < WORDS_MAX && (word[words] = strtok_r(words ? NULL : line, " \n", &rest)))
		words++;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (words == verbs[i].words + 2 && strcmp(word[0], verbs[i].name) == 0)
			return verbs[i].run(handle_of(word[1]), word + 2);
	}
	return ym_fail(&err, YM_ERR_USAGE, "no such line");
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0 && strncmp(line, "bye", 3) != 0) {
		if (serve(line) < 0)
			printf("error %s", err.text);
		putchar('\n');
		fflush(stdout);
	}
	free(line);
	return 0;
}
