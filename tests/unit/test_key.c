/* test_key.c - ftok, crc32 keys, keys as users write them, and key files. */
#include <dirent.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "../../ipc/key.h"
#include "support.h"

/* ---- ftok and names -------------------------------------------------------------------------- */

START_TEST(ftok_is_the_one_of_libc)
{
	static const char *const paths[] = {"/",         "/tmp",        "/proc", "/proc/self/stat",
	                                    "/dev/null", "/etc/passwd", "/sys"};
	char path[PATH_MAX], name[32];
	key_t key;

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		write_file(name, "", 0);
		join_path(path, name);
		/* All bytes; of larger numbers the lowest one counts. */
		for (int project = 1; project < 0x100; project++) {
			ASSERT_OK(ym_ftok(path, project, &key, &err));
			ck_assert_int_eq(key, ftok(path, project));
		}
		ASSERT_OK(ym_ftok(path, 'y' + 0x300, &key, &err));
		ck_assert_int_eq(key, ftok(path, 'y'));
	}
	for (size_t i = 0; i < COUNT(paths); i++) {
		ASSERT_OK(ym_ftok(paths[i], 'y', &key, &err));
		ck_assert_int_eq(key, ftok(paths[i], 'y'));
	}
}
END_TEST

/* The file counts, not its name. */
START_TEST(ftok_of_links)
{
	char path[PATH_MAX], other[PATH_MAX];
	key_t key, same;

	write_file("file", "", 0);
	join_path(path, "file");
	ASSERT_OK(ym_ftok(path, 0, &key, &err));
	ck_assert_int_eq(key, ftok(path, 0));
	join_path(other, "symbolic");
	ck_assert_int_eq(symlink("file", other), 0);
	ASSERT_OK(ym_ftok(other, 0, &same, &err));
	ck_assert_int_eq(same, key);
	join_path(other, "hard");
	ck_assert_int_eq(link(path, other), 0);
	ASSERT_OK(ym_ftok(other, 0, &same, &err));
	ck_assert_int_eq(same, key);
}
END_TEST

START_TEST(ftok_of_a_missing_file)
{
	key_t key;

	ASSERT_ERR(ym_ftok("/nonexistent/file", 'y', &key, &err), YM_ERR_USAGE);
	ck_assert_int_eq(err.sys, ENOENT);
	ASSERT_IN("/nonexistent/file", err.text);
}
END_TEST

START_TEST(names_are_crc32)
{
	static const struct {
		const char *name;
		uint32_t crc;
	} rows[] = {
	    {"123456789", 0xcbf43926}, {"a", 0xe8b7be43}, {"The quick brown fox jumps over the lazy dog", 0x414fa339},
	    {"\xff", 0xff000000},      {"", 1}, /* crc 0 cannot be a key */
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_uint_eq((uint32_t)ym_key_from_name(rows[i].name), rows[i].crc);
}
END_TEST

START_TEST(crc32_of_bytes)
{
	char bytes[256];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	ck_assert_uint_eq(ym_crc32("", 0), 0);
	ck_assert_uint_eq(ym_crc32("\0\0\0\0", 4), 0x2144df1c);
	ck_assert_uint_eq(ym_crc32("123456789", 9), 0xcbf43926);
	ck_assert_uint_eq(ym_crc32(bytes, sizeof(bytes)), 0x29058c73);
	ck_assert_uint_eq(ym_crc32("\xff\xff\xff\xff", 4), 0xffffffff);
}
END_TEST

/* The four bytes whose crc is the one that is no key; found by running the crc backwards. */
START_TEST(a_name_is_never_minus_one)
{
	ck_assert_int_eq(ym_key_from_name("\xff\xff\xff\xff"), (key_t)0xfffffffe);
}
END_TEST

/* ---- keys as text ---------------------------------------------------------------------------- */

START_TEST(parse_good)
{
	static const struct {
		const char *text;
		uint32_t key;
	} rows[] = {
	    {"1", 1},
	    {"4711", 4711},
	    {"4294967295", 0xffffffff},
	    {"-1", 0xffffffff},
	    {"-2147483648", 0x80000000},
	    {"2147483648", 0x80000000},
	    {"010", 10},
	    {"0x1", 1},
	    {"0xdeadBEEF", 0xdeadbeef},
	    {"0X10", 16},
	    {"name:123456789", 0xcbf43926},
	    {"name:a", 0xe8b7be43},
	};
	char text[PATH_MAX + 4], path[PATH_MAX];
	key_t key;

	for (size_t i = 0; i < COUNT(rows); i++) {
		ASSERT_OK(ym_key_parse(rows[i].text, &key, &err));
		ck_assert_uint_eq((uint32_t)key, rows[i].key);
	}
	write_file("with:colon", "", 0);
	join_path(path, "with:colon");
	snprintf(text, sizeof(text), "%s:q", path);
	ASSERT_OK(ym_key_parse(text, &key, &err));
	ck_assert_int_eq(key, ftok(path, 'q'));
	for (int byte = 1; byte < 0x100; byte++) {
		snprintf(text, sizeof(text), "%s:%c", path, byte);
		ASSERT_OK(ym_key_parse(text, &key, &err));
		ck_assert_int_eq(key, ftok(path, byte));
	}
}
END_TEST

START_TEST(parse_bad)
{
	static const char *const rows[] = {
	    "",     "0",          "0x0",         "abc",         "12x",   "0x",
	    "0xg",  "4294967296", "0x100000000", "-2147483649", "name:", "99999999999999999999",
	    "/tmp", "/tmp:",      "/tmp:yy",     ":y",          "1 2",   "/nonexistent/file:y",
	    " 1",   "+1",         "\t7",         "-",           "-0x10", "-0",
	    "0x-1", "1e3",        ":",           "::",          "name"};
	char longer[PATH_MAX + 16];
	key_t key;

	for (size_t i = 0; i < COUNT(rows); i++) {
		err.class = YM_ERR_NONE;
		ck_assert_msg(ym_key_parse(rows[i], &key, &err) == -1, "\"%s\" was taken for a key", rows[i]);
		ck_assert_int_eq(ym_err_exit_code(err.class), 2);
		ck_assert_uint_gt(strlen(err.text), 0);
	}
	memset(longer, 'x', sizeof(longer));
	strcpy(longer + sizeof(longer) - 3, ":y");
	ASSERT_ERR(ym_key_parse(longer, &key, &err), YM_ERR_USAGE);
}
END_TEST

/* ---- key files ------------------------------------------------------------------------------- */

struct taken {
	int clashes; /* so many keys are said to be taken */
	int asked;
	ino_t inodes[128]; /* of the file when it was asked */
	key_t last;
};

static bool taken(key_t key, void *arg)
{
	struct taken *t = arg;
	char path[PATH_MAX];
	struct stat st;

	join_path(path, "board");
	if (stat(path, &st) == 0) {
		/* The file that was there first is not held, so its inode may come once more. */
		for (int i = 1; i < t->asked; i++)
			ck_assert_msg(t->inodes[i] != st.st_ino, "a rejected file came back");
		t->inodes[t->asked] = st.st_ino;
	}
	t->last = key;
	return t->asked++ < t->clashes;
}

START_TEST(keyfile_must_exist_for_a_guest)
{
	char path[PATH_MAX];
	key_t key;

	ASSERT_ERR(ym_keyfile(directory, "board", NULL, NULL, &key, &err), YM_ERR_NOT_RUNNING);
	join_path(path, "board");
	ASSERT_IN(path, err.text);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(ym_keyfile("/nonexistent", "board", NULL, NULL, &key, &err), -1);
	ck_assert_int_eq(ym_keyfile("/etc/passwd", "board", NULL, NULL, &key, &err), -1);
}
END_TEST

START_TEST(keyfile_is_made_once)
{
	struct taken none = {0};
	char path[PATH_MAX];
	key_t key, again, guest;
	struct stat st;

	umask(022);
	ASSERT_OK(ym_keyfile(directory, "board", taken, &none, &key, &err));
	join_path(path, "board");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0644);
	ck_assert_int_eq(key, ftok(path, YM_KEY_PROJECT));
	none.asked = 0;
	ASSERT_OK(ym_keyfile(directory, "board", taken, &none, &again, &err));
	ASSERT_OK(ym_keyfile(directory, "board", NULL, NULL, &guest, &err));
	ck_assert_int_eq(again, key);
	ck_assert_int_eq(guest, key);
}
END_TEST

START_TEST(keyfile_is_replaced_while_its_key_is_taken)
{
	static const int clashes[] = {1, 2, 7, 40};
	char path[PATH_MAX];

	join_path(path, "board");
	for (size_t i = 0; i < COUNT(clashes); i++) {
		struct taken some = {.clashes = clashes[i]};
		struct stat before, after;
		key_t key;

		write_file("board", "", 0);
		ck_assert_int_eq(stat(path, &before), 0);
		ASSERT_OK(ym_keyfile(directory, "board", taken, &some, &key, &err));
		ck_assert_int_eq(stat(path, &after), 0);
		if (clashes[i] == 1)
			ck_assert(before.st_ino != after.st_ino);
		ck_assert_int_eq(some.asked, clashes[i] + 1);
		ck_assert_int_eq(key, some.last);
		ck_assert_int_eq(key, ftok(path, YM_KEY_PROJECT));
		ck_assert_int_ne(key, IPC_PRIVATE);
		ck_assert_int_ne(key, -1);
	}
}
END_TEST

START_TEST(keyfile_gives_up_in_the_end)
{
	struct taken all = {.clashes = INT_MAX};
	int files = 0, fd, next;
	struct dirent *entry;
	DIR *dir;
	key_t key;

	fd = dup(0);
	ASSERT_ERR(ym_keyfile(directory, "board", taken, &all, &key, &err), YM_ERR_FOREIGN);
	ASSERT_IN("ipcs", err.text);
	next = dup(0);
	ck_assert_msg(next == fd + 1, "descriptors were left open");
	close(next);
	close(fd);
	ck_assert_int_ge(all.asked, 16);
	dir = opendir(directory);
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)))
		files += entry->d_name[0] != '.';
	closedir(dir);
	ck_assert_msg(files == 1, "%d files instead of one key file", files);
}
END_TEST

START_TEST(keyfile_needs_a_directory_it_can_write_to)
{
	struct taken none = {0};
	char longer[PATH_MAX + 8];
	key_t key;

	ck_assert_int_eq(ym_keyfile("/proc", "board", taken, &none, &key, &err), -1);
	ASSERT_IN("/proc/board", err.text);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	ASSERT_ERR(ym_keyfile(longer, "board", taken, &none, &key, &err), YM_ERR_USAGE);
}
END_TEST

/* ---- keys of other objects ------------------------------------------------------------------- */

START_TEST(in_use_by_any_kind_of_object)
{
	key_t key = (key_t)0x5afe0001;
	int id;

	ck_assert(!ym_key_in_use(key, NULL));
	id = shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0600);
	ck_assert(ym_key_in_use(key, NULL));
	ck_assert_int_eq(shmctl(id, IPC_RMID, NULL), 0);
	id = msgget(key, IPC_CREAT | IPC_EXCL | 0600);
	ck_assert(ym_key_in_use(key, NULL));
	ck_assert_int_eq(msgctl(id, IPC_RMID, NULL), 0);
	id = semget(key, 1, IPC_CREAT | IPC_EXCL | 0600);
	ck_assert(ym_key_in_use(key, NULL));
	ck_assert_int_eq(semctl(id, 0, IPC_RMID), 0);
	ck_assert(!ym_key_in_use(key, NULL));
	/* Nobody can use that key, and asking for it makes nothing. */
	ck_assert(ym_key_in_use(IPC_PRIVATE, NULL));
	assert_nothing_left();
}
END_TEST

START_TEST(keyfile_avoids_the_objects_that_are_there)
{
	char path[PATH_MAX];
	key_t key, taken_key;
	int id;

	write_file("board", "", 0);
	join_path(path, "board");
	taken_key = ftok(path, YM_KEY_PROJECT);
	id = msgget(taken_key, IPC_CREAT | IPC_EXCL | 0600);
	ck_assert_int_ge(id, 0);
	ASSERT_OK(ym_keyfile(directory, "board", ym_key_in_use, NULL, &key, &err));
	ck_assert_int_ne(key, taken_key);
	ck_assert_int_eq(key, ftok(path, YM_KEY_PROJECT));
	ck_assert_int_eq(msgctl(id, IPC_RMID, NULL), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("key");
	TCase *tcase = add_case(suite, "key");

	tcase_add_test(tcase, ftok_is_the_one_of_libc);
	tcase_add_test(tcase, ftok_of_links);
	tcase_add_test(tcase, ftok_of_a_missing_file);
	tcase_add_test(tcase, names_are_crc32);
	tcase_add_test(tcase, crc32_of_bytes);
	tcase_add_test(tcase, a_name_is_never_minus_one);
	tcase_add_test(tcase, parse_good);
	tcase_add_test(tcase, parse_bad);
	tcase_add_test(tcase, keyfile_must_exist_for_a_guest);
	tcase_add_test(tcase, keyfile_is_made_once);
	tcase_add_test(tcase, keyfile_is_replaced_while_its_key_is_taken);
	tcase_add_test(tcase, keyfile_gives_up_in_the_end);
	tcase_add_test(tcase, keyfile_needs_a_directory_it_can_write_to);
	tcase_add_test(tcase, in_use_by_any_kind_of_object);
	tcase_add_test(tcase, keyfile_avoids_the_objects_that_are_there);
	return run_suite(suite);
}
