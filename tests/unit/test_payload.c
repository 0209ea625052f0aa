/*
 * test_payload.c - bytes of jobs in the table or in files: whatever they come from, however many, wherever it ends.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>

#include "../../runtime/payload.h"
#include "../../runtime/transfer.h"
#include "support.h"

#define LARGE    (5u << 20)
#define LIMIT    (8u << 20) /* payload_max */
#define ROOM     (1u << 20) /* of the small disk */
#define SLOT     3u
#define GEN      4u
#define FILENAME "jobs/3-4.payload"

static struct job_sh *job; /* shared, as in the table: it outlives a child that is killed */
static char *bytes;        /* LARGE and a little of no pattern that repeats with a page */
static struct payload payload;

static void begin_payload(void)
{
	uint32_t x = 1;
	char path[PATH_MAX];

	begin_test();
	join_path(path, PAYLOAD_DIRECTORY);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	job = mmap(NULL, sizeof(*job), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(job, MAP_FAILED);
	bytes = malloc(LIMIT + 1);
	for (size_t i = 0; i <= LIMIT; i++) {
		x = x * 1664525 + 1013904223;
		bytes[i] = (char)(x >> 24 | 1); /* no NUL among them */
	}
}

static void end_payload(void)
{
	free(bytes);
	munmap(job, sizeof(*job));
	end_test();
}

/* ---- sources --------------------------------------------------------------------------------- */

static struct payload_source memory(size_t size)
{
	return (struct payload_source){.data = bytes, .size = size, .fd = -1};
}

static int open_of(const char *name, size_t size)
{
	char path[PATH_MAX];
	int fd;

	write_file(name, bytes, size);
	join_path(path, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

struct pouring {
	int fd;
	size_t size;
};

/* In pieces of odd sizes; who stops reading ends it. */
static void pour(void *arg)
{
	const struct pouring *pouring = arg;
	size_t at = 0;

	signal(SIGPIPE, SIG_IGN);
	while (at < pouring->size) {
		size_t piece = pouring->size - at < 30011 ? pouring->size - at : 30011;
		ssize_t n = write(pouring->fd, bytes + at, piece);

		if (n < 0)
			return;
		at += (size_t)n;
	}
}

/* The reading end of a pipe into which a child writes. */
static int pipe_of(size_t size, int flags, pid_t *child)
{
	struct pouring pouring = {.size = size};
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pouring.fd = ends[1];
	*child = fork();
	if (*child == 0) {
		close(ends[0]);
		pour(&pouring);
		_exit(0);
	}
	close(ends[1]);
	ck_assert_int_eq(fcntl(ends[0], F_SETFL, flags), 0);
	return ends[0];
}

static int store(struct payload_source source)
{
	return payload_store(directory, job, SLOT, GEN, &source, LIMIT, &err);
}

static int store_from(int fd, size_t size)
{
	int result = store((struct payload_source){.size = size, .fd = fd});

	close(fd);
	return result;
}

static bool exists(const char *name)
{
	char path[PATH_MAX];

	join_path(path, name);
	return access(path, F_OK) == 0;
}

static unsigned count_files(void)
{
	char path[PATH_MAX];
	unsigned n = 0;
	DIR *dir;

	join_path(path, PAYLOAD_DIRECTORY);
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* What is stored are the first `size` bytes, in the right place; read them in all ways. */
static void assert_stored(size_t size)
{
	bool in_file = size > JOB_PAYLOAD_MAX;
	char *copy = malloc(size + 1), path[PATH_MAX];
	size_t have;

	ck_assert_uint_eq(job->payload_size, size);
	ck_assert_int_eq(job->payload_place, in_file ? JOB_PLACE_FILE : JOB_PLACE_INLINE);
	ck_assert_uint_eq(job->files, in_file ? JOB_FILE_PAYLOAD : 0);
	ck_assert_uint_eq(count_files(), in_file);
	ASSERT_OK(payload_open(directory, job, SLOT, &payload, &err));
	ck_assert_uint_eq(payload.size, size);
	ck_assert(memcmp(payload.data, bytes, size) == 0);
	ck_assert_int_eq(((const char *)payload.data)[size], '\0');
	join_path(path, FILENAME);
	if (in_file)
		ck_assert_str_eq(payload_path(&payload), path);
	else
		ck_assert_ptr_null(payload_path(&payload));
	/* Twice: each time it stands at the beginning. */
	for (int i = 0; i < 2; i++) {
		int fd = payload_fd(&payload, &err);

		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(transfer_read(fd, copy, size + 1, &have), TRANSFER_DONE);
		ck_assert_uint_eq(have, size);
		ck_assert(memcmp(copy, bytes, size) == 0);
		ck_assert_int_lt(pwrite(fd, "x", 1, 0), 0);
	}
	payload_close(&payload);
	payload_close(&payload);
	payload_discard(directory, job, SLOT);
	ck_assert_uint_eq(count_files(), 0);
	free(copy);
}

/* ---- all sizes from everywhere ----------------------------------------------------------------- */

static const size_t sizes[] = {0,    1,         447,       448,   449,      450,   4095, 4096,
                               4097, 16 * 4096, 65536 + 1, 16384, 1u << 20, LARGE, LIMIT};

START_TEST(from_memory)
{
	ASSERT_OK(store(memory(sizes[_i])));
	assert_stored(sizes[_i]);
}
END_TEST

START_TEST(from_a_file)
{
	size_t size = sizes[_i];
	int fd;

	ASSERT_OK(store_from(open_of("source", size), PAYLOAD_TO_END));
	assert_stored(size);
	/* Only a part of it, and from where the descriptor stands. */
	fd = open_of("source", size / 2 + 100);
	ASSERT_OK(store((struct payload_source){.size = size / 2, .fd = fd}));
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), (off_t)(size / 2));
	close(fd);
	assert_stored(size / 2);
	fd = open_of("source", size);
	ck_assert_int_eq(lseek(fd, (off_t)(size / 2), SEEK_SET), (off_t)(size / 2));
	ASSERT_OK(store_from(fd, PAYLOAD_TO_END));
	ck_assert_uint_eq(job->payload_size, size - size / 2);
	ASSERT_OK(payload_open(directory, job, SLOT, &payload, &err));
	ck_assert(memcmp(payload.data, bytes + size / 2, payload.size) == 0);
	payload_close(&payload);
}
END_TEST

START_TEST(from_a_pipe)
{
	static const int flags[] = {0, O_NONBLOCK};

	for (size_t i = 0; i < COUNT(flags); i++) {
		pid_t child;
		int fd = pipe_of(sizes[_i], flags[i], &child);

		ASSERT_OK(store_from(fd, PAYLOAD_TO_END));
		reap_well(child);
		assert_stored(sizes[_i]);
		fd = pipe_of(sizes[_i], flags[i], &child);
		ASSERT_OK(store((struct payload_source){.size = sizes[_i] / 2, .fd = fd}));
		assert_stored(sizes[_i] / 2);
		close(fd);
		reap_well(child);
	}
}
END_TEST

START_TEST(results)
{
	static const size_t lengths[] = {0, 1, 192, 193, 448, 449, 4096, LARGE};
	size_t size = lengths[_i];
	struct payload_source source = {.size = PAYLOAD_TO_END, .fd = open_of("source", size)};

	ASSERT_OK(store(memory(1000)));
	ASSERT_OK(payload_store_result(directory, job, SLOT, GEN, &source, LIMIT, &err));
	close(source.fd);
	ck_assert_uint_eq(job->files, JOB_FILE_PAYLOAD | (size > JOB_RESULT_MAX ? JOB_FILE_RESULT : 0));
	ck_assert_int_eq(exists("jobs/3-4.result"), size > JOB_RESULT_MAX);
	ASSERT_OK(payload_open_result(directory, job, SLOT, &payload, &err));
	ck_assert_uint_eq(payload.size, size);
	ck_assert(memcmp(payload.data, bytes, size) == 0);
	ck_assert_int_eq(((const char *)payload.data)[size], '\0');
	/* Gone for others, but not for who reads it. */
	payload_discard(directory, job, SLOT);
	ck_assert_uint_eq(count_files(), 0);
	ck_assert(memcmp(payload.data, bytes, size) == 0);
	payload_close(&payload);
}
END_TEST

/* The kernel says that such a file is empty. */
START_TEST(from_proc)
{
	char expected[4096];
	size_t have;
	int fd = open("/proc/self/limits", O_RDONLY | O_CLOEXEC);

	ck_assert_int_eq(transfer_read(fd, expected, sizeof(expected), &have), TRANSFER_DONE);
	ck_assert_uint_gt(have, JOB_PAYLOAD_MAX);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	ASSERT_OK(store_from(fd, PAYLOAD_TO_END));
	ck_assert_uint_eq(job->payload_size, have);
	ASSERT_OK(payload_open(directory, job, SLOT, &payload, &err));
	ck_assert(memcmp(payload.data, expected, have) == 0);
	payload_close(&payload);
}
END_TEST

START_TEST(all_zeroes_is_nothing)
{
	ASSERT_OK(store((struct payload_source){0}));
	assert_stored(0);
}
END_TEST

/* Hundreds of megabytes (of zeroes) into a pipe. */
static void pour_file(void *arg)
{
	const int *fds = arg;
	uint64_t copied;

	if (transfer(fds[1], fds[0], UINT64_MAX, &copied) != TRANSFER_DONE)
		_exit(1);
}

#define HUGE (200u << 20)

START_TEST(in_constant_memory)
{
	struct payload_source source = {.size = PAYLOAD_TO_END};
	struct rusage before, after;
	char path[PATH_MAX];
	int ends[2];
	pid_t child;

	close(open_of("source", 0));
	join_path(path, "source");
	ck_assert_int_eq(truncate(path, HUGE), 0);
	source.fd = open(path, O_RDONLY | O_CLOEXEC);
	getrusage(RUSAGE_SELF, &before);
	ASSERT_OK(payload_store(directory, job, SLOT, GEN, &source, HUGE, &err));
	ck_assert_uint_eq(job->payload_size, HUGE);
	ASSERT_OK(payload_open(directory, job, SLOT, &payload, &err));
	ck_assert_int_eq(((const char *)payload.data)[HUGE], '\0');
	payload_close(&payload);
	payload_discard(directory, job, SLOT);

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(lseek(source.fd, 0, SEEK_SET), 0);
	child = spawn(pour_file, (int[]){source.fd, ends[1]});
	close(ends[1]);
	close(source.fd);
	source.fd = ends[0];
	ASSERT_OK(payload_store(directory, job, SLOT, GEN, &source, HUGE, &err));
	close(source.fd);
	reap_well(child);
	ck_assert_uint_eq(job->payload_size, HUGE);
	getrusage(RUSAGE_SELF, &after);
	ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, HUGE / 1024 / 10);
}
END_TEST

/* ---- what is refused --------------------------------------------------------------------------- */

static void assert_nothing_stored(void)
{
	ck_assert_uint_eq(count_files(), 0);
	ck_assert_uint_eq(job->files, 0);
	ck_assert_uint_eq(job->payload_size, 0);
	ck_assert_int_eq(job->payload_place, JOB_PLACE_INLINE);
}

START_TEST(too_much)
{
	pid_t child;
	int fd;

	ASSERT_ERR(store(memory(LIMIT + 1)), YM_ERR_USAGE);
	ASSERT_IN("has 8388609 bytes, payload_max allows 8388608", err.text);
	assert_nothing_stored();
	fd = open_of("source", LIMIT + 1);
	ASSERT_ERR(store((struct payload_source){.size = PAYLOAD_TO_END, .fd = fd}), YM_ERR_USAGE);
	ASSERT_IN("has 8388609 bytes, payload_max allows 8388608", err.text);
	ASSERT_ERR(store_from(fd, LIMIT + 1), YM_ERR_USAGE);
	assert_nothing_stored();
	fd = pipe_of(LIMIT + 1, 0, &child);
	ASSERT_ERR(store_from(fd, PAYLOAD_TO_END), YM_ERR_USAGE);
	ASSERT_IN("has more than 8388608 bytes, payload_max allows 8388608", err.text);
	reap_well(child);
	assert_nothing_stored();
}
END_TEST

/* One that never ends is not read to its end. */
START_TEST(endless)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	ASSERT_ERR(store_from(fd, PAYLOAD_TO_END), YM_ERR_USAGE);
	assert_nothing_stored();
}
END_TEST

START_TEST(too_little)
{
	pid_t child;

	for (size_t have = 100; have <= 10000; have += 9900) {
		ASSERT_ERR(store_from(open_of("source", have), have + 1), YM_ERR_CORRUPT);
		ASSERT_IN(have == 100 ? "101 bytes, but ends after 100" : "10001 bytes, but ends after 10000",
		          err.text);
		assert_nothing_stored();
		ASSERT_ERR(store_from(pipe_of(have, 0, &child), have + 1), YM_ERR_CORRUPT);
		reap_well(child);
		assert_nothing_stored();
	}
}
END_TEST

START_TEST(not_to_be_read)
{
	static const size_t claims[] = {100, 1000, PAYLOAD_TO_END};

	for (size_t i = 0; i < COUNT(claims); i++) {
		ck_assert_int_eq(store_from(open(directory, O_RDONLY | O_CLOEXEC), claims[i]), -1);
		ASSERT_IN("Is a directory", err.text);
		assert_nothing_stored();
		ck_assert_int_eq(store((struct payload_source){.size = claims[i], .fd = -1}), -1);
		ASSERT_IN("read(descriptor -1)", err.text);
		assert_nothing_stored();
	}
}
END_TEST

START_TEST(sizes_in_shared_memory_are_checked)
{
	static const uint64_t lies[] = {JOB_PAYLOAD_MAX + 1, 1 << 20, UINT64_MAX};
	const struct payload_source source = memory(10);

	ASSERT_OK(store(source));
	ASSERT_OK(payload_store_result(directory, job, SLOT, GEN, &source, LIMIT, &err));
	for (size_t i = 0; i < COUNT(lies); i++) {
		job->payload_size = job->result_size = lies[i];
		ASSERT_ERR(payload_open(directory, job, SLOT, &payload, &err), YM_ERR_CORRUPT);
		payload_close(&payload);
		ASSERT_ERR(payload_open_result(directory, job, SLOT, &payload, &err), YM_ERR_CORRUPT);
		payload_close(&payload);
	}
	job->payload_size = job->result_size = 193;
	ASSERT_OK(payload_open(directory, job, SLOT, &payload, &err));
	payload_close(&payload);
	ASSERT_ERR(payload_open_result(directory, job, SLOT, &payload, &err), YM_ERR_CORRUPT);
}
END_TEST

START_TEST(files_that_are_not_what_they_should_be)
{
	static const size_t others[] = {0, 5, 999, 1001, 5000};
	static const uint64_t lies[] = {0, 5, 4096, 1u << 30, UINT64_MAX};
	const struct payload_source source = memory(1000);

	for (size_t i = 0; i < COUNT(others); i++) {
		ASSERT_OK(store(source));
		write_file(FILENAME, bytes, others[i]);
		ASSERT_ERR(payload_open(directory, job, SLOT, &payload, &err), YM_ERR_CORRUPT);
		ASSERT_IN("the job says 1000", err.text);
		payload_close(&payload);
	}
	ASSERT_OK(store(source));
	for (size_t i = 0; i < COUNT(lies); i++) {
		job->payload_size = lies[i];
		ASSERT_ERR(payload_open(directory, job, SLOT, &payload, &err), YM_ERR_CORRUPT);
		payload_close(&payload);
	}
	payload_discard(directory, job, SLOT);
	ck_assert_int_eq(payload_open(directory, job, SLOT, &payload, &err), -1);
	ASSERT_IN(FILENAME, err.text);
	payload_close(&payload);
	ck_assert_int_eq(payload_store("/nonexistent", job, SLOT, GEN, &source, LIMIT, &err), -1);
	ASSERT_IN("open(\"/nonexistent/" FILENAME "\")", err.text);
	assert_nothing_stored();
	ck_assert_int_eq(payload_store_result("/nonexistent", job, SLOT, GEN, &source, LIMIT, &err), -1);
	ck_assert_uint_eq(job->result_size, 0);
}
END_TEST

static void store_as_nobody(void *arg)
{
	become_nobody(arg);
	ASSERT_ERR(store(memory(1000)), YM_ERR_PERMISSION);
	ASSERT_IN(FILENAME, err.text);
}

START_TEST(a_directory_of_somebody_else)
{
	/* Root would write anyway. */
	if (have_nobody())
		run_child(store_as_nobody, NULL);
	assert_nothing_stored();
}
END_TEST

/* A process that is stopped in the middle of the same result must not write into the one that takes its place. */
START_TEST(a_file_left_open_by_another)
{
	char path[PATH_MAX];
	int fd;

	ASSERT_OK(store(memory(1000)));
	join_path(path, FILENAME);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ASSERT_OK(store(memory(2000)));
	ck_assert_int_eq(write(fd, "late", 4), 4);
	close(fd);
	assert_stored(2000);
}
END_TEST

/* ---- no space ---------------------------------------------------------------------------------- */

/* A disk of ROOM bytes in a name space of our own; where that is forbidden, files that may be no longer. */
static void limit_room(void)
{
	const struct rlimit limit = {.rlim_cur = ROOM, .rlim_max = ROOM};
	char path[PATH_MAX];

	join_path(path, PAYLOAD_DIRECTORY);
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("tmpfs", path, "tmpfs", 0, "size=1m") == 0)
		return;
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void store_without_space(void *arg)
{
	int file = open_of("source", LARGE);
	pid_t child;

	(void)arg;
	limit_room();
	ASSERT_OK(store(memory(ROOM)));
	payload_discard(directory, job, SLOT);
	ASSERT_ERR(store(memory(ROOM + 1000)), YM_ERR_FULL);
	ASSERT_IN("1049576 bytes, 1000 of them missing, in ", err.text);
	ASSERT_IN(FILENAME, err.text);
	assert_nothing_stored();
	ASSERT_ERR(store_from(file, PAYLOAD_TO_END), YM_ERR_FULL);
	ASSERT_IN("5242880 bytes, 4194304 of them missing, in ", err.text);
	assert_nothing_stored();
	ASSERT_ERR(store_from(pipe_of(LARGE, 0, &child), PAYLOAD_TO_END), YM_ERR_FULL);
	ASSERT_IN("more than 1048576 bytes in ", err.text);
	reap_well(child);
	assert_nothing_stored();
	/* And the space is free again. */
	ASSERT_OK(store(memory(ROOM)));
	payload_discard(directory, job, SLOT);
}

START_TEST(no_space)
{
	run_child(store_without_space, NULL);
}
END_TEST

/* ---- killed at any system call ----------------------------------------------------------------- */

static void store_traced(void *arg)
{
	const struct payload_source source = {.size = PAYLOAD_TO_END, .fd = *(int *)arg};

	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	if (lseek(source.fd, 0, SEEK_SET) != 0 || payload_store(directory, job, SLOT, GEN, &source, LIMIT, NULL) < 0)
		_exit(1);
	_exit(0);
}

/* Let it go on to its n-th stop at a system call (entry or return); false when it ends before. */
static bool run_to_stop(pid_t child, int n)
{
	int status = 0;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	for (int i = 0; i < n && WIFSTOPPED(status); i++) {
		ck_assert_int_eq(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
	}
	if (WIFEXITED(status))
		ck_assert_int_eq(WEXITSTATUS(status), 0);
	return WIFSTOPPED(status);
}

static void kill_at_every_stop(int fd)
{
	unsigned with_file = 0, n = 1;

	for (;; n++) {
		pid_t child = spawn(store_traced, &fd);

		if (!run_to_stop(child, (int)n))
			break;
		kill_and_reap(child);
		with_file += count_files();
		/* What the next owner of the slot does about it is enough. */
		payload_discard(directory, job, SLOT);
		ck_assert_msg(count_files() == 0, "killed at stop %u: a file is left that the job does not know", n);
	}
	ck_assert_uint_ge(n, 5);
	ck_assert_uint_ge(with_file, 2);
	payload_discard(directory, job, SLOT);
	close(fd);
}

START_TEST(killed_at_every_system_call)
{
	kill_at_every_stop(open_of("source", 100000));
	kill_at_every_stop(open("/proc/self/limits", O_RDONLY | O_CLOEXEC));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("payload");
	TCase *tcase = tcase_create("payload");

	tcase_add_checked_fixture(tcase, begin_payload, end_payload);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, from_memory, 0, COUNT(sizes));
	tcase_add_loop_test(tcase, from_a_file, 0, COUNT(sizes));
	tcase_add_loop_test(tcase, from_a_pipe, 0, COUNT(sizes));
	tcase_add_loop_test(tcase, results, 0, 8);
	tcase_add_test(tcase, from_proc);
	tcase_add_test(tcase, all_zeroes_is_nothing);
	tcase_add_test(tcase, in_constant_memory);
	tcase_add_test(tcase, too_much);
	tcase_add_test(tcase, endless);
	tcase_add_test(tcase, too_little);
	tcase_add_test(tcase, not_to_be_read);
	tcase_add_test(tcase, sizes_in_shared_memory_are_checked);
	tcase_add_test(tcase, files_that_are_not_what_they_should_be);
	tcase_add_test(tcase, a_directory_of_somebody_else);
	tcase_add_test(tcase, a_file_left_open_by_another);
	tcase_add_test(tcase, no_space);
	tcase_add_test(tcase, killed_at_every_system_call);
	return run_suite(suite);
}
