/*
 * fuzz_typed.c - any text as a value typed on a command line, and any value as text and JSON.
 *
 * What is accepted encodes, and the bytes decode to the same value. It prints, in no more columns than asked for, and the
 * JSON of what JSON can hold comes back as it was.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <unistd.h>

#include "../../ipc/serialize.h"
#include "../../runtime/json.h"
#include "../../runtime/text.h"
#include "../../runtime/typed.h"

/* The JSON reader's own limit is a little higher. */
#define JSON_DEPTH 2000

static bool is_utf8(const char *bytes, size_t length)
{
	while (length > 0) {
		size_t n = text_utf8((const unsigned char *)bytes, length);

		if (n == 0)
			return false;
		bytes += n;
		length -= n;
	}
	return true;
}

static bool is_json_key(const struct ym_array_key *key)
{
	return !key->bytes || (is_utf8(key->bytes, key->length) && !memchr(key->bytes, '\0', key->length));
}

/* Can JSON hold it without any help? */
static bool is_json(const struct ym_value *value, unsigned depth)
{
	if (value->type == YM_TYPE_FLOAT)
		return isfinite(value->real);
	if (value->type == YM_TYPE_STRING)
		return is_utf8(value->string.bytes, value->string.length);
	if (value->type == YM_TYPE_OPAQUE || depth == JSON_DEPTH)
		return false;
	if (value->type != YM_TYPE_ARRAY)
		return true;
	for (size_t i = 0; i < ym_array_count(value->array); i++) {
		struct ym_array_key key;
		const struct ym_value *part = ym_array_at(value->array, i, &key);

		if (!is_json_key(&key) || !is_json(part, depth + 1))
			return false;
	}
	return true;
}

/* Characters of valid UTF-8. */
static size_t columns_of(const char *text, size_t size)
{
	size_t columns = 0;

	for (size_t i = 0; i < size; i++)
		columns += (text[i] & 0xc0) != 0x80;
	return columns;
}

/* Nothing that moves the cursor of a terminal, but newlines and tabs where they are allowed. */
static bool is_harmless(const char *text, size_t size, bool lines)
{
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] < ' ' && !(lines && (text[i] == '\n' || text[i] == '\t')))
			return false;
	return is_utf8(text, size);
}

static FILE *begin(char **text, size_t *size)
{
	FILE *to = open_memstream(text, size);

	CLAIM(to, "no memory");
	return to;
}

static void claim_prints(const struct ym_value *value, size_t columns)
{
	struct ym_err err = {0};
	char *text;
	size_t size;
	FILE *to = begin(&text, &size);

	CLAIM(typed_print(to, value, (unsigned)columns % 100, &err) == 0, "%s", err.text);
	fclose(to);
	CLAIM(is_harmless(text, size, true), "\"%s\"", text);
	free(text);
	to = begin(&text, &size);
	CLAIM(typed_preview(to, value, columns, &err) == 0, "%s", err.text);
	fclose(to);
	CLAIM(is_harmless(text, size, false), "\"%s\"", text);
	CLAIM(columns < 3 || columns_of(text, size) <= columns, "\"%s\" in %zu columns", text, columns);
	free(text);
}

static void claim_is_json(const struct ym_value *value)
{
	static const char prefix[] = "json:";
	struct ym_err err = {0};
	struct ym_value back;
	char *text;
	size_t size;
	FILE *to = begin(&text, &size);
	struct json json = {.to = to};

	fputs(prefix, to);
	CLAIM(json_put_value(&json, NULL, value, &err) == 0, "%s", err.text);
	fclose(to);
	CLAIM(is_utf8(text, size) && strlen(text) == size, "\"%s\"", text);
	if (is_json(value, 0)) {
		CLAIM(typed_parse(text, &back, &err) == 0, "%s: %s", err.text, text);
		CLAIM(ym_value_equal(value, &back), "%s", text);
		ym_value_free(&back);
	}
	free(text);
}

/* The bytes that are put into a segment for it stand for it; php: is put as it is. */
static void claim_encodes(const char *text, const struct ym_value *value)
{
	struct ym_err err = {0};
	struct ym_buffer bytes;
	struct ym_value back;
	size_t used;

	ym_buffer_init(&bytes, NULL, 0);
	CLAIM(typed_encode(text, &bytes, &err) == 0, "%s: %s", err.text, text);
	CLAIM(ym_unserialize(bytes.bytes, bytes.length, &back, &used, &err) == 0, "%s: %s", err.text, text);
	CLAIM(used == bytes.length, "%zu of %zu bytes: %s", used, bytes.length, text);
	CLAIM(ym_value_equal(value, &back), "%s", text);
	if (strncmp(text, "php:", 4) == 0)
		CLAIM(bytes.length == strlen(text + 4) && memcmp(bytes.bytes, text + 4, bytes.length) == 0, "%s", text);
	ym_value_free(&back);
	ym_buffer_free(&bytes);
}

/* A text without NUL. */
static char *text_of(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	CLAIM(text, "no memory");
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

/* "-" reads from stdin: there is nothing. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)argc, (void)argv;
	CLAIM(fd >= 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO, "/dev/null");
	close(fd);
	return 0;
}

/* With any allocation failing (of ours, not of the JSON reader): refused, null, nothing kept. */
static void claim_survives_no_memory(const char *text, size_t pick, size_t allocations)
{
	struct ym_err err = {0};
	struct ym_value value;
	int result;

	fuzz_memory_start(1 + pick % allocations);
	result = typed_parse(text, &value, &err);
	fuzz_memory_stop(NULL);
	CLAIM(result == -1 && value.type == YM_TYPE_NULL, "allocation %zu of %zu failed", 1 + pick % allocations,
	      allocations);
	CLAIM_REFUSED(&err, err.class == YM_ERR_LIMIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ym_err err = {0};
	struct ym_value value;
	char *text = text_of(data, size);
	size_t allocations;
	int result;

	fuzz_memory_start(0);
	result = typed_parse(text, &value, &err);
	allocations = fuzz_memory_stop(NULL);
	if (result < 0) {
		CLAIM_REFUSED(&err, err.class == YM_ERR_USAGE);
		CLAIM(value.type == YM_TYPE_NULL, "%s after a failure", ym_type_word(value.type));
	} else {
		claim_encodes(text, &value);
		claim_prints(&value, size % 90);
		claim_is_json(&value);
	}
	if (allocations > 0)
		claim_survives_no_memory(text, size ? data[size / 2] + size : 0, allocations);
	ym_value_free(&value);
	free(text);
	return 0;
}
