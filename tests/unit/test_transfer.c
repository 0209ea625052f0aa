/* test_transfer.c - bytes out of a descriptor: from a place in a file, from where it stands, in pieces. */
#include <fcntl.h>

#include "../../runtime/transfer.h"
#include "support.h"

static int file_with(const char *text)
{
	char path[PATH_MAX];
	int fd;

	write_file("bytes", text, strlen(text));
	join_path(path, "bytes");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(read_at_an_offset)
{
	int fd = file_with("0123456789");
	char text[16] = "";
	size_t have;

	ck_assert_int_eq(lseek(fd, 3, SEEK_SET), 3);
	ck_assert_int_eq(transfer_read_at(fd, 6, text, 2, &have), TRANSFER_DONE);
	ck_assert_uint_eq(have, 2);
	ck_assert_mem_eq(text, "67", 2);
	/* Up to its end, and behind it. */
	ck_assert_int_eq(transfer_read_at(fd, 8, text, 9, &have), TRANSFER_DONE);
	ck_assert_uint_eq(have, 2);
	ck_assert_mem_eq(text, "89", 2);
	ck_assert_int_eq(transfer_read_at(fd, 10, text, 9, &have), TRANSFER_DONE);
	ck_assert_uint_eq(have, 0);
	/* Its position is what it was; that is where others read. */
	ck_assert_int_eq(transfer_read_at(fd, -1, text, 1, &have), TRANSFER_DONE);
	ck_assert_mem_eq(text, "3", 1);
	ck_assert_int_eq(transfer_read(fd, text, 1, &have), TRANSFER_DONE);
	ck_assert_mem_eq(text, "4", 1);
	close(fd);
	ck_assert_int_eq(transfer_read(fd, text, 1, &have), TRANSFER_NO_READ);
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

static void write_in_pieces(void *arg)
{
	int to = *(int *)arg;

	for (const char *at = "piece by piece"; *at; at++) {
		MUST(write(to, at, 1) == 1);
		usleep(500);
	}
}

START_TEST(read_from_a_pipe)
{
	char text[32] = "";
	size_t have;
	pid_t child;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	child = spawn(write_in_pieces, &ends[1]);
	close(ends[1]);
	ck_assert_int_eq(transfer_read(ends[0], text, sizeof(text), &have), TRANSFER_DONE);
	ck_assert_uint_eq(have, 14);
	ck_assert_str_eq(text, "piece by piece");
	/* There is no place in it. */
	ck_assert_int_eq(transfer_read_at(ends[0], 3, text, 1, &have), TRANSFER_NO_READ);
	ck_assert_int_eq(errno, ESPIPE);
	close(ends[0]);
	reap_well(child);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("transfer");
	TCase *tcase = add_case(suite, "reading");

	tcase_add_test(tcase, read_at_an_offset);
	tcase_add_test(tcase, read_from_a_pipe);
	return run_suite(suite);
}
