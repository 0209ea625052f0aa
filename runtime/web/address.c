/* address.c - read an address, listen there. */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- words ----------------------------------------------------------------------------------- */

static int no_address(const char *text, struct ym_err *err)
{
	return ym_fail(
	    err, YM_ERR_USAGE,
	    "--listen: \"%.80s\" is no address with a port: write 127.0.0.1:8421, [::1]:8421 or 0.0.0.0:8421", text);
}

/* Host and port of HOST:PORT or [HOST]:PORT. */
static bool split(const char *text, char host[INET6_ADDRSTRLEN], bool *six, in_port_t *port)
{
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;
	unsigned long number;
	char *end;

	*six = text[0] == '[';
	if (!colon || colon[1] < '0' || colon[1] > '9' || (*six && (length < 2 || text[length - 1] != ']')))
		return false;
	errno = 0;
	number = strtoul(colon + 1, &end, 10);
	if (errno || *end || number > UINT16_MAX)
		return false;
	*port = htons((in_port_t)number);
	text += *six;
	length -= *six ? 2 : 0;
	if (length >= INET6_ADDRSTRLEN)
		return false;
	memcpy(host, text, length);
	host[length] = '\0';
	return true;
}

int address_parse(struct address *address, const char *text, struct ym_err *err)
{
	char host[INET6_ADDRSTRLEN];
	in_port_t port;
	bool six;

	*address = (struct address){0};
	if (!split(text, host, &six, &port))
		return no_address(text, err);
	if (six) {
		address->size = sizeof(address->six);
		address->six.sin6_family = AF_INET6;
		address->six.sin6_port = port;
		return inet_pton(AF_INET6, host, &address->six.sin6_addr) == 1 ? 0 : no_address(text, err);
	}
	address->size = sizeof(address->four);
	address->four.sin_family = AF_INET;
	address->four.sin_port = port;
	if (strcmp(host, "localhost") == 0)
		memcpy(host, "127.0.0.1", sizeof("127.0.0.1"));
	return inet_pton(AF_INET, host, &address->four.sin_addr) == 1 ? 0 : no_address(text, err);
}

int address_local(struct address *address, const char *path, struct ym_err *err)
{
	size_t length = strlen(path);

	*address = (struct address){.size = sizeof(address->local)};
	address->local.sun_family = AF_UNIX;
	if (length == 0 || length >= sizeof(address->local.sun_path))
		return ym_fail(err, YM_ERR_USAGE, "--socket: the path of a socket has 1 to %zu bytes, this one %zu",
		               sizeof(address->local.sun_path) - 1, length);
	memcpy(address->local.sun_path, path, length);
	return 0;
}

bool address_is_local(const struct address *address)
{
	return address->any.sa_family == AF_UNIX;
}

bool address_is_loopback(const struct address *address)
{
	if (address->any.sa_family == AF_INET)
		return ntohl(address->four.sin_addr.s_addr) >> 24 == 127;
	return address->any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address->six.sin6_addr);
}

const char *address_text(const struct address *address, char out[ADDRESS_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN] = "";

	if (address_is_local(address)) {
		snprintf(out, ADDRESS_TEXT_MAX, "unix:%s", address->local.sun_path);
	} else if (address->any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &address->six.sin6_addr, host, sizeof(host));
		snprintf(out, ADDRESS_TEXT_MAX, "http://[%s]:%u/", host, ntohs(address->six.sin6_port));
	} else {
		inet_ntop(AF_INET, &address->four.sin_addr, host, sizeof(host));
		snprintf(out, ADDRESS_TEXT_MAX, "http://%s:%u/", host, ntohs(address->four.sin_port));
	}
	return out;
}

/* ---- sockets --------------------------------------------------------------------------------- */

/* Does anybody answer behind this socket file? */
static bool answered(const struct address *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool refused;

	if (fd < 0)
		return true;
	refused = connect(fd, &address->any, address->size) < 0 && errno == ECONNREFUSED;
	close(fd);
	return !refused;
}

/* What a dead server has left. Anything else with that name is not ours to remove. */
static int remove_stale(const struct address *address, struct ym_err *err)
{
	const char *path = address->local.sun_path;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : ym_fail_sys(err, errno, "lstat(\"%s\") for --socket", path);
	if (!S_ISSOCK(st.st_mode))
		return ym_fail(err, YM_ERR_FOREIGN, "--socket: \"%s\" is there, and is no socket", path);
	if (answered(address))
		return ym_fail(err, YM_ERR_NO, "--socket: somebody listens at \"%s\" already", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return ym_fail_sys(err, errno, "unlink(\"%s\"), the socket of a dead server", path);
	return 0;
}

static int bind_local(int fd, struct address *address, unsigned mode, struct ym_err *err)
{
	const char *path = address->local.sun_path;
	struct stat st;

	if (remove_stale(address, err) < 0)
		return -1;
	if (bind(fd, &address->any, address->size) < 0)
		return ym_fail_sys(err, errno, "bind(\"%s\") for --socket", path);
	/* Nobody can connect before listen(), so the mode is right in time. */
	if (chmod(path, mode) < 0 || lstat(path, &st) < 0)
		return ym_fail_sys(err, errno, "chmod(\"%s\", 0%o)", path, mode);
	address->device = st.st_dev;
	address->inode = st.st_ino;
	return 0;
}

static int bind_net(int fd, struct address *address, struct ym_err *err)
{
	char text[ADDRESS_TEXT_MAX];
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return ym_fail_sys(err, errno, "setsockopt(SO_REUSEADDR) for --listen");
	if (bind(fd, &address->any, address->size) < 0) {
		if (errno == EADDRINUSE)
			return ym_fail(
			    err, YM_ERR_NO,
			    "bind() to %s: somebody listens there already: choose another port with --listen",
			    address_text(address, text));
		return ym_fail_sys(err, errno, "bind() to %s", address_text(address, text));
	}
	if (getsockname(fd, &address->any, &address->size) < 0)
		return ym_fail_sys(err, errno, "getsockname() of what listens");
	return 0;
}

int address_bind(struct address *address, unsigned mode, int *fd, struct ym_err *err)
{
	int family = address->any.sa_family, result;

	*fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return ym_fail_sys(err, errno, "socket(%d) to listen", family);
	result = family == AF_UNIX ? bind_local(*fd, address, mode, err) : bind_net(*fd, address, err);
	if (result == 0)
		return 0;
	close(*fd);
	*fd = -1;
	return -1;
}

void address_leave(const struct address *address)
{
	struct stat st;

	if (address_is_local(address) && lstat(address->local.sun_path, &st) == 0 && st.st_dev == address->device &&
	    st.st_ino == address->inode)
		unlink(address->local.sun_path);
}
