/*
 * checksum.c - the result is what `cksum` prints of the payload: CRC and number of bytes. With option.gate
 * it waits until there is that file, with option.log it appends the result to that one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <yardmaster/plugin.h>

static const char *gate, *log_path;
static uint32_t table[8][256]; /* [n]: of a byte that n others follow */

static int open_checksum(const struct ym_plugin_config *config, char *error, size_t size)
{
	(void)error, (void)size;
	gate = ym_option(config, "gate", NULL);
	log_path = ym_option(config, "log", NULL);
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i << 24;

		for (int bit = 0; bit < 8; bit++)
			crc = crc << 1 ^ (crc >> 31 ? 0x04c11db7u : 0);
		table[0][i] = crc;
	}
	for (size_t n = 1; n < 8; n++)
		for (size_t i = 0; i < 256; i++)
			table[n][i] = table[n - 1][i] << 8 ^ table[0][table[n - 1][i] >> 24];
	return 0;
}

static uint32_t checksum(const unsigned char *p, size_t size)
{
	const unsigned char *end = p + size;
	uint32_t crc = 0;

	for (; end - p >= 8; p += 8)
		crc = table[7][crc >> 24 ^ p[0]] ^ table[6][(crc >> 16 & 0xff) ^ p[1]] ^
		      table[5][(crc >> 8 & 0xff) ^ p[2]] ^ table[4][(crc & 0xff) ^ p[3]] ^ table[3][p[4]] ^
		      table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
	for (; p < end; p++)
		crc = crc << 8 ^ table[0][crc >> 24 ^ *p];
	for (; size > 0; size >>= 8)
		crc = crc << 8 ^ table[0][crc >> 24 ^ (size & 0xff)];
	return ~crc;
}

static void append(const char *text)
{
	FILE *file = log_path ? fopen(log_path, "ae") : NULL;

	if (file) {
		fprintf(file, "%s\n", text);
		fclose(file);
	}
}

static int run(ym_job *job)
{
	char text[64];
	size_t size;
	const unsigned char *data = ym_payload(job, &size);

	while (gate && access(gate, F_OK) != 0) {
		if (ym_cancelled(job))
			return YM_CANCELLED;
		usleep(1000);
	}
	if (data[size] != '\0') {
		ym_error(job, "no NUL byte behind the payload");
		return YM_FAIL;
	}
	snprintf(text, sizeof(text), "%" PRIu32 " %zu", checksum(data, size), size);
	append(text);
	return ym_result(job, text, strlen(text)) == 0 ? YM_OK : YM_FAIL;
}

YM_PLUGIN("checksum", .open = open_checksum, .run = run);
