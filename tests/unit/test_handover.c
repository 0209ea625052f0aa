/*
 * test_handover.c - what one image of the master leaves to the next: all of it comes back as it was, or none of it is taken.
 */
#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>

#include "../../runtime/handover.h"
#include "support.h"

/* Fill every number of a child with another one, the state with one there is. */
static void fill(struct handed *handed, int64_t from)
{
	int64_t next = from;

#define X(name, ...) handed->name = next++;
	HANDED_MAP(X)
	HANDED_OWNER_MAP(X)
#undef X
	handed->state = LIFE_BACKOFF;
}

static struct handed *add(struct handover *handover, const char *unit, const char *reason)
{
	struct handed *handed = handover_child(handover);

	ck_assert_ptr_nonnull(handed);
	snprintf(handed->unit, sizeof(handed->unit), "%s", unit);
	snprintf(handed->reason, sizeof(handed->reason), "%s", reason);
	return handed;
}

static void add_unit(struct handover *handover, const char *name, int64_t wanted, int64_t up, int64_t workers)
{
	struct handed_unit *unit = handover_unit(handover);

	ck_assert_ptr_nonnull(unit);
	snprintf(unit->name, sizeof(unit->name), "%s", name);
	unit->wanted = wanted;
	unit->up = up;
	unit->workers = workers;
}

static void assert_same_child(const struct handed *is, const struct handed *was)
{
	ck_assert_str_eq(is->unit, was->unit);
	ck_assert_str_eq(is->reason, was->reason);
	ck_assert_int_eq(is->number, was->number);
	ck_assert_int_eq(is->pid, was->pid);
	ck_assert_int_eq(is->fds.pidfd, was->fds.pidfd);
	for (int i = 0; i < PROCESS_STREAMS; i++)
		ck_assert_int_eq(is->fds.streams[i], was->fds.streams[i]);
#define X(name, ...)                                                                                                   \
	ck_assert_msg(is->name == was->name, "%s: %lld, not %lld", #name, (long long)is->name, (long long)was->name);
	HANDED_MAP(X)
	HANDED_OWNER_MAP(X)
#undef X
}

static void assert_same(const struct handover *is, const struct handover *was)
{
	ck_assert_int_eq(is->semid, was->semid);
	ck_assert_int_eq(is->slot, was->slot);
	ck_assert_pstr_eq(is->pidfile, was->pidfile);
	ck_assert_int_eq(is->pidfile_fd, was->pidfile_fd);
	ck_assert_uint_eq(is->nchildren, was->nchildren);
	for (size_t i = 0; i < is->nchildren; i++)
		assert_same_child(&is->children[i], &was->children[i]);
	ck_assert_uint_eq(is->nunits, was->nunits);
	for (size_t i = 0; i < is->nunits; i++) {
		ck_assert_str_eq(is->units[i].name, was->units[i].name);
		ck_assert_int_eq(is->units[i].wanted, was->units[i].wanted);
		ck_assert_int_eq(is->units[i].up, was->units[i].up);
		ck_assert_int_eq(is->units[i].workers, was->units[i].workers);
	}
}

static void pass_on(const struct handover *from, struct handover *to)
{
	int fd = handover_write(from, &err);

	ck_assert_msg(fd >= 0, "%s", err.text);
	/* It must live through an execve(). */
	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	ASSERT_OK(handover_read(fd, to, &err));
	ck_assert_msg(fcntl(fd, F_GETFD) < 0, "the memory file is still open");
}

START_TEST(test_round_trip)
{
	struct handover was = {.semid = INT32_MAX, .slot = 4095, .pidfile_fd = -1}, is;
	char path[] = "/run/a b\"\\\n/\xc3\xa4.pid", longest[LIFE_REASON_MAX];
	struct handed *handed;

	was.pidfile = path;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	handed = add(&was, "mail", "exited with code 2: cannot open \"x\\y\"\t\xe2\x82\xac");
	fill(handed, 1);
	handed->number = 7;
	handed->pid = 4194303;
	handed->fds = (struct process_fds){1001, {1002, 1003, 1004}};
	/* The ends of what there can be. */
	fill(add(&was, "a-name-of-31-bytes-is-longest-xx", longest), INT64_MAX - 40);
	fill(add(&was, "", ""), INT64_MIN);
	handed = add(&was, "others", "");
	handed->oldest = (int64_t)UINT64_MAX;
	handed->since = INT64_MIN;
	handed->status = -1;
	handed->state = LIFE_FATAL;
	handed->number = INT64_MIN;
	handed->pid = INT64_MAX;
	add_unit(&was, "mail", 1, 0, 16);
	add_unit(&was, "others", 0, 1, INT64_MAX);
	pass_on(&was, &is);
	assert_same(&is, &was);
	ck_assert_ptr_eq(handover_find_unit(&is, "others"), &is.units[1]);
	ck_assert_ptr_null(handover_find_unit(&is, "other"));
	ck_assert_ptr_null(handover_find_unit(NULL, "others"));
	handover_free(&is);
	ck_assert(is.nchildren == 0 && is.nunits == 0 && !is.children && !is.pidfile);
	was.pidfile = NULL;
	handover_free(&was);
}
END_TEST

START_TEST(test_empty)
{
	struct handover was = {0}, is;

	pass_on(&was, &is);
	assert_same(&is, &was);
	ck_assert_ptr_null(is.pidfile);
}
END_TEST

/* Entries come zeroed, whatever was in that memory. */
START_TEST(test_zeroed)
{
	struct handover handover = {0};
	struct handed *handed;

	mallopt(M_PERTURB, 0xa5);
	handed = add(&handover, "x", "");
	ck_assert_int_eq(handed->pid, 0);
#define X(name, ...) ck_assert_int_eq(handed->name, 0);
	HANDED_MAP(X)
	HANDED_OWNER_MAP(X)
#undef X
	ck_assert_int_eq(handover_unit(&handover)->workers, 0);
	handover_free(&handover);
}
END_TEST

START_TEST(test_many)
{
	struct handover was = {0}, is;
	char name[CFG_NAME_MAX];

	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "program-%d", i);
		fill(add(&was, name, "why"), i);
		add_unit(&was, name, i % 2, i % 3, i);
	}
	pass_on(&was, &is);
	assert_same(&is, &was);
	handover_free(&is);
	handover_free(&was);
}
END_TEST

/* A child may have printed anything; what can be read of it stays. */
START_TEST(test_not_utf8)
{
	static const struct {
		const char *was, *is;
	} reasons[] = {
	    {"caf\xe9 is closed", "caf? is closed"},
	    {"\xff\xfe", "??"},
	    {"cut \xe2\x82", "cut ??"},
	    {"\xc0\xaf \xed\xa0\x80 \xf5\x80\x80\x80", "?? ??? ????"},
	    {"good \xf0\x9f\x9a\x82", "good \xf0\x9f\x9a\x82"},
	};

	for (size_t i = 0; i < COUNT(reasons); i++) {
		struct handover was = {0}, is;

		fill(add(&was, "x", reasons[i].was), 3);
		pass_on(&was, &is);
		ck_assert_str_eq(is.children[0].reason, reasons[i].is);
		ck_assert_int_eq(is.children[0].state, LIFE_BACKOFF);
		handover_free(&is);
		handover_free(&was);
	}
}
END_TEST

static int put(const char *text, size_t length)
{
	int fd = memfd_create("test", 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, length), (ssize_t)length);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Descriptors go along, and are closed again in whatever the next image starts. */
START_TEST(test_descriptors)
{
	static const char no_fds[] = "{\"version\": 1, \"children\": [{}, {\"fds\": [\"1\", null, true]}]}";
	struct handover was = {0}, is;
	struct handed *handed = add(&was, "x", "");
	int *fds[] = {&handed->fds.pidfd, &handed->fds.streams[0], &handed->fds.streams[1], &handed->fds.streams[2]};

	for (size_t i = 0; i < COUNT(fds); i++)
		*fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	was.pidfile_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	handover_cloexec(&was, false);
	for (size_t i = 0; i < COUNT(fds); i++)
		ck_assert_int_eq(fcntl(*fds[i], F_GETFD), 0);
	ck_assert_int_eq(fcntl((int)was.pidfile_fd, F_GETFD), 0);
	pass_on(&was, &is);
	for (size_t i = 0; i < COUNT(fds); i++) {
		ck_assert_int_eq(fcntl(*fds[i], F_GETFD), FD_CLOEXEC);
		close(*fds[i]);
	}
	ck_assert_int_eq(fcntl((int)was.pidfile_fd, F_GETFD), FD_CLOEXEC);
	close((int)was.pidfile_fd);
	/* None is none: descriptor 0 is somebody else's. */
	handover_free(&is);
	ck_assert_ptr_nonnull(handover_child(&is));
	ck_assert(is.children[0].fds.pidfd == -1 && is.children[0].fds.streams[PROCESS_READY] == -1);
	handover_free(&is);
	ASSERT_OK(handover_read(put(no_fds, strlen(no_fds)), &is, &err));
	for (size_t i = 0; i < is.nchildren; i++) {
		ck_assert_int_eq(is.children[i].fds.pidfd, -1);
		for (int j = 0; j < PROCESS_STREAMS; j++)
			ck_assert_int_eq(is.children[i].fds.streams[j], -1);
	}
	handover_free(&is);
	handover_free(&was);
}
END_TEST

/* ---- what was not written by us -------------------------------------------------------------- */

static void assert_refused(const char *text, const char *why)
{
	struct handover is = {.nunits = 99};
	int fd = put(text, strlen(text));

	ASSERT_ERR(handover_read(fd, &is, &err), YM_ERR_BUG);
	ASSERT_IN(why, err.text);
	ck_assert(is.nunits == 0 && is.nchildren == 0 && !is.units && !is.children && !is.pidfile);
	ck_assert_msg(fcntl(fd, F_GETFD) < 0, "the memory file is still open");
}

START_TEST(test_refused)
{
	assert_refused("", "cannot be read");
	assert_refused("{\"version\": 1", "near end of file");
	assert_refused("{\"version\": 1} x", "end of file expected");
	assert_refused("{\"version\": 2}", "another version");
	assert_refused("{\"version\": \"1\"}", "another version");
	assert_refused("{}", "another version");
	assert_refused("[1]", "another version");
	/* What was read before the mistake is freed. */
	assert_refused("{\"version\": 1, \"pidfile\": \"/x\", \"children\": [{\"state\": 1}, {\"state\": 7}]}",
	               "another");
	assert_refused("{\"version\": 1, \"children\": [{\"state\": -1}]}", "another version");
	assert_refused("{\"version\": 1, \"pidfile\": \"\xff\"}", "decode");
}
END_TEST

static size_t write_down(char *text, size_t size)
{
	struct handover was = {.semid = 1, .slot = 2, .pidfile = (char[]){"/run/x.pid"}, .pidfile_fd = -1};
	ssize_t n;
	int fd;

	fill(add(&was, "mail", "why"), 100);
	add_unit(&was, "mail", 1, 1, 4);
	fd = handover_write(&was, &err);
	n = read(fd, text, size);
	ck_assert(n > 0 && (size_t)n < size);
	close(fd);
	was.pidfile = NULL;
	handover_free(&was);
	return (size_t)n;
}

/* Cut anywhere: refused. Damaged anywhere: refused or taken, but with states that there are. */
START_TEST(test_damaged)
{
	char text[4096], damaged[4096];
	size_t length = write_down(text, sizeof(text));
	struct handover is;

	for (size_t cut = 0; cut < length; cut++)
		ASSERT_ERR(handover_read(put(text, cut), &is, &err), YM_ERR_BUG);
	for (int i = 0; i < 5000; i++) {
		memcpy(damaged, text, length);
		for (unsigned n = random_below(4) + 1; n > 0; n--)
			damaged[random_below((uint32_t)length)] = (char)random_below(256);
		if (handover_read(put(damaged, length), &is, &err) == 0) {
			for (size_t j = 0; j < is.nchildren; j++)
				ck_assert(is.children[j].state >= 0 && is.children[j].state < LIFE_STATES);
			handover_free(&is);
		}
		ck_assert_ptr_null(is.children);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("handover");
	TCase *tcase = add_case(suite, "handover");

	tcase_add_test(tcase, test_round_trip);
	tcase_add_test(tcase, test_empty);
	tcase_add_test(tcase, test_zeroed);
	tcase_add_test(tcase, test_many);
	tcase_add_test(tcase, test_not_utf8);
	tcase_add_test(tcase, test_descriptors);
	tcase_add_test(tcase, test_refused);
	tcase_add_test(tcase, test_damaged);
	return run_suite(suite);
}
