/* SPDX-License-Identifier: Apache-2.0 */
/* Where a source is, and how it is shown to people. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "store/internal.h"

enum { ADDRESS_MAX = 4096 };

/* RFC 3986: what is in a path as it is. */
static void add_escaped(struct buf *b, const char *s, size_t n) {
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char) s[i];
		if (isalnum(c) || strchr("-._~/+", c))
			(void) buf_putc(b, (char) c);
		else
			(void) buf_printf(b, "%%%02X", c);
	}
}

static const char *endpoint_of(void) {
	const char *said = getenv("HF_ENDPOINT");

	return said && *said ? said : "https://huggingface.co";
}

static char *token_of(void) {
	const char *secret = getenv("HF_TOKEN");

	return secret && *secret ? mem_strndup(secret, strcspn(secret, " \t\r\n")) : NULL;
}

int store_hub(char **endpoint, char **token, struct err *e) {
	const char *said = endpoint_of();

	if (text_starts(said, "http://") && !http_is_loopback(said))
		return err_set(e, ERR_UNREACHABLE,
			       "HF_ENDPOINT is http://, which is for this host only, use https://");
	*endpoint = mem_strndup(said, strlen(said) - text_ends(said, "/"));
	*token = token_of();
	return 0;
}

static int hf_address(const char *source, char **url, struct err *e) {
	const char *org = source + strlen("hf://"), *at = strchr(org, '@');
	const char *slash = strchr(org, '/'), *file = at ? strchr(at, '/') : NULL;
	const char *endpoint = endpoint_of();
	struct buf b CLEANUP(buf_done) = BUF_INIT(ADDRESS_MAX);

	if (!at || !file || !file[1] || !slash || slash == org || slash + 1 >= at ||
	    at + 1 == file || memchr(slash + 1, '/', (size_t) (at - slash - 1)))
		return err_set(e, ERR_UNREACHABLE,
			       "it is not of the form hf://ORG/REPO@REVISION/FILE");
	(void) buf_add(&b, endpoint, strlen(endpoint) - text_ends(endpoint, "/"));
	(void) buf_putc(&b, '/');
	add_escaped(&b, org, (size_t) (at - org));
	(void) buf_puts(&b, "/resolve/");
	add_escaped(&b, at + 1, (size_t) (file - at - 1));
	add_escaped(&b, file, strlen(file));
	if (b.cut)
		return err_set(e, ERR_UNREACHABLE, "its address is longer than %d bytes",
			       ADDRESS_MAX);
	*url = buf_steal(&b);
	return 0;
}

/* The address that a file or a variable holds; what is wrong with it is said without it. */
static int from_elsewhere(const char *source, char **url, struct err *e) {
	const char *value = strchr(source, ':') + 1;
	struct buf text CLEANUP(buf_done) = BUF_INIT(ADDRESS_MAX);
	bool is_file = text_starts(source, "url_file:");
	const char *said = NULL;

	if (is_file && fs_read_user(value, &text, e)) {
		e->code = ERR_UNREACHABLE;
		return -1;
	}
	said = is_file ? buf_str(&text) : getenv(value);
	if (!said)
		return err_set(e, ERR_UNREACHABLE, "the variable '%.80s' is not set", value);
	said += strspn(said, " \t\r\n");
	*url = mem_strndup(said, strcspn(said, " \t\r\n"));
	if (text_starts(*url, "https://") || text_starts(*url, "http://"))
		return 0;
	free(*url);
	*url = NULL;
	return err_set(e, ERR_UNREACHABLE, "it contains no https:// address");
}

int store_source_url(const char *source, bool plain_http, char **url, char **token, struct err *e) {
	char *found CLEANUP(freep) = NULL;
	bool hub = text_starts(source, "hf://"),
	     elsewhere = text_starts(source, "url_file:") || text_starts(source, "url_env:");

	if (hub                 ? hf_address(source, &found, e)
		    : elsewhere ? from_elsewhere(source, &found, e)
				: !(found = mem_strdup(source)))
		return -1;
	if (text_starts(found, "http://") && !plain_http && !http_is_loopback(found))
		return err_set(e, ERR_UNREACHABLE, "http:// is for this host only, use https://");
	*token = hub ? token_of() : NULL;
	*url = STEAL(found);
	return 0;
}

char *store_source_shown(const char *source) {
	if (!text_starts(source, "http://") && !text_starts(source, "https://"))
		return mem_strdup(source);
	char *plain CLEANUP(freep) = http_shown(source);
	const char *member = strchr(source, '#');
	return mem_printf("%s%s", plain, member ? member : "");
}
