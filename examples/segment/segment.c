/*
 * segment.c - send, get and delete variables in a shared memory segment that PHP scripts use, too.
 *
 * Segment and semaphore have the same key, as PHP users do it: ftok("segment.key", "s"). A variable's key is the crc32()
 * of its name. Whoever touches the segment holds the semaphore.
 */
#include <stdio.h>
#include <string.h>

#include <yardmaster/ipc.h>

#define KEY_FILE "segment.key"
#define PROJECT  's'
#define MODE     0600
#define WAIT_MS  5000 /* for whoever holds the semaphore */

struct segment {
	struct ym_sem lock; /* one unit, ours from enter() to leave() */
	struct ym_vars vars;
};

/* ---- enter and leave ------------------------------------------------------------------------- */

/* A writer was killed in the middle: with the semaphore in our hands, nobody else is writing. */
static int repair(struct ym_vars *vars, key_t key, struct ym_err *err)
{
	size_t lost;

	if (ym_vars_attach(vars, key, 0, MODE, YM_VARS_EXISTING | YM_VARS_DAMAGED, err) < 0)
		return -1;
	if (ym_vars_repair(vars, &lost, err) < 0) {
		ym_vars_detach(vars);
		return -1;
	}
	fprintf(stderr, "segment: repaired what a killed process left; %zu bytes were given up\n", lost);
	return 0;
}

static int attach(struct segment *segment, key_t key, bool make, struct ym_err *err)
{
	int id;

	if (ym_vars_attach(&segment->vars, key, 0, MODE, make ? 0 : YM_VARS_EXISTING, err) == 0)
		return 0;
	if (err->class == YM_ERR_CORRUPT)
		return repair(&segment->vars, key, err);
	/* A semaphore without a segment: we have just made it. It goes, unless somebody else is about to use it. */
	if (!ym_object_behind(YM_OBJECT_SEGMENT, key, &id))
		ym_sem_remove_unused(segment->lock.id, 1, NULL);
	return -1;
}

/* Take the semaphore and attach; a missing segment is made if `make` says so, YM_ERR_NO otherwise. */
static int enter(struct segment *segment, bool make, struct ym_err *err)
{
	const uint64_t deadline = ym_deadline(WAIT_MS);
	key_t key;

	if (ym_ftok(KEY_FILE, PROJECT, &key, err) < 0)
		return -1;
	do {
		if (ym_sem_get(&segment->lock, key, 1, MODE, deadline, err) == 0 &&
		    ym_sem_acquire(&segment->lock, deadline, err) == 0 && attach(segment, key, make, err) == 0)
			return 0;
		ym_sem_close(&segment->lock);
		/* GONE: another `segment delete` was faster. The next round starts from nothing. */
	} while (err->class == YM_ERR_GONE);
	return -1;
}

static void leave(struct segment *segment)
{
	ym_vars_detach(&segment->vars);
	ym_sem_close(&segment->lock); /* gives back the unit */
}

/* ---- the commands ---------------------------------------------------------------------------- */

/* All of them: 0, 1 there is no such variable, -1. */

static int send_value(struct segment *segment, const char *name, const char *text, struct ym_err *err)
{
	struct ym_value value;
	int result;

	if (ym_value_text(&value, text, err) < 0)
		return -1;
	result = ym_vars_put(&segment->vars, ym_vars_key(name), &value, err);
	ym_value_free(&value);
	return result;
}

/* A string as it is, anything else as PHP's serialize() writes it. */
static int print(const struct ym_value *value, struct ym_err *err)
{
	struct ym_buffer buffer;

	if (value->type == YM_TYPE_STRING) {
		fwrite(value->string.bytes, 1, value->string.length, stdout);
		putchar('\n');
		return 0;
	}
	ym_buffer_init(&buffer, NULL, 0);
	if (ym_serialize(value, &buffer, err) < 0)
		return -1;
	fwrite(buffer.bytes, 1, buffer.length, stdout);
	putchar('\n');
	ym_buffer_free(&buffer);
	return 0;
}

static int get_value(struct segment *segment, const char *name, struct ym_err *err)
{
	struct ym_value value;
	int result = ym_vars_get(&segment->vars, ym_vars_key(name), &value, err);

	if (result == 0)
		result = print(&value, err);
	ym_value_free(&value);
	return result;
}

/* The semaphore last: who waits for it finds nothing behind the key, and starts anew. */
static int delete_all(struct segment *segment, struct ym_err *err)
{
	if (ym_vars_destroy(&segment->vars, true, err) < 0)
		return -1;
	return ym_sem_remove(segment->lock.id, err);
}

static int usage(void)
{
	fputs("usage: segment send NAME VALUE\n"
	      "       segment get NAME\n"
	      "       segment delete [NAME]     without NAME: the segment and its semaphore\n"
	      "The key is ftok(\"" KEY_FILE "\", 's') in the current directory.\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "", *name = argc > 2 ? argv[2] : NULL;
	const bool send = strcmp(command, "send") == 0 && argc == 4, get = strcmp(command, "get") == 0 && argc == 3,
		   delete = strcmp(command, "delete") == 0 && (argc == 2 || argc == 3);
	struct segment segment;
	struct ym_err err;
	int result;

	if (!send && !get && !delete)
		return usage();
	if (enter(&segment, send, &err) < 0) {
		fprintf(stderr, "segment: %s\n", err.text);
		return ym_err_exit_code(err.class);
	}
	if (send)
		result = send_value(&segment, name, argv[3], &err);
	else if (get)
		result = get_value(&segment, name, &err);
	else if (name)
		result = ym_vars_remove(&segment.vars, ym_vars_key(name), &err);
	else
		result = delete_all(&segment, &err);
	leave(&segment);
	if (result < 0) {
		fprintf(stderr, "segment: %s\n", err.text);
		return ym_err_exit_code(err.class);
	}
	if (result == 1)
		fprintf(stderr, "segment: there is no variable \"%s\"\n", name);
	if (fflush(stdout) != 0) {
		perror("segment: stdout");
		return 4;
	}
	return result;
}
