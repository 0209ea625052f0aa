/*
 * test_roster.c - the pids of programs outlive a master, and name no other process.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../../ipc/procfs.h"
#include "../../runtime/log.h"
#include "../../runtime/roster.h"
#include "support.h"

#define HEADER       16
#define ENTRY        160
#define BOOT_OFFSET  12
#define ROSTER_BYTES (HEADER + ROSTER_ENTRIES * ENTRY)

static struct roster *roster;
static char path[PATH_MAX], aside[PATH_MAX];
static pid_t child;

static void begin(void)
{
	begin_test();
	log_set_level("error");
	join_path(path, "roster");
	join_path(aside, "roster.old");
}

static void end(void)
{
	roster_close(roster);
	roster = NULL;
	if (child)
		kill_and_reap(child);
	child = 0;
	end_test();
}

static void open_it(void)
{
	ASSERT_OK(roster_open(&roster, directory, &err));
}

/* The file stays: a master that is killed closes nothing. */
static void crash(void)
{
	roster_close(roster);
	roster = NULL;
}

static void forever(void *arg)
{
	(void)arg;
	sleep_for_ever();
}

static struct roster_entry *entry(const char *name)
{
	struct roster_entry *found = roster_entry(roster, name);

	ck_assert_msg(found != NULL, "no entry %s", name);
	return found;
}

static void assert_lives(const char *name, bool lives)
{
	int fd = roster_find(entry(name));

	ck_assert_msg((fd >= 0) == lives, "%s", name);
	if (fd >= 0)
		close(fd);
}

/* Change bytes of the file while nobody has it open. */
static void poke(off_t at, const void *bytes, size_t size)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(pwrite(fd, bytes, size, at), (ssize_t)size);
	close(fd);
}

static void count(void *arg, struct roster_entry *each)
{
	ck_assert_int_ne(atomic_load(&each->pid), 0);
	++*(unsigned *)arg;
}

static unsigned entered(void)
{
	unsigned n = 0;

	roster_each(roster, count, &n);
	return n;
}

START_TEST(test_survives)
{
	struct stat st;

	open_it();
	child = spawn(forever, NULL);
	ck_assert_uint_eq(entered(), 0);
	roster_enter(entry("web"), child);
	entry("idle");
	ck_assert_uint_eq(entered(), 1);
	crash();
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, ROSTER_BYTES);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	open_it();
	ck_assert_uint_eq(entered(), 1);
	ck_assert_int_eq(atomic_load(&entry("web")->pid), child);
	ck_assert_ptr_eq(entry("web"), entry("web"));
	ck_assert_ptr_ne(entry("web"), entry("idle"));
	assert_lives("web", true);
	assert_lives("idle", false);
	/* The descriptor is of that very process. */
	{
		int fd = roster_find(entry("web"));

		ck_assert_int_eq((int)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0), 0);
		close(fd);
	}
	ck_assert_int_eq(reap(child), SIGKILL);
	child = 0;
	assert_lives("web", false);
	/* Nobody is in it any more: it goes. */
	roster_clear(entry("web"));
	ck_assert_uint_eq(entered(), 0);
	crash();
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

/* A pid that another process has got since. */
START_TEST(test_pid_reused)
{
	struct roster_entry *web;

	open_it();
	child = spawn(forever, NULL);
	web = entry("web");
	roster_enter(web, child);
	assert_lives("web", true);
	ck_assert_uint_eq(web->started, ym_process_started(child));
	web->started--;
	assert_lives("web", false);
	web->started += 2;
	assert_lives("web", false);
	web->started = 0;
	assert_lives("web", false);
	/* Pids that nobody can have. */
	atomic_store(&web->pid, -1);
	assert_lives("web", false);
	atomic_store(&web->pid, INT32_MAX);
	assert_lives("web", false);
	roster_enter(web, child);
	assert_lives("web", true);
}
END_TEST

START_TEST(test_other_boot)
{
	uint32_t boot;
	int fd;

	open_it();
	child = spawn(forever, NULL);
	roster_enter(entry("web"), child);
	crash();
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, &boot, sizeof(boot), BOOT_OFFSET), sizeof(boot));
	close(fd);
	boot++;
	poke(BOOT_OFFSET, &boot, sizeof(boot));
	open_it();
	ck_assert_uint_eq(entered(), 0);
	assert_lives("web", false);
	/* From now on it is of this boot. */
	roster_enter(entry("web"), child);
	crash();
	open_it();
	assert_lives("web", true);
	ck_assert_int_eq(access(aside, F_OK), -1);
}
END_TEST

static void assert_put_aside(void)
{
	ck_assert_msg(access(aside, F_OK) == 0, "nothing was put aside");
	ck_assert_uint_eq(entered(), 0);
	ck_assert_int_eq(unlink(aside), 0);
	/* The new one works. */
	roster_enter(entry("web"), child);
	crash();
	open_it();
	assert_lives("web", true);
	crash();
}

START_TEST(test_damaged)
{
	static const uint32_t version = 3;
	char name[ROSTER_NAME_MAX];

	child = spawn(forever, NULL);
	/* Too short, too long. */
	write_file("roster", "x", 1);
	open_it();
	assert_put_aside();
	ck_assert_int_eq(truncate(path, ROSTER_BYTES + 1), 0);
	open_it();
	assert_put_aside();
	/* Another program's, another version's. */
	poke(0, "ymrostes", 8);
	open_it();
	assert_put_aside();
	poke(8, &version, sizeof(version));
	open_it();
	assert_put_aside();
	/* A name without end: of the first and of the last entry. */
	memset(name, 'x', sizeof(name));
	poke(HEADER, name, sizeof(name));
	open_it();
	assert_put_aside();
	poke(HEADER + (ROSTER_ENTRIES - 1) * ENTRY, name, sizeof(name));
	open_it();
	assert_put_aside();
}
END_TEST

START_TEST(test_full)
{
	char name[ROSTER_NAME_MAX];

	open_it();
	child = spawn(forever, NULL);
	for (unsigned i = 0; i < ROSTER_ENTRIES; i++) {
		snprintf(name, sizeof(name), "web_%u", i);
		roster_enter(entry(name), child);
	}
	ck_assert_uint_eq(entered(), ROSTER_ENTRIES);
	ck_assert_ptr_null(roster_entry(roster, "one more"));
	/* Those that are in it are still found, also by the next master. */
	assert_lives("web_0", true);
	assert_lives("web_1023", true);
	crash();
	open_it();
	ck_assert_uint_eq(entered(), ROSTER_ENTRIES);
	ck_assert_ptr_null(roster_entry(roster, "one more"));
	assert_lives("web_1023", true);
}
END_TEST

/* The longest name there can be is one name, and not another's beginning. */
START_TEST(test_names)
{
	char name[ROSTER_NAME_MAX];

	open_it();
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_ptr_eq(entry(name), entry(name));
	ck_assert_ptr_ne(entry("web"), entry("we"));
	ck_assert_ptr_ne(entry("web"), entry("web_1"));
}
END_TEST

START_TEST(test_no_place)
{
	char target[PATH_MAX];

	ASSERT_ERR(roster_open(&roster, "/nowhere/at/all", &err), YM_ERR_USAGE);
	ASSERT_IN("/nowhere/at/all/roster", err.text);
	/* A link may lead anywhere. */
	join_path(target, "target");
	ck_assert_int_eq(symlink(target, path), 0);
	ck_assert_int_eq(roster_open(&roster, directory, &err), -1);
	ck_assert_int_eq(err.sys, ELOOP);
	ck_assert_int_eq(access(target, F_OK), -1);
	roster_close(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("roster");
	TCase *tcase = tcase_create("roster");

	tcase_add_checked_fixture(tcase, begin, end);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, test_survives);
	tcase_add_test(tcase, test_pid_reused);
	tcase_add_test(tcase, test_other_boot);
	tcase_add_test(tcase, test_damaged);
	tcase_add_test(tcase, test_full);
	tcase_add_test(tcase, test_names);
	tcase_add_test(tcase, test_no_place);
	return run_suite(suite);
}
