/*
 * progress.c - a child copies a file, the parent draws a progress bar and notices if the child is killed.
 *
 * Both take part in a group with two objects:
 *
 *   progress  a segment with struct progress_sh, for C
 *   percent   variables; number 1 is the same in percent as an integer, for PHP (-1: it failed)
 *
 * The group is made by the parent. Whoever leaves last removes everything; if all are killed, the guardian does.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <yardmaster/ipc.h>

#define MODE         0600
#define PARTICIPANTS 4
#define PATIENCE_MS  5000 /* for others that join or leave */
#define BLOCK        65536
#define DRAW_NS      50000000
#define BAR          40
#define PERCENT      1    /* the variable for PHP */
#define FAILED       (-1) /* its value then */

/* Written by the child, each field by one store: a reader without a lock sees the old or the new number. */
struct progress_sh {
	_Atomic uint64_t done, total; /* bytes; total first */
	_Atomic uint32_t slot;        /* of the child in the group, plus 1; 0: it has not joined so far */
	_Atomic uint32_t end;         /* enum end, the last thing it writes */
	char reason[YM_ERR_TEXT_MAX]; /* valid with END_ERROR */
};
enum end { END_NONE, END_DONE, END_ERROR };

static const struct ym_group_object objects[] = {
    {.kind = YM_OBJECT_SEGMENT, .name = "progress", .size = sizeof(struct progress_sh), .version = 1},
    {.kind = YM_OBJECT_VARIABLES, .name = "percent", .size = 256},
};

/* What parent and child hold, each its own. */
struct side {
	struct ym_group group;
	struct progress_sh *progress;
	struct ym_vars percent;
};

/* ---- join and leave -------------------------------------------------------------------------- */

static int leave(struct side *side, bool *last, struct ym_err *err)
{
	ym_vars_detach(&side->percent);
	ym_group_unmap(side->progress);
	return ym_group_leave(&side->group, last, err);
}

/* Capacity 0: join only. */
static int join(struct side *side, const char *directory, const char *role, unsigned capacity, struct ym_err *err)
{
	const struct ym_group_spec spec = {
	    .directory = directory,
	    .role = role,
	    .capacity = capacity,
	    .mode = MODE,
	    .patience_ms = PATIENCE_MS,
	    .objects = objects,
	    .nobjects = sizeof(objects) / sizeof(objects[0]),
	};
	void *contents;

	*side = (struct side){0};
	if (ym_group_join(&side->group, &spec, err) < 0)
		return -1;
	if (ym_group_segment(&side->group, "progress", &contents, NULL, err) < 0 ||
	    ym_group_vars(&side->group, "percent", 0, &side->percent, err) < 0) {
		leave(side, NULL, NULL);
		return -1;
	}
	side->progress = contents;
	return 0;
}

/* ---- the child ------------------------------------------------------------------------------- */

struct copy {
	int from, to;
	const char *source, *target;
	uint64_t rate; /* bytes per second, 0: no limit */
	uint64_t begun;
	char block[BLOCK];
};

/* As slow as the rate wants it. */
static void keep_pace(const struct copy *copy, uint64_t done)
{
	const double due = copy->rate ? (double)done / (double)copy->rate * 1e9 : 0;
	const uint64_t past = ym_now_ns() - copy->begun, wait = due > (double)past ? (uint64_t)due - past : 0;
	const struct timespec pause = {.tv_sec = (time_t)(wait / 1000000000), .tv_nsec = (long)(wait % 1000000000)};

	if (wait)
		nanosleep(&pause, NULL);
}

static int tell(struct side *side, uint64_t done, struct ym_err *err)
{
	const uint64_t total = atomic_load(&side->progress->total), before = atomic_load(&side->progress->done);
	const struct ym_value percent = ym_value_int(total ? (int64_t)(100 * done / total) : 100);

	atomic_store(&side->progress->done, done);
	if (done && total && 100 * before / total == 100 * done / total)
		return 0;
	return ym_vars_put(&side->percent, PERCENT, &percent, err);
}

static int copy_block(struct copy *copy, size_t length, struct ym_err *err)
{
	for (size_t written = 0; written < length;) {
		ssize_t n = write(copy->to, copy->block + written, length - written);

		if (n < 0 && errno != EINTR)
			return ym_fail_sys(err, errno, "write(\"%s\")", copy->target);
		written += n < 0 ? 0 : (size_t)n;
	}
	return 0;
}

static int copy_all(struct side *side, struct copy *copy, struct ym_err *err)
{
	uint64_t done = 0;

	for (;;) {
		ssize_t n = read(copy->from, copy->block, BLOCK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ym_fail_sys(err, errno, "read(\"%s\")", copy->source);
		if (n == 0)
			return tell(side, done, err);
		if (copy_block(copy, (size_t)n, err) < 0)
			return -1;
		done += (uint64_t)n;
		keep_pace(copy, done);
		if (tell(side, done, err) < 0)
			return -1;
	}
}

static int open_and_copy(struct side *side, struct copy *copy, struct ym_err *err)
{
	struct stat st;

	copy->from = open(copy->source, O_RDONLY | O_CLOEXEC);
	if (copy->from < 0 || fstat(copy->from, &st) < 0)
		return ym_fail_sys(err, errno, "open(\"%s\")", copy->source);
	copy->to = open(copy->target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (copy->to < 0)
		return ym_fail_sys(err, errno, "open(\"%s\", O_CREAT | O_EXCL)", copy->target);
	copy->begun = ym_now_ns();
	atomic_store(&side->progress->total, (uint64_t)st.st_size);
	if (copy_all(side, copy, err) < 0) {
		unlink(copy->target);
		return -1;
	}
	if (close(copy->to) < 0)
		return ym_fail_sys(err, errno, "close(\"%s\")", copy->target);
	return 0;
}

/* A participant of its own: what fork() gave us of the parent's is only put away. */
static int child(struct side *parents, struct copy *copy)
{
	const char *directory = parents->group.spec.directory;
	struct side side;
	struct ym_err err;
	int result;

	leave(parents, NULL, NULL);
	if (join(&side, directory, "copier", 0, &err) < 0) {
		fprintf(stderr, "progress: %s\n", err.text);
		return 1;
	}
	atomic_store(&side.progress->slot, side.group.slot + 1);
	result = open_and_copy(&side, copy, &err);
	if (result < 0)
		snprintf(side.progress->reason, sizeof(side.progress->reason), "%s", err.text);
	atomic_store(&side.progress->end, result < 0 ? END_ERROR : END_DONE);
	leave(&side, NULL, NULL);
	return result < 0;
}

/* ---- the parent ------------------------------------------------------------------------------ */

static void draw(const struct progress_sh *progress)
{
	const uint64_t total = atomic_load(&progress->total), done = atomic_load(&progress->done);
	const int percent = total ? (int)(100 * done / total) : 0, width = BAR * percent / 100;

	printf("\r[%.*s%*s] %3d %%", width, "########################################", BAR - width, "", percent);
	fflush(stdout);
}

/*
 * Does the child still work? Its ALIVE is taken back by the kernel, whatever ends it: that tells of any participant, a
 * child or not. Before the child has joined, only its parent can know.
 */
static bool at_work(const struct side *side, pid_t pid, bool *reaped)
{
	const uint32_t slot = atomic_load(&side->progress->slot);

	if (slot)
		return ym_group_alive(&side->group, slot - 1);
	*reaped = waitpid(pid, NULL, WNOHANG) == pid;
	return !*reaped;
}

/* 0 copied, 1 not. */
static int conclude(struct side *side, const struct copy *copy, pid_t pid)
{
	struct progress_sh *progress = side->progress;
	const uint32_t slot = atomic_load(&progress->slot);
	const enum end end = (enum end)atomic_load(&progress->end);
	const struct ym_value failed = ym_value_int(FAILED);
	struct ym_err err;

	if (end == END_DONE) {
		printf("\ncopied %" PRIu64 " bytes\n", atomic_load(&progress->done));
		return 0;
	}
	if (end == END_ERROR)
		printf("\nfailed: %.*s\n", (int)sizeof(progress->reason) - 1, progress->reason);
	else
		printf("\nthe copier (pid %d) was killed after %" PRIu64 " of %" PRIu64 " bytes\n", (int)pid,
		       atomic_load(&progress->done), atomic_load(&progress->total));
	/* Also if it was killed while it put its own: a value of the same size is put in place. */
	if (ym_vars_put(&side->percent, PERCENT, &failed, &err) < 0)
		fprintf(stderr, "progress: %s\n", err.text);
	/* What it left is cleared up, so its slot may be given out again. */
	if (end == END_NONE && slot) {
		unlink(copy->target);
		ym_group_bury(&side->group, slot - 1);
	}
	return 1;
}

static int watch(struct side *side, const struct copy *copy, pid_t pid)
{
	const struct timespec pause = {.tv_nsec = DRAW_NS};
	bool reaped = false, working = true;
	int result;

	while (working) {
		working = at_work(side, pid, &reaped);
		draw(side->progress);
		if (working)
			nanosleep(&pause, NULL);
	}
	result = conclude(side, copy, pid);
	if (!reaped)
		waitpid(pid, NULL, 0);
	return result;
}

/* A group of our own, with a guardian: one that is in use belongs to another copy. */
static int begin(struct side *side, const char *directory, struct ym_err *err)
{
	bool last = true;

	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return ym_fail_sys(err, errno, "mkdir(\"%s\") for the key files", directory);
	while (last) {
		if (join(side, directory, "parent", PARTICIPANTS, err) < 0)
			return -1;
		if (side->group.fresh) {
			if (ym_group_guardian(&side->group, err) == 0)
				return 0;
			leave(side, NULL, NULL);
			return -1;
		}
		/* If all its participants are dead, the guardian, too, this removes what they left. */
		if (leave(side, &last, err) < 0)
			return -1;
	}
	return ym_fail(err, YM_ERR_NO, "another copy is at work in %s", directory);
}

static int run(const char *directory, struct copy *copy, struct ym_err *err)
{
	struct side side;
	bool last;
	int result;
	pid_t pid;

	if (begin(&side, directory, err) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		_exit(child(&side, copy));
	if (pid < 0) {
		ym_fail_sys(err, errno, "fork() of the copier");
		leave(&side, NULL, NULL);
		return -1;
	}
	result = watch(&side, copy, pid);
	if (leave(&side, &last, err) < 0)
		return -1;
	puts(last ? "everything is removed" : "others still look: the last one removes everything");
	return result;
}

int main(int argc, char **argv)
{
	static struct copy copy;
	struct ym_err err;
	char *end = "";
	int result;

	if (argc == 5)
		copy.rate = strtoull(argv[4], &end, 10);
	if ((argc != 4 && argc != 5) || *end) {
		fputs("usage: progress DIRECTORY SOURCE TARGET [BYTES PER SECOND]\n", stderr);
		return 2;
	}
	copy.source = argv[2];
	copy.target = argv[3];
	result = run(argv[1], &copy, &err);
	if (result >= 0)
		return result;
	fprintf(stderr, "progress: %s\n", err.text);
	return ym_err_exit_code(err.class);
}
