/* door.c - the token, and the Host. */
#include "door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long a browser keeps it. */
#define COOKIE_SECONDS (30 * 24 * 3600)

/* What stands in a cookie without quotes, and in a Bearer line. */
#define TOKEN_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

/* ---- the token ------------------------------------------------------------------------------- */

static int check_file(int fd, const char *path, struct ym_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return ym_fail_sys(err, errno, "fstat(\"%s\") for the token", path);
	if (!S_ISREG(st.st_mode))
		return ym_fail(err, YM_ERR_CONFIG, "--token-file: \"%s\" is no file", path);
	if (st.st_mode & 037)
		return ym_fail(err, YM_ERR_PERMISSION,
		               "--token-file: \"%s\" has the mode %o, so others can read or change the token: "
		               "`chmod 600` it",
		               path, (unsigned)st.st_mode & 07777);
	return 0;
}

static int check_token(const char *token, size_t length, const char *path, struct ym_err *err)
{
	if (length < DOOR_TOKEN_LEAST || length >= DOOR_TOKEN_MAX)
		return ym_fail(err, YM_ERR_CONFIG,
		               "--token-file: a token has %d to %d characters, the one in \"%s\" has %zu%s: "
		               "`openssl rand -hex 32` makes one",
		               DOOR_TOKEN_LEAST, DOOR_TOKEN_MAX - 1, path, length,
		               length >= DOOR_TOKEN_MAX ? " or more" : "");
	if (strspn(token, TOKEN_LETTERS) != length)
		return ym_fail(
		    err, YM_ERR_CONFIG,
		    "--token-file: the token in \"%s\" has to be one line of letters, digits and -._~+/=", path);
	return 0;
}

int door_read(struct door *door, const char *path, struct ym_err *err)
{
	char text[DOOR_TOKEN_MAX + 2] = "";
	/* Who opens a FIFO would wait for somebody to write. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t got = -1;
	size_t length;

	if (fd < 0)
		return ym_fail_sys(err, errno, "open(\"%s\") for the token", path);
	if (check_file(fd, path, err) < 0) {
		close(fd);
		return -1;
	}
	while (got < 0) {
		got = read(fd, text, sizeof(text) - 1);
		if (got < 0 && errno != EINTR) {
			ym_fail_sys(err, errno, "read(\"%s\") for the token", path);
			close(fd);
			return -1;
		}
	}
	close(fd);
	/* The end of its line. */
	length = strlen(text);
	if (length > 0 && text[length - 1] == '\n')
		text[--length] = '\0';
	if (check_token(text, length, path, err) < 0)
		return -1;
	memset(door->token, 0, sizeof(door->token));
	memcpy(door->token, text, length);
	return 0;
}

/* Takes as long whatever they are: nobody can find out how much of a guess was right. */
static bool same_token(const struct door *door, struct slice given)
{
	char padded[DOOR_TOKEN_MAX] = "";
	unsigned char differs = 0;

	if (given.length >= sizeof(padded))
		return false;
	if (given.length > 0)
		memcpy(padded, given.at, given.length);
	for (size_t i = 0; i < sizeof(padded); i++)
		differs |= (unsigned char)(padded[i] ^ door->token[i]);
	return differs == 0;
}

static bool bearer(const struct door *door, struct slice line)
{
	struct slice scheme;

	if (!line.at)
		return false;
	scheme = slice_until(&line, ' ');
	return slice_is_word(scheme, "Bearer") && same_token(door, slice_trim(line));
}

static bool has_cookie(const struct door *door, struct slice line)
{
	while (line.length > 0) {
		struct slice one = slice_until(&line, ';');
		struct slice name = slice_trim(slice_until(&one, '='));

		if (slice_is(name, door->cookie) && same_token(door, slice_trim(one)))
			return true;
	}
	return false;
}

static int digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c | 0x20) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Undo what a form does to its fields; cut at what no token can have. */
static struct slice unescape(struct slice field, char out[DOOR_TOKEN_MAX])
{
	struct slice text = {.at = out};

	for (size_t i = 0; i < field.length && text.length < DOOR_TOKEN_MAX - 1; i++) {
		int high = -1, low = -1;
		char c = field.at[i];

		if (c == '%' && i + 2 < field.length) {
			high = digit(field.at[i + 1]);
			low = digit(field.at[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			c = (char)(high << 4 | low);
			i += 2;
		}
		out[text.length++] = c;
	}
	return text;
}

/* The token in the address, if there is one. */
static enum door_verdict entered(const struct door *door, struct slice query)
{
	while (query.length > 0) {
		struct slice field = slice_until(&query, '&');
		struct slice name = slice_until(&field, '=');
		char token[DOOR_TOKEN_MAX];

		if (slice_is(name, "token"))
			return same_token(door, unescape(field, token)) ? DOOR_ENTERED : DOOR_WRONG;
	}
	return DOOR_SHUT;
}

/* ---- the host -------------------------------------------------------------------------------- */

/* 127.0.0.1, [::1] and what else is loopback. */
static bool loopback_address(const char *host)
{
	struct in_addr four;
	struct in6_addr six;
	char inner[INET6_ADDRSTRLEN];
	size_t length = strlen(host);

	if (inet_pton(AF_INET, host, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	if (length < 2 || length - 2 >= sizeof(inner) || host[0] != '[' || host[length - 1] != ']')
		return false;
	memcpy(inner, host + 1, length - 2);
	inner[length - 2] = '\0';
	return inet_pton(AF_INET6, inner, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* Without its port. */
static struct slice host_of(struct slice line)
{
	const char *end = memchr(line.at, ']', line.length);

	if (line.length > 0 && line.at[0] == '[' && end)
		line.length = (size_t)(end - line.at) + 1;
	else
		line = slice_until(&line, ':');
	return line;
}

static bool our_host(const struct door *door, struct slice line)
{
	char host[256];
	struct slice ours = {door->hosts, door->hosts ? strlen(door->hosts) : 0};

	/* HTTP/1.0: no browser. */
	if (!line.at)
		return true;
	line = host_of(line);
	if (line.length == 0 || line.length >= sizeof(host))
		return false;
	memcpy(host, line.at, line.length);
	host[line.length] = '\0';
	return strcasecmp(host, "localhost") == 0 || loopback_address(host) || slice_lists(ours, host);
}

/* ---- both ------------------------------------------------------------------------------------ */

enum door_verdict door_ask(const struct door *door, const struct request *request)
{
	if (door->loopback && !our_host(door, request->host))
		return DOOR_ASTRAY;
	if (!door->token[0])
		return DOOR_OPEN;
	if (slice_is(request->path, "/") && request->query.length > 0) {
		enum door_verdict verdict = entered(door, request->query);

		if (verdict != DOOR_SHUT)
			return verdict;
	}
	return bearer(door, request->authorization) || has_cookie(door, request->cookie) ? DOOR_OPEN : DOOR_SHUT;
}

const char *door_cookie(const struct door *door, char out[DOOR_COOKIE_MAX])
{
	snprintf(out, DOOR_COOKIE_MAX, "%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax", door->cookie, door->token,
	         COOKIE_SECONDS);
	return out;
}
