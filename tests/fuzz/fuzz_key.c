/*
 * fuzz_key.c - any text as a key.
 *
 * What is taken for a number is what the number says, in 32 bits; name: is crc32() but for two values; everything else is
 * a path, or refused with a reason.
 */
#include "fuzz.h"

#include <limits.h>

#include "../../ipc/key.h"

/* What a text says as a number, read by the documented rules alone; false: it is none, or does not fit. */
static bool number_of(const char *text, key_t *key)
{
	bool negative = *text == '-', hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hex ? "0123456789abcdefABCDEF" : "0123456789";
	const char *at = text + (hex ? 2 : negative);
	uint64_t number = 0, limit = negative ? (uint64_t)INT32_MAX + 1 : UINT32_MAX;

	if (!*at)
		return false;
	for (; *at; at++) {
		const char *digit = strchr(digits, *at);

		if (!digit)
			return false;
		number =
		    number * (hex ? 16 : 10) + (uint64_t)(digit - digits > 15 ? digit - digits - 6 : digit - digits);
		if (number > limit)
			return false;
	}
	*key = (key_t)(uint32_t)(negative ? 0 - number : number);
	return *key != IPC_PRIVATE;
}

/* The checksum bit by bit, as the standard defines it. */
static uint32_t crc_of(const char *text, size_t length)
{
	uint32_t rest = UINT32_MAX;

	for (size_t bit = 0; bit < length * 8; bit++) {
		uint32_t in = (uint32_t)(unsigned char)text[bit / 8] >> bit % 8 & 1;

		rest = rest >> 1 ^ ((rest & 1) == in ? 0 : UINT32_C(0xedb88320));
	}
	return ~rest;
}

static bool is_path(const char *text, size_t length)
{
	return length >= 3 && text[length - 2] == ':' && strncmp(text, "name:", 5) != 0;
}

static void claim_name(const char *name, int result, key_t key)
{
	key_t crc = (key_t)crc_of(name, strlen(name));

	CLAIM((result == 0) == (*name != '\0'), "name:%s", name);
	if (result == 0)
		CLAIM(key == (crc == 0    ? 1
		              : crc == -1 ? -2
		                          : crc),
		      "name:%s is 0x%x, not 0x%x", name, (unsigned)key, (unsigned)crc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ym_err err = {0};
	key_t key = 0, number;
	char *text = malloc(size + 1);
	int result;

	CLAIM(text, "no memory");
	memcpy(text, data, size);
	text[size] = '\0';
	result = ym_key_parse(text, &key, &err);
	if (result < 0)
		CLAIM_REFUSED(&err, true);
	else
		CLAIM(key != IPC_PRIVATE, "\"%s\"", text);
	if (strncmp(text, "name:", 5) == 0)
		claim_name(text + 5, result, key);
	else if (is_path(text, strlen(text)))
		CLAIM(result < 0 || (uint32_t)key >> 24 == (uint8_t)text[strlen(text) - 1], "\"%s\"", text);
	else if (number_of(text, &number))
		CLAIM(result == 0 && key == number, "\"%s\" is 0x%x, not 0x%x", text, (unsigned)key, (unsigned)number);
	else
		CLAIM(result == -1 && err.class == YM_ERR_USAGE, "\"%s\" is no key", text);
	free(text);
	return 0;
}
