/* job_scan.c - characters, strings, numbers. */
#include "job_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../transfer.h"

/* As deep as members that we do not know may go. */
#define DEPTH_MAX 32

/* ---- characters ------------------------------------------------------------------------------ */

void scan_step(struct job_reader *reader)
{
	reader->next = getc_unlocked(reader->from);
}

int scan_wrong(struct job_reader *reader, const char *what)
{
	if (reader->next == EOF && ferror(reader->from))
		return ym_fail_sys(reader->err, errno, "read(line %llu)", (unsigned long long)reader->line);
	return ym_fail(reader->err, YM_ERR_USAGE, "line %llu: %s", (unsigned long long)reader->line,
	               reader->next == EOF || reader->next == '\n' ? "it ends in the middle" : what);
}

void scan_blanks(struct job_reader *reader)
{
	while (reader->next == ' ' || reader->next == '\t' || reader->next == '\r')
		scan_step(reader);
}

int scan_expect(struct job_reader *reader, char wanted, const char *what)
{
	scan_blanks(reader);
	if (reader->next != wanted)
		return scan_wrong(reader, what);
	scan_step(reader);
	return 0;
}

bool scan_accept(struct job_reader *reader, char wanted)
{
	scan_blanks(reader);
	if (reader->next != wanted)
		return false;
	scan_step(reader);
	return true;
}

/* ---- strings --------------------------------------------------------------------------------- */

/* Where the bytes of a string go: to the reader's chunk, and if that is not enough, on to a file. */
struct sink {
	struct job_reader *reader;
	bool base64;
	bool spills; /* to a file; else it must fit */
	size_t max;
	unsigned bits, nbits; /* of base64: not written yet */
	bool padded;
	size_t used;   /* of the chunk */
	uint64_t size; /* in the file */
	int fd;        /* -1: none */
};

static int open_file(struct sink *sink)
{
	const char *directory = sink->reader->directory;

	sink->fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	/* Not every file system can do that. */
	if (sink->fd < 0)
		sink->fd = memfd_create("payload", MFD_CLOEXEC);
	if (sink->fd < 0)
		return ym_fail_sys(sink->reader->err, errno, "open(\"%s\", O_TMPFILE) for a long payload", directory);
	return 0;
}

static int spill(struct sink *sink)
{
	if (sink->fd < 0 && open_file(sink) < 0)
		return -1;
	if (transfer_write(sink->fd, sink->reader->chunk, sink->used, &sink->size) != TRANSFER_DONE)
		return ym_fail_sys(sink->reader->err, errno, "write(a temporary file in %s) for a long payload",
		                   sink->reader->directory);
	sink->used = 0;
	return 0;
}

static int sink_byte(struct sink *sink, unsigned char byte)
{
	if (sink->used == sink->max && !sink->spills)
		return ym_fail(sink->reader->err, YM_ERR_USAGE, "line %llu: a text is longer than %zu bytes",
		               (unsigned long long)sink->reader->line, sink->max);
	if (sink->used == sink->max && spill(sink) < 0)
		return -1;
	sink->reader->chunk[sink->used++] = (char)byte;
	return 0;
}

static int digit_of(int c)
{
	return c >= 'A' && c <= 'Z'   ? c - 'A'
	       : c >= 'a' && c <= 'z' ? c - 'a' + 26
	       : c >= '0' && c <= '9' ? c - '0' + 52
	       : c == '+'             ? 62
	       : c == '/'             ? 63
	                              : -1;
}

static int sink_put(struct sink *sink, unsigned char byte)
{
	int digit;

	if (!sink->base64)
		return sink_byte(sink, byte);
	digit = digit_of(byte);
	if (byte == '=' && !sink->padded && sink->nbits == 0)
		return scan_wrong(sink->reader, "this is no base64");
	sink->padded |= byte == '=';
	if (byte == '=')
		return 0;
	if (digit < 0 || sink->padded)
		return scan_wrong(sink->reader, "this is no base64");
	sink->bits = sink->bits << 6 | (unsigned)digit;
	sink->nbits += 6;
	if (sink->nbits < 8)
		return 0;
	sink->nbits -= 8;
	return sink_byte(sink, (unsigned char)(sink->bits >> sink->nbits));
}

static int sink_character(struct sink *sink, uint32_t c)
{
	unsigned char out[4];
	size_t n = 0;

	if (c < 0x80) {
		out[n++] = (unsigned char)c;
	} else if (c < 0x800) {
		out[n++] = (unsigned char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		out[n++] = (unsigned char)(0xe0 | c >> 12);
		out[n++] = (unsigned char)(0x80 | (c >> 6 & 63));
	} else {
		out[n++] = (unsigned char)(0xf0 | c >> 18);
		out[n++] = (unsigned char)(0x80 | (c >> 12 & 63));
		out[n++] = (unsigned char)(0x80 | (c >> 6 & 63));
	}
	if (c >= 0x80)
		out[n++] = (unsigned char)(0x80 | (c & 63));
	for (size_t i = 0; i < n; i++)
		if (sink_put(sink, out[i]) < 0)
			return -1;
	return 0;
}

/* Four hexadecimal digits. */
static int read_unit(struct job_reader *reader, uint32_t *unit)
{
	*unit = 0;
	for (int i = 0; i < 4; i++) {
		int c = reader->next;
		int digit = c >= '0' && c <= '9'   ? c - '0'
		            : c >= 'a' && c <= 'f' ? c - 'a' + 10
		            : c >= 'A' && c <= 'F' ? c - 'A' + 10
		                                   : -1;

		if (digit < 0)
			return scan_wrong(reader, "four hexadecimal digits must follow \\u");
		*unit = *unit << 4 | (uint32_t)digit;
		scan_step(reader);
	}
	return 0;
}

/* Behind \u; what lies beyond 16 bits comes in two. */
static int read_escaped_unit(struct job_reader *reader, struct sink *sink)
{
	uint32_t first, second;

	if (read_unit(reader, &first) < 0)
		return -1;
	if (first < 0xd800 || first > 0xdfff)
		return sink_character(sink, first);
	if (first > 0xdbff || reader->next != '\\')
		return scan_wrong(reader, "half a character: \\uD800 to \\uDFFF come in pairs");
	scan_step(reader);
	if (reader->next != 'u')
		return scan_wrong(reader, "half a character: \\uD800 to \\uDFFF come in pairs");
	scan_step(reader);
	if (read_unit(reader, &second) < 0)
		return -1;
	if (second < 0xdc00 || second > 0xdfff)
		return scan_wrong(reader, "half a character: \\uD800 to \\uDFFF come in pairs");
	return sink_character(sink, 0x10000 + ((first & 0x3ff) << 10 | (second & 0x3ff)));
}

static int read_escape(struct job_reader *reader, struct sink *sink)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *found;

	scan_step(reader);
	if (reader->next == 'u') {
		scan_step(reader);
		return read_escaped_unit(reader, sink);
	}
	found = reader->next > 0 ? strchr(names, reader->next) : NULL;
	if (!found)
		return scan_wrong(reader, "an unknown escape in a string");
	scan_step(reader);
	return sink_put(sink, (unsigned char)values[found - names]);
}

/* From its first quote to behind its last one. */
static int read_string(struct job_reader *reader, struct sink *sink)
{
	if (scan_expect(reader, '"', "a string is missing") < 0)
		return -1;
	while (reader->next != '"') {
		int c = reader->next;

		if (c == EOF || c < 0x20)
			return scan_wrong(reader, "a control character in a string");
		if (c == '\\') {
			if (read_escape(reader, sink) < 0)
				return -1;
			continue;
		}
		scan_step(reader);
		if (sink_put(sink, (unsigned char)c) < 0)
			return -1;
	}
	scan_step(reader);
	/* Bits of a byte that never came. */
	return sink->base64 && sink->nbits >= 6 ? scan_wrong(reader, "this is no base64") : 0;
}

int scan_text(struct job_reader *reader, bool base64, char *out, size_t max)
{
	struct sink sink = {.reader = reader, .base64 = base64, .max = max - 1, .fd = -1};

	if (read_string(reader, &sink) < 0)
		return -1;
	if (memchr(reader->chunk, '\0', sink.used))
		return scan_wrong(reader, "a NUL byte in a text");
	memcpy(out, reader->chunk, sink.used);
	memset(out + sink.used, 0, max - sink.used);
	return 0;
}

int scan_bytes(struct job_reader *reader, bool base64, struct store_job *job, struct payload_source *source)
{
	struct sink sink = {.reader = reader, .base64 = base64, .spills = true, .max = sizeof(reader->chunk), .fd = -1};
	size_t which = source == &job->result;

	if (source->size > 0)
		return scan_wrong(reader, "the same bytes twice");
	if (read_string(reader, &sink) < 0 || (sink.fd >= 0 && spill(&sink) < 0)) {
		if (sink.fd >= 0)
			close(sink.fd);
		return -1;
	}
	if (sink.fd >= 0) {
		*source = (struct payload_source){.fd = sink.fd, .size = (size_t)sink.size};
		job->owned = true;
		return lseek(sink.fd, 0, SEEK_SET) < 0 ? ym_fail_sys(reader->err, errno, "lseek(0)") : 0;
	}
	if (sink.used == 0)
		return 0;
	job->memory[which] = malloc(sink.used);
	if (!job->memory[which])
		return ym_fail(reader->err, YM_ERR_LIMIT, "out of memory");
	*source = (struct payload_source){
	    .data = memcpy(job->memory[which], reader->chunk, sink.used), .size = sink.used, .fd = -1};
	return 0;
}

/* ---- other values ---------------------------------------------------------------------------- */

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

int scan_number(struct job_reader *reader, bool thousand, int64_t *number)
{
	bool minus = scan_accept(reader, '-');
	int64_t value = 0;
	int fraction = 0;

	if (!is_digit(reader->next))
		return scan_wrong(reader, "a number is missing");
	for (; is_digit(reader->next); scan_step(reader))
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, reader->next - '0', &value))
			return scan_wrong(reader, "a number is too large");
	if (thousand && reader->next == '.')
		for (scan_step(reader); is_digit(reader->next); scan_step(reader))
			if (fraction++ < 3 && (__builtin_mul_overflow(value, 10, &value) ||
			                       __builtin_add_overflow(value, reader->next - '0', &value)))
				return scan_wrong(reader, "a number is too large");
	for (; thousand && fraction < 3; fraction++)
		if (__builtin_mul_overflow(value, 10, &value))
			return scan_wrong(reader, "a number is too large");
	if (reader->next == '.' || reader->next == 'e' || reader->next == 'E')
		return scan_wrong(reader, "this number must be a whole one, without an exponent");
	*number = minus ? -value : value;
	return 0;
}

int scan_word(struct job_reader *reader, const char *word)
{
	scan_blanks(reader);
	for (; *word; word++, scan_step(reader))
		if (reader->next != *word)
			return scan_wrong(reader, "no value of JSON");
	return 0;
}

static int skip_members(struct job_reader *reader, char end, int depth)
{
	char name[SCAN_NAME_MAX];

	scan_step(reader);
	if (scan_accept(reader, end))
		return 0;
	do {
		if (end == '}' && (scan_text(reader, false, name, sizeof(name)) < 0 ||
		                   scan_expect(reader, ':', "a colon is missing") < 0))
			return -1;
		if (scan_skip(reader, depth + 1) < 0)
			return -1;
	} while (scan_accept(reader, ','));
	return scan_expect(reader, end, "a comma or a bracket is missing");
}

int scan_skip(struct job_reader *reader, int depth)
{
	struct sink nowhere = {.reader = reader, .spills = true, .max = sizeof(reader->chunk), .fd = -1};
	int result;

	scan_blanks(reader);
	if (depth > DEPTH_MAX)
		return scan_wrong(reader, "values within values within values");
	switch (reader->next) {
	case '{':
		return skip_members(reader, '}', depth);
	case '[':
		return skip_members(reader, ']', depth);
	case '"':
		result = read_string(reader, &nowhere);
		if (nowhere.fd >= 0)
			close(nowhere.fd);
		return result;
	case 't':
		return scan_word(reader, "true");
	case 'f':
		return scan_word(reader, "false");
	case 'n':
		return scan_word(reader, "null");
	}
	while (is_digit(reader->next) || (reader->next > 0 && strchr("+-.eE", reader->next)))
		scan_step(reader);
	return 0;
}
