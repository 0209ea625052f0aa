/* payload.c - long payloads and results as files of the instance directory. */
#include "payload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void file_path(char *path, size_t max, const char *directory, uint32_t slot, uint32_t gen, int which)
{
	snprintf(path, max, "%s/" PAYLOAD_DIRECTORY "/%u-%u.%s", directory, slot, gen,
	         which == JOB_FILE_PAYLOAD ? "payload" : "result");
}

static int write_file(const char *path, const void *data, size_t size, struct ym_err *err)
{
	const char *at = data;
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0)
		return ym_fail_sys(err, errno, "open(\"%s\") to store %zu bytes of a job", path, size);
	while (size > 0) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int sys = errno;

			close(fd);
			unlink(path);
			return sys == ENOSPC ? ym_fail(err, YM_ERR_FULL,
			                               "write(\"%s\"): no space left for the bytes of a job", path)
			                     : ym_fail_sys(err, sys, "write(\"%s\", %zu bytes)", path, size);
		}
		at += n;
		size -= (size_t)n;
	}
	if (close(fd) < 0)
		return ym_fail_sys(err, errno, "close(\"%s\") after writing", path);
	return 0;
}

static void *read_file(const char *path, size_t size, struct ym_err *err)
{
	char *data = malloc(size + 1);
	size_t have = 0;
	int fd;

	if (!data) {
		ym_fail(err, YM_ERR_LIMIT, "out of memory for the %zu bytes of %s", size, path);
		return NULL;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		ym_fail_sys(err, errno, "open(\"%s\") to read the bytes of a job", path);
		free(data);
		return NULL;
	}
	while (have < size) {
		ssize_t n = read(fd, data + have, size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			ym_fail(err, YM_ERR_CORRUPT, "\"%s\" has only %zu of %zu bytes", path, have, size);
			close(fd);
			free(data);
			return NULL;
		}
		have += (size_t)n;
	}
	close(fd);
	data[size] = '\0';
	return data;
}

int payload_store(const char *directory, struct job_sh *job, uint32_t slot, uint32_t gen, const void *data, size_t size,
                  struct ym_err *err)
{
	char path[PATH_MAX];

	job->payload_size = size;
	if (size <= JOB_PAYLOAD_MAX) {
		job->payload_place = JOB_PLACE_INLINE;
		if (size > 0)
			memcpy(job->payload, data, size);
		job->payload[size] = 0;
		return 0;
	}
	job->payload_place = JOB_PLACE_FILE;
	job->file_gen = gen;
	job->files |= JOB_FILE_PAYLOAD;
	file_path(path, sizeof(path), directory, slot, gen, JOB_FILE_PAYLOAD);
	return write_file(path, data, size, err);
}

int payload_store_result(const char *directory, struct job_sh *job, uint32_t slot, uint32_t gen, const void *data,
                         size_t size, struct ym_err *err)
{
	char path[PATH_MAX];

	job->result_size = size;
	if (size <= JOB_RESULT_MAX) {
		job->result_place = JOB_PLACE_INLINE;
		if (size > 0)
			memcpy(job->result, data, size);
		return 0;
	}
	job->result_place = JOB_PLACE_FILE;
	job->file_gen = gen;
	job->files |= JOB_FILE_RESULT;
	file_path(path, sizeof(path), directory, slot, gen, JOB_FILE_RESULT);
	if (write_file(path, data, size, err) == 0)
		return 0;
	job->result_size = 0;
	job->result_place = JOB_PLACE_INLINE;
	return -1;
}

static void *copy_inline(const uint8_t *from, size_t size, size_t max, struct ym_err *err)
{
	char *data;

	/* Sizes come from shared memory: checked before they are believed. */
	if (size > max) {
		ym_fail(err, YM_ERR_CORRUPT, "a job claims %zu inline bytes, at most %zu fit", size, max);
		return NULL;
	}
	data = malloc(size + 1);
	if (!data) {
		ym_fail(err, YM_ERR_LIMIT, "out of memory");
		return NULL;
	}
	memcpy(data, from, size);
	data[size] = '\0';
	return data;
}

void *payload_load(const char *directory, const struct job_sh *job, uint32_t slot, size_t *size, struct ym_err *err)
{
	char path[PATH_MAX];

	*size = job->payload_size;
	if (job->payload_place == JOB_PLACE_INLINE)
		return copy_inline(job->payload, *size, JOB_PAYLOAD_MAX, err);
	file_path(path, sizeof(path), directory, slot, job->file_gen, JOB_FILE_PAYLOAD);
	return read_file(path, *size, err);
}

void *payload_load_result(const char *directory, const struct job_sh *job, uint32_t slot, size_t *size,
                          struct ym_err *err)
{
	char path[PATH_MAX];

	*size = job->result_size;
	if (job->result_place == JOB_PLACE_INLINE)
		return copy_inline(job->result, *size, JOB_RESULT_MAX, err);
	file_path(path, sizeof(path), directory, slot, job->file_gen, JOB_FILE_RESULT);
	return read_file(path, *size, err);
}

void payload_discard(const char *directory, struct job_sh *job, uint32_t slot)
{
	char path[PATH_MAX];

	for (int which = JOB_FILE_PAYLOAD; which <= JOB_FILE_RESULT; which++) {
		if (!(job->files & which))
			continue;
		file_path(path, sizeof(path), directory, slot, job->file_gen, which);
		unlink(path);
	}
	job->files = 0;
}

void payload_discard_all(const char *directory)
{
	char path[PATH_MAX];
	DIR *files;

	snprintf(path, sizeof(path), "%s/" PAYLOAD_DIRECTORY, directory);
	files = opendir(path);
	if (!files)
		return;
	for (struct dirent *entry = readdir(files); entry; entry = readdir(files))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(files), entry->d_name, 0);
	closedir(files);
}
