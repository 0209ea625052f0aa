/* payload.c - long payloads and results as files of the instance directory. */
#include "payload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "share.h"
#include "transfer.h"

/* Where bytes go: the payload or the result of a job. */
struct part {
	const char *directory;
	struct job_sh *job;
	uint32_t slot, gen;
	int which; /* JOB_FILE_... */
};

static const char *name_of(int which)
{
	return which == JOB_FILE_PAYLOAD ? "payload" : "result";
}

static size_t room_of(int which)
{
	return which == JOB_FILE_PAYLOAD ? JOB_PAYLOAD_MAX : JOB_RESULT_MAX;
}

static void file_path(char *path, size_t max, const char *directory, uint32_t slot, uint32_t gen, int which)
{
	snprintf(path, max, "%s/" PAYLOAD_DIRECTORY "/%u-%u.%s", directory, slot, gen, name_of(which));
}

/* ---- writing --------------------------------------------------------------------------------- */

/* A source whose beginning is in memory, so that short ones are known before a file is made. */
struct stream {
	const void *head;
	size_t head_size;
	int fd;
	uint64_t rest;     /* bytes that follow from fd, UINT64_MAX: until its end */
	uint64_t expected; /* bytes in all, UINT64_MAX: not known */
	uint8_t buffer[JOB_PAYLOAD_MAX + 1];
};
_Static_assert(JOB_RESULT_MAX <= JOB_PAYLOAD_MAX, "size of the buffer");

static int too_much(int which, uint64_t size, uint64_t max, struct ym_err *err)
{
	return ym_fail(err, YM_ERR_USAGE, "the %s has %s%llu bytes, payload_max allows %llu", name_of(which),
	               size == UINT64_MAX ? "more than " : "", (unsigned long long)(size == UINT64_MAX ? max : size),
	               (unsigned long long)max);
}

static int ends_early(const struct part *part, uint64_t have, uint64_t size, struct ym_err *err)
{
	return ym_fail(err, YM_ERR_CORRUPT, "the %s was said to have %llu bytes, but ends after %llu",
	               name_of(part->which), (unsigned long long)size, (unsigned long long)have);
}

static int cannot_read(const struct part *part, int fd, int sys, struct ym_err *err)
{
	return ym_fail_sys(err, sys, "read(descriptor %d) for the %s", fd, name_of(part->which));
}

/* Bytes that follow in a regular file, 0 if that is not known. */
static uint64_t remaining(int fd)
{
	struct stat st;
	off_t at;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	at = lseek(fd, 0, SEEK_CUR);
	return at >= 0 && at < st.st_size ? (uint64_t)(st.st_size - at) : 0;
}

/* Bytes it will have as far as is known before they are read, else 0. */
static uint64_t known_size(const struct payload_source *source)
{
	return !source->data && source->size == PAYLOAD_TO_END ? remaining(source->fd) : source->size;
}

int payload_check(const struct payload_source *source, uint64_t max, struct ym_err *err)
{
	uint64_t size = known_size(source);

	return size > max ? too_much(JOB_FILE_PAYLOAD, size, max, err) : 0;
}

static int open_stream(struct stream *stream, const struct part *part, const struct payload_source *source,
                       uint64_t max, struct ym_err *err)
{
	bool to_end = !source->data && source->size == PAYLOAD_TO_END;
	uint64_t size = known_size(source);
	size_t room = room_of(part->which), wanted;

	if (size > max)
		return too_much(part->which, size, max, err);
	stream->head = source->data ? source->data : stream->buffer;
	stream->head_size = source->data ? source->size : 0;
	stream->fd = source->fd;
	stream->rest = 0;
	stream->expected = to_end && size == 0 ? UINT64_MAX : size;
	if (source->data || source->size == 0)
		return 0;
	stream->rest = to_end ? UINT64_MAX : size;
	/* Long without doubt: the file stays aligned with its source, so the file system may share the blocks. */
	if (size > room)
		return 0;
	wanted = to_end ? room + 1 : (size_t)size;
	if (transfer_read(source->fd, stream->buffer, wanted, &stream->head_size) != TRANSFER_DONE)
		return cannot_read(part, source->fd, errno, err);
	if (!to_end && stream->head_size < wanted)
		return ends_early(part, stream->head_size, size, err);
	if (!to_end || stream->head_size < wanted)
		stream->rest = 0;
	return 0;
}

/* `call` has failed, and the first `have` bytes are written. */
static int cannot_write(const struct part *part, const struct stream *stream, const char *call, const char *path,
                        uint64_t have, struct ym_err *err)
{
	char how_many[64];
	int sys = errno;

	if (sys != ENOSPC && sys != EDQUOT && sys != EFBIG)
		return ym_fail_sys(err, sys, "%s(\"%s\") to store a %s", call, path, name_of(part->which));
	if (stream->expected == UINT64_MAX)
		snprintf(how_many, sizeof(how_many), "more than %llu bytes", (unsigned long long)have);
	else
		snprintf(how_many, sizeof(how_many), "%llu bytes, %llu of them missing,",
		         (unsigned long long)stream->expected, (unsigned long long)(stream->expected - have));
	return ym_fail(err, YM_ERR_FULL,
	               "no room for a %s of %s in \"%s\": %s: free space there, or let `directory` be on a larger disk",
	               name_of(part->which), how_many, path, strerror(sys));
}

/*
 * A file that nobody else has open. One of that name may have been left by a process that was killed, or is stopped and
 * will write on: it must not be the same file then.
 */
static int create_file(const char *directory, const char *path)
{
	const int flags = O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC;
	int fd = open(path, flags, 0600), sys;

	if (fd < 0 && errno == EEXIST && unlink(path) == 0)
		fd = open(path, flags, 0600);
	/* Others read it, and nobody changes it while they do. */
	if (fd < 0 || share_file(directory, fd, 0640) == 0)
		return fd;
	sys = errno;
	close(fd);
	unlink(path);
	errno = sys;
	return -1;
}

/* *size: how many bytes there were. */
static int write_stream(int fd, const char *path, const struct stream *stream, const struct part *part, uint64_t max,
                        uint64_t *size, struct ym_err *err)
{
	bool to_end = stream->rest == UINT64_MAX;
	uint64_t copied = 0;
	enum transfer_end end;

	*size = 0;
	end = transfer_write(fd, stream->head, stream->head_size, size);
	/* One byte more than is allowed shows that there is more. */
	if (end == TRANSFER_DONE && stream->rest > 0)
		end = transfer(fd, stream->fd, to_end ? max - *size + 1 : stream->rest, &copied);
	*size += copied;
	if (end == TRANSFER_NO_READ)
		return cannot_read(part, stream->fd, errno, err);
	if (end == TRANSFER_NO_WRITE)
		return cannot_write(part, stream, "write", path, *size, err);
	if (*size > max)
		return too_much(part->which, UINT64_MAX, max, err);
	return to_end || *size == stream->expected ? 0 : ends_early(part, *size, stream->expected, err);
}

static int store_file(const struct part *part, const struct stream *stream, uint64_t max, uint64_t *size,
                      struct ym_err *err)
{
	char path[PATH_MAX];
	int fd, result;

	/* Before there is a file: who clears up after us if we are killed must know of it. */
	part->job->file_gen = part->gen;
	part->job->files |= (uint8_t)part->which;
	file_path(path, sizeof(path), part->directory, part->slot, part->gen, part->which);
	fd = create_file(part->directory, path);
	if (fd < 0) {
		cannot_write(part, stream, "open", path, 0, err);
	} else {
		result = write_stream(fd, path, stream, part, max, size, err);
		if (close(fd) < 0 && result == 0)
			result = cannot_write(part, stream, "close", path, *size, err);
		if (result == 0)
			return 0;
		unlink(path);
	}
	part->job->files &= (uint8_t)~part->which;
	return -1;
}

/* *place and *size say afterwards where the bytes are: `bytes`, or the file. */
static int store(const struct part *part, const struct payload_source *source, uint64_t max, uint8_t *bytes,
                 uint8_t *place, uint64_t *size, struct ym_err *err)
{
	struct stream stream;

	*place = JOB_PLACE_INLINE;
	*size = 0;
	if (open_stream(&stream, part, source, max, err) < 0)
		return -1;
	if (stream.rest == 0 && stream.head_size <= room_of(part->which)) {
		*size = stream.head_size;
		if (stream.head_size > 0)
			memcpy(bytes, stream.head, stream.head_size);
		return 0;
	}
	if (store_file(part, &stream, max, size, err) < 0) {
		*size = 0;
		return -1;
	}
	*place = JOB_PLACE_FILE;
	return 0;
}

int payload_store(const char *directory, struct job_sh *job, uint32_t slot, uint32_t gen,
                  const struct payload_source *source, uint64_t max, struct ym_err *err)
{
	const struct part part = {directory, job, slot, gen, JOB_FILE_PAYLOAD};

	if (store(&part, source, max, job->payload, &job->payload_place, &job->payload_size, err) < 0)
		return -1;
	if (job->payload_place == JOB_PLACE_INLINE)
		job->payload[job->payload_size] = 0;
	return 0;
}

int payload_store_result(const char *directory, struct job_sh *job, uint32_t slot, uint32_t gen,
                         const struct payload_source *source, uint64_t max, struct ym_err *err)
{
	const struct part part = {directory, job, slot, gen, JOB_FILE_RESULT};

	return store(&part, source, max, job->result, &job->result_place, &job->result_size, err);
}

/* ---- reading --------------------------------------------------------------------------------- */

static int copy_inline(struct payload *payload, const uint8_t *from, size_t max, struct ym_err *err)
{
	char *data;

	/* Sizes come from shared memory: checked before they are believed. */
	if (payload->size > max)
		return ym_fail(err, YM_ERR_CORRUPT, "a job claims %zu inline bytes, at most %zu fit", payload->size,
		               max);
	data = malloc(payload->size + 1);
	if (!data)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	memcpy(data, from, payload->size);
	data[payload->size] = '\0';
	payload->data = payload->memory = data;
	return 0;
}

/*
 * Map the file over zeroed memory that is one byte longer: a NUL follows also when the file fills its last page. Read
 * only: such a mapping costs no memory of the process, whatever the kernel is told about overcommitting.
 */
static int map_file(struct payload *payload, struct ym_err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = (payload->size / page + 1) * page;
	void *data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (data == MAP_FAILED)
		return ym_fail_sys(err, errno, "mmap(%zu bytes) to read \"%s\"", bytes, payload->path);
	payload->data = payload->memory = data;
	payload->mapped = bytes;
	if (payload->size > 0 &&
	    mmap(data, payload->size, PROT_READ, MAP_PRIVATE | MAP_FIXED, payload->fd, 0) == MAP_FAILED)
		return ym_fail_sys(err, errno, "mmap(\"%s\", %zu bytes) to read it", payload->path, payload->size);
	return 0;
}

static int open_file(struct payload *payload, const char *directory, const struct job_sh *job, uint32_t slot, int which,
                     struct ym_err *err)
{
	char path[PATH_MAX];
	struct stat st;

	file_path(path, sizeof(path), directory, slot, job->file_gen, which);
	payload->path = strdup(path);
	if (!payload->path)
		return ym_fail(err, YM_ERR_LIMIT, "out of memory");
	payload->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (payload->fd < 0 || fstat(payload->fd, &st) < 0)
		return ym_fail_sys(err, errno, "open(\"%s\") to read the bytes of a job", path);
	/* Who shares jobs/ with us must not make us read for him what he cannot read himself, or wait for ever. */
	if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
		return ym_fail(err, YM_ERR_FOREIGN,
		               "\"%s\" is no file of a job (a regular file with one name): not read", path);
	/* Behind the end of a file there is nothing to read but SIGBUS. */
	if ((uint64_t)st.st_size != payload->size)
		return ym_fail(err, YM_ERR_CORRUPT, "\"%s\" has %lld bytes, but the job says %zu", path,
		               (long long)st.st_size, payload->size);
	return map_file(payload, err);
}

int payload_open(const char *directory, const struct job_sh *job, uint32_t slot, struct payload *payload,
                 struct ym_err *err)
{
	*payload = (struct payload){.size = job->payload_size, .fd = -1};
	if (job->payload_place == JOB_PLACE_INLINE)
		return copy_inline(payload, job->payload, JOB_PAYLOAD_MAX, err);
	return open_file(payload, directory, job, slot, JOB_FILE_PAYLOAD, err);
}

int payload_open_result(const char *directory, const struct job_sh *job, uint32_t slot, struct payload *payload,
                        struct ym_err *err)
{
	*payload = (struct payload){.size = job->result_size, .fd = -1};
	if (job->result_place == JOB_PLACE_INLINE)
		return copy_inline(payload, job->result, JOB_RESULT_MAX, err);
	return open_file(payload, directory, job, slot, JOB_FILE_RESULT, err);
}

void payload_close(struct payload *payload)
{
	if (payload->mapped > 0)
		munmap(payload->memory, payload->mapped);
	else
		free(payload->memory);
	if (payload->fd >= 0)
		close(payload->fd);
	free(payload->path);
	*payload = (struct payload){.fd = -1};
}

const char *payload_path(const struct payload *payload)
{
	return payload->path;
}

/* For bytes that were in the table. */
static int make_memory_file(const struct payload *payload, struct ym_err *err)
{
	const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	uint64_t copied = 0;
	int fd = memfd_create("payload", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return ym_fail_sys(err, errno, "memfd_create() for the %zu bytes of a job", payload->size);
	if (transfer_write(fd, payload->data, payload->size, &copied) == TRANSFER_DONE &&
	    fcntl(fd, F_ADD_SEALS, seals) == 0)
		return fd;
	ym_fail_sys(err, errno, "write(memory file, %zu bytes)", payload->size);
	close(fd);
	return -1;
}

int payload_fd(struct payload *payload, struct ym_err *err)
{
	if (payload->fd < 0)
		payload->fd = make_memory_file(payload, err);
	if (payload->fd >= 0)
		lseek(payload->fd, 0, SEEK_SET);
	return payload->fd;
}

/* ---- removing -------------------------------------------------------------------------------- */

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
