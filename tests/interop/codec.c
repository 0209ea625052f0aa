/*
 * codec.c - the C side of codec.php: decode, encode, decode, encode, and hand the bytes back.
 *
 * A frame is a length (32 bits, little endian as all these machines) and as many bytes. A request is one frame with a
 * serialized value; the answer is a letter - o: accepted, the bytes; x: refused, the error text; u: the second round
 * differs from the first - and one frame.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ipc/serialize.h"

static void answer(char letter, const void *bytes, size_t length)
{
	uint32_t size = (uint32_t)length;

	putchar(letter);
	fwrite(&size, sizeof(size), 1, stdout);
	fwrite(bytes, 1, length, stdout);
	fflush(stdout);
}

/* Decode and encode; nothing of the value stays. */
static int round_trip(const char *bytes, size_t length, struct ym_buffer *out, struct ym_err *err)
{
	struct ym_value value, copy = {0};
	int result = -1;

	if (ym_unserialize(bytes, length, &value, NULL, err) < 0)
		return -1;
	if (ym_value_copy(&copy, &value, err) == 0) {
		result = ym_serialize(&copy, out, err);
		if (result == 0 && !ym_value_equal(&value, &copy))
			result = ym_fail(err, YM_ERR_BUG, "a copy is not equal");
	}
	ym_value_free(&value);
	ym_value_free(&copy);
	return result;
}

static void serve(const char *bytes, size_t length)
{
	struct ym_buffer first, second;
	struct ym_err err = {0};

	ym_buffer_init(&first, NULL, 0);
	ym_buffer_init(&second, NULL, 0);
	if (round_trip(bytes, length, &first, &err) < 0)
		answer('x', err.text, strlen(err.text));
	else if (round_trip(first.bytes, first.length, &second, &err) < 0)
		answer('u', err.text, strlen(err.text));
	else if (first.length != second.length || memcmp(first.bytes, second.bytes, first.length) != 0)
		answer('u', second.bytes, second.length);
	else
		answer('o', first.bytes, first.length);
	ym_buffer_free(&first);
	ym_buffer_free(&second);
}

int main(void)
{
	uint32_t length;

	while (fread(&length, sizeof(length), 1, stdin) == 1) {
		/* Of just this size, so that a sanitizer sees every byte read behind the end. */
		char *bytes = malloc(length ? length : 1);

		if (!bytes || fread(bytes, 1, length, stdin) != length)
			return EXIT_FAILURE;
		serve(bytes, length);
		free(bytes);
	}
	return EXIT_SUCCESS;
}
