/* test_trust.c - a real tree with one fault at a time. */
#include <sys/stat.h>

#include "../../runtime/trust.h"
#include "support.h"

static char where[PATH_MAX];

static const char *at(const char *name)
{
	join_path(where, name);
	return where;
}

static void make_dir(const char *name, mode_t mode)
{
	ck_assert_int_eq(mkdir(at(name), 0755), 0);
	ck_assert_int_eq(chmod(at(name), mode), 0);
}

static void make_file(const char *name, mode_t mode)
{
	write_file(name, "x", 1);
	ck_assert_int_eq(chmod(at(name), mode), 0);
}

static void make_link(const char *target, const char *name)
{
	ck_assert_int_eq(symlink(target, at(name)), 0);
}

/* Refused, and the message names the part with its mode and the remedy. */
static void assert_refused(const char *name, const char *part, const char *mode, const char *remedy)
{
	char text[3 * PATH_MAX];

	ASSERT_ERR(trust_path(at(name), &err), YM_ERR_PERMISSION);
	snprintf(text, sizeof(text), "%s%s%s on the way to %s/%s ", directory, part[0] ? "/" : "", part, directory,
	         name);
	ck_assert_msg(strncmp(err.text, text, strlen(text)) == 0, "\"%s\" does not begin with \"%s\"", err.text, text);
	ASSERT_IN(mode, err.text);
	snprintf(text, sizeof(text), "%s %s%s%s", remedy, directory, part[0] ? "/" : "", part);
	ASSERT_IN(text, err.text);
}

static void begin_tree(void)
{
	umask(022);
	begin_test();
	make_dir("a", 0755);
	make_dir("a/b", 0755);
	make_file("a/b/file", 0644);
}

START_TEST(what_is_safe)
{
	ASSERT_OK(trust_path(at("a/b/file"), &err));
	ASSERT_OK(trust_path(at("a/b"), &err));
	ASSERT_OK(trust_path("/", &err));
	ASSERT_OK(trust_path(at("a//.//b/../b/file"), &err));
	ck_assert_int_eq(chdir(directory), 0);
	ASSERT_OK(trust_path("a/b/file", &err));
	ASSERT_OK(trust_path("./a/../a/b/file", &err));
}
END_TEST

START_TEST(writable_files)
{
	chmod(at("a/b/file"), 0664);
	assert_refused("a/b/file", "a/b/file", "0664", "chmod go-w");
	chmod(at("a/b/file"), 0646);
	assert_refused("a/b/file", "a/b/file", "0646", "chmod go-w");
	/* The sticky bit of a file means nothing. */
	chmod(at("a/b/file"), 01666);
	assert_refused("a/b/file", "a/b/file", "1666", "chmod go-w");
	chmod(at("a/b/file"), 0755);
	ASSERT_OK(trust_path(at("a/b/file"), &err));
}
END_TEST

START_TEST(writable_directories)
{
	chmod(at("a/b"), 0775);
	assert_refused("a/b/file", "a/b", "0775", "chmod go-w");
	/* The one that is not safe may be far above; also for what was reached by "..". */
	chmod(at("a/b"), 0755);
	chmod(at("a"), 0757);
	assert_refused("a/b/file", "a", "0757", "chmod go-w");
	assert_refused("a/../a/b/file", "a", "0757", "chmod go-w");
	chmod(at("a"), 01777);
	ASSERT_OK(trust_path(at("a/b/file"), &err));
	chmod(directory, 0777);
	assert_refused("a/b/file", "", "0777", "chmod go-w");
}
END_TEST

START_TEST(links_are_followed)
{
	char target[PATH_MAX];

	make_dir("open", 0777);
	make_file("open/file", 0644);
	make_link("../a/b/file", "a/relative");
	make_link("/", "a/top");
	snprintf(target, sizeof(target), "%s/a/b", directory);
	make_link(target, "a/absolute");
	snprintf(target, sizeof(target), "%s/open", directory);
	make_link(target, "a/absolute_astray");
	make_link("relative", "a/chain");
	make_link("b", "a/directory");
	make_link("../open/file", "a/astray");
	make_link("../open", "a/astray_directory");
	ASSERT_OK(trust_path(at("a/relative"), &err));
	ASSERT_OK(trust_path(at("a/chain"), &err));
	ASSERT_OK(trust_path(at("a/directory/file"), &err));
	ASSERT_OK(trust_path(at("a/directory/../b/file"), &err));
	ASSERT_OK(trust_path(at("a/top/"), &err));
	ASSERT_OK(trust_path(at("a/absolute/file"), &err));
	assert_refused("a/absolute_astray/file", "open", "0777", "chmod go-w");
	assert_refused("a/astray", "open", "0777", "chmod go-w");
	assert_refused("a/astray_directory/file", "open", "0777", "chmod go-w");
	/* A link in a directory of everybody can be exchanged by everybody, wherever it leads. */
	make_link("../a/b/file", "open/link");
	assert_refused("open/link", "open", "0777", "chmod go-w");
	/* ".." is taken after the link, as the kernel does: this is open/../a, not a/../a. */
	assert_refused("a/astray_directory/../a/b/file", "open", "0777", "chmod go-w");
}
END_TEST

START_TEST(what_is_not_there)
{
	ASSERT_ERR(trust_path(at("a/missing"), &err), YM_ERR_USAGE);
	ck_assert_int_eq(err.sys, ENOENT);
	ASSERT_IN("a/missing", err.text);
	ASSERT_ERR(trust_path("", &err), YM_ERR_USAGE);
	make_link("loop", "a/loop");
	ck_assert_int_eq(trust_path(at("a/loop"), &err), -1);
	ck_assert_int_eq(err.sys, ELOOP);
	make_link("nowhere", "a/dangling");
	ASSERT_ERR(trust_path(at("a/dangling"), &err), YM_ERR_USAGE);
	ASSERT_IN("a/nowhere", err.text);
}
END_TEST

START_TEST(long_paths)
{
	char path[3 * PATH_MAX] = "/", name[300];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ASSERT_ERR(trust_path(name, &err), YM_ERR_USAGE);
	while (strlen(path) < sizeof(path) - 3)
		strcat(path, "./");
	ASSERT_ERR(trust_path(path, &err), YM_ERR_USAGE);
}
END_TEST

/* ---- owners: with a second user only ------------------------------------------------------------ */

START_TEST(other_owners)
{
	if (!have_nobody()) {
		fprintf(stderr, "other_owners: skipped, only root can give files away\n");
		return;
	}
	ck_assert_int_eq(chown(at("a/b/file"), 1, 0), 0);
	assert_refused("a/b/file", "a/b/file", "uid 1)", "chown root");
	ck_assert_int_eq(chown(at("a/b/file"), 0, 1), 0);
	ASSERT_OK(trust_path(at("a/b/file"), &err));
	ck_assert_int_eq(chown(at("a"), NOBODY, 0), 0);
	assert_refused("a/b/file", "a", "uid 65534)", "chown root");
	/* Whoever owns what lies in a sticky directory may exchange it, links too. */
	ck_assert_int_eq(chown(at("a"), 0, 0), 0);
	chmod(at("a"), 01777);
	make_link("b/file", "a/link");
	ASSERT_OK(trust_path(at("a/link"), &err));
	ck_assert_int_eq(lchown(at("a/link"), NOBODY, 0), 0);
	assert_refused("a/link", "a/link", "uid 65534)", "chown -h root");
}
END_TEST

static void as_nobody(void *arg)
{
	(void)arg;
	if (setuid(NOBODY) < 0)
		_exit(2);
	ASSERT_OK(trust_path(at("a/b/file"), &err));
	ASSERT_OK(trust_path(at("a/mine"), &err));
	ASSERT_ERR(trust_path(at("a/foreign"), &err), YM_ERR_PERMISSION);
	ASSERT_IN("It must belong to root or ", err.text);
	ASSERT_ERR(trust_path(at("a/shared"), &err), YM_ERR_PERMISSION);
}

START_TEST(not_root)
{
	if (!have_nobody()) {
		fprintf(stderr, "not_root: skipped, only root can become somebody else\n");
		return;
	}
	chmod(directory, 0755);
	make_file("a/mine", 0600);
	make_file("a/foreign", 0644);
	make_file("a/shared", 0666);
	ck_assert_int_eq(chown(at("a/mine"), NOBODY, 0), 0);
	ck_assert_int_eq(chown(at("a/shared"), NOBODY, 0), 0);
	ck_assert_int_eq(chown(at("a/foreign"), 1, 0), 0);
	run_child(as_nobody, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trust");
	TCase *tcase = tcase_create("trust");

	tcase_add_checked_fixture(tcase, begin_tree, end_test);
	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, what_is_safe);
	tcase_add_test(tcase, writable_files);
	tcase_add_test(tcase, writable_directories);
	tcase_add_test(tcase, links_are_followed);
	tcase_add_test(tcase, what_is_not_there);
	tcase_add_test(tcase, long_paths);
	tcase_add_test(tcase, other_owners);
	tcase_add_test(tcase, not_root);
	return run_suite(suite);
}
