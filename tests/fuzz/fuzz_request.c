/*
 * fuzz_request.c - any bytes as the head of an HTTP request.
 *
 * What is taken has its parts within the head, and the same head is found however it comes in pieces; a head that is taken
 * names what it asks for, and its host; nothing behind it matters.
 */
#include "fuzz.h"

#include "../../runtime/web/request.h"

static int parse(const uint8_t *data, size_t size, struct request *request)
{
	/* Its own memory: who reads beyond the end is seen. */
	char *bytes = malloc(size ? size : 1);
	size_t searched = 0;
	int status;

	CLAIM(bytes, "no memory");
	memcpy(bytes, data, size);
	status = request_parse(bytes, size, &searched, request);
	CLAIM(status == REQUEST_MORE || status == 0 || (status >= 400 && status <= 505), "%d", status);
#define X(name, member, again)                                                                                         \
	CLAIM(                                                                                                         \
	    status || !request->member.at ||                                                                           \
		(request->member.at >= bytes && request->member.at + request->member.length <= bytes + request->size), \
	    name);
	REQUEST_HEADER_MAP(X)
#undef X
	if (status == 0) {
		CLAIM(request->size <= size && request->size <= REQUEST_MAX, "%zu of %zu", request->size, size);
		CLAIM(memcmp(bytes + request->size - 4, "\r\n\r\n", 4) == 0, "its end");
		CLAIM(request->path.length > 0 && request->path.at[0] == '/', "its path");
		CLAIM(request->host.at || !request->keep, "HTTP/1.1 without a host");
	}
	free(bytes);
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request whole, part;
	int status = parse(data, size, &whole), again;

	if (status == REQUEST_MORE)
		return 0;
	/* What is refused at once stays so, whatever comes; what is whole was not whole before. */
	for (size_t less = size; less > 0 && size <= 512; less--) {
		again = parse(data, less - 1, &part);
		if (status == 0 && less - 1 >= whole.size)
			CLAIM(again == 0 && part.size == whole.size && part.keep == whole.keep, "%zu: %d", less - 1,
			      again);
		else
			CLAIM(again == REQUEST_MORE || again == status, "%zu: %d, not %d", less - 1, again, status);
	}
	return 0;
}
