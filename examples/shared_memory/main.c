/* main.c - shared_memory.h as a program: shared_memory DIRECTORY COMMAND [ARGUMENTS]. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared_memory.h"

#define COPY_SIZE  65536
#define TIMEOUT_MS 5000

static bool is_integer(const char *text, int64_t *integer)
{
	char *end;

	errno = 0;
	*integer = strtoll(text, &end, 10);
	return end != text && !*end && errno == 0;
}

/* An integer if it looks like one, else a string. */
static int parse(const char *text, struct ym_value *value, struct ym_err *err)
{
	int64_t integer;

	if (!is_integer(text, &integer))
		return ym_value_text(value, text, err);
	*value = ym_value_int(integer);
	return 0;
}

/* A string as it is, an integer in digits, anything else as PHP's serialize() writes it. */
static int print(const struct ym_value *value, struct ym_err *err)
{
	struct ym_buffer buffer;

	if (value->type == YM_TYPE_STRING) {
		fwrite(value->string.bytes, 1, value->string.length, stdout);
	} else if (value->type == YM_TYPE_INT) {
		printf("%" PRId64, value->integer);
	} else {
		ym_buffer_init(&buffer, NULL, 0);
		if (ym_serialize(value, &buffer, err) < 0)
			return -1;
		fwrite(buffer.bytes, 1, buffer.length, stdout);
		ym_buffer_free(&buffer);
	}
	putchar('\n');
	return 0;
}

/* ---- the commands: 0 done, 1 the answer is no, -1 -------------------------------------------- */

/* Values live as long as somebody takes part: this one does, until its input ends. */
static int hold(struct shared_memory *memory, char **args, struct ym_err *err)
{
	(void)args, (void)err;
	printf("%s is there until the input ends\n", memory->group.spec.directory);
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}

static int get(struct shared_memory *memory, char **args, struct ym_err *err)
{
	struct ym_value value;
	int result = shared_memory_get(memory, args[0], TIMEOUT_MS, &value, err);

	if (result == 0)
		result = print(&value, err);
	ym_value_free(&value);
	return result;
}

static int set(struct shared_memory *memory, char **args, struct ym_err *err)
{
	struct ym_value value;
	int result = parse(args[1], &value, err);

	if (result == 0)
		result = shared_memory_set(memory, args[0], TIMEOUT_MS, &value, err);
	ym_value_free(&value);
	return result;
}

static int compare_and_set(struct shared_memory *memory, char **args, struct ym_err *err)
{
	struct ym_value expected, value = {0};
	int result = parse(args[1], &expected, err);

	if (result == 0)
		result = parse(args[2], &value, err);
	if (result == 0)
		result = shared_memory_compare_and_set(memory, args[0], TIMEOUT_MS, &expected, &value, err);
	ym_value_free(&expected);
	ym_value_free(&value);
	return result;
}

/* Each sum is printed at once: what a killed process has printed has been counted. */
static int count(struct shared_memory *memory, char **args, struct ym_err *err)
{
	int64_t times, sum;

	if (!is_integer(args[1], &times))
		return ym_fail(err, YM_ERR_USAGE, "how many times is \"%s\"?", args[1]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int64_t i = 0; i < times; i++) {
		if (shared_memory_increment(memory, args[0], TIMEOUT_MS, 1, &sum, err) < 0)
			return -1;
		printf("%" PRId64 "\n", sum);
	}
	return 0;
}

static int forget(struct shared_memory *memory, char **args, struct ym_err *err)
{
	return shared_memory_delete(memory, args[0], TIMEOUT_MS, err);
}

static int clear(struct shared_memory *memory, char **args, struct ym_err *err)
{
	(void)args;
	return shared_memory_clear(memory, TIMEOUT_MS, err);
}

static const struct command {
	const char *name, *arguments;
	int nargs;
	int (*run)(struct shared_memory *memory, char **args, struct ym_err *err);
} commands[] = {
    {"hold", "", 0, hold},
    {"get", " NAME", 1, get},
    {"set", " NAME VALUE", 2, set},
    {"cas", " NAME OLD NEW", 3, compare_and_set},
    {"count", " NAME TIMES", 2, count},
    {"delete", " NAME", 1, forget},
    {"clear", "", 0, clear},
};
#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static int usage(void)
{
	fputs("usage: shared_memory DIRECTORY COMMAND, which is one of\n", stderr);
	for (size_t i = 0; i < NCOMMANDS; i++)
		fprintf(stderr, "       %s%s\n", commands[i].name, commands[i].arguments);
	return 2;
}

static int run(const struct command *command, const char *directory, char **args)
{
	struct shared_memory memory;
	struct ym_err err, unheard;
	int result;

	if (shared_memory_open(&memory, directory, COPY_SIZE, &err) < 0) {
		result = -1;
	} else {
		result = command->run(&memory, args, &err);
		if (shared_memory_close(&memory, NULL, result < 0 ? &unheard : &err) < 0)
			result = -1;
	}
	if (result >= 0)
		return result;
	fprintf(stderr, "shared_memory: %s\n", err.text);
	return ym_err_exit_code(err.class);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc >= 3 && i < NCOMMANDS; i++)
		if (strcmp(argv[2], commands[i].name) == 0 && argc - 3 == commands[i].nargs)
			return run(&commands[i], argv[1], argv + 3);
	return usage();
}
