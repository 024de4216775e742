/* SPDX-License-Identifier: Apache-2.0 */
#include "fallback_check.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "http/http.h"
#include "json/json.h"

enum { CONNECT_MS = 3000, TOTAL_MS = 8000, KEY_CAP = 16 << 10, LIST_CAP = 4 << 20 };

/* https://HOST/v1/models; "/v1" where the address has no path, as the gateway does it. */
static char *list_of(const char *url) {
	const char *path = strstr(url, "://") + 3 + strcspn(strstr(url, "://") + 3, "/");
	size_t n = strlen(url);

	while (n && url[n - 1] == '/')
		n--;
	return mem_printf("%.*s%s/models", (int) n, url, path[strspn(path, "/")] ? "" : "/v1");
}

static int read_key(const char *file, char **header, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(KEY_CAP);

	if (!file || !*file)
		return 0;
	if (fs_read_user(file, &text, e))
		return err_wrap(e, "gateway.fallback.api_key_file");
	*header = mem_printf("Authorization: Bearer %.*s", (int) strcspn(buf_str(&text), "\r\n"),
			     buf_str(&text));
	return 0;
}

static bool lists(const struct json *tree, const char *model) {
	for (const struct json *m = json_first(json_get(tree, "data")); m; m = json_next(m))
		if (json_str(m, "id") && !strcmp(json_str(m, "id"), model))
			return true;
	return false;
}

static int judge(const struct http_response *r, const char *list, const char *model,
		 struct err *e) {
	struct json *tree CLEANUP(json_freep) = NULL;
	struct err unread = {0};

	if (r->status == 401 || r->status == 403)
		return err_set(e, ERR_SPEC,
			       "the fallback rejects the API key: '%.200s' answers %ld; check "
			       "gateway.fallback.api_key_file",
			       list, r->status);
	if (r->status == 404)
		return err_set(e, ERR_SPEC,
			       "the fallback has no '%.200s': gateway.fallback.url is the address "
			       "without /chat/completions, "
			       "as in https://HOST/v1",
			       list);
	if (r->status < 200 || r->status > 299)
		return err_set(e, ERR_UNREACHABLE, "the fallback answers %ld at '%.200s'",
			       r->status, list);
	if (json_parse(buf_str(&r->body), r->body.len, &tree, &unread) ||
	    !json_is_array(json_get(tree, "data")))
		return err_set(e, ERR_SPEC,
			       "'%.200s' did not return a list of models: is gateway.fallback.url "
			       "the address of an OpenAI-compatible API?",
			       list);
	return lists(tree, model) ? 0
				  : err_set(e, ERR_SPEC,
					    "the fallback does not list the model '%.100s' of "
					    "gateway.fallback.model at '%.200s'",
					    model, list);
}

int fallback_check(const struct json *gateway, struct err *e) {
	const struct json *fallback = json_get(gateway, "fallback");
	const char *url = json_str(fallback, "url"), *model = json_str(fallback, "model");
	struct http *h CLEANUP(http_freep) = NULL;
	struct http_response r CLEANUP(http_response_done) = {0};
	char *key CLEANUP(freep) = NULL;

	if (!url || !model || !strstr(url, "://"))
		return 0;
	if (read_key(json_str(fallback, "api_key_file"), &key, e))
		return -1;
	char *list CLEANUP(freep) = list_of(url);
	const char *const headers[] = {key};
	const struct http_request q = {.url = list,
				       .headers = headers,
				       .n_headers = key != NULL,
				       .ca_file = json_str(fallback, "ca_file"),
				       .connect_timeout_ms = CONNECT_MS,
				       .total_timeout_ms = TOTAL_MS,
				       .max_body = LIST_CAP};
	h = http_new();
	if (http_do(h, &q, &r, e))
		return err_wrap(e, "the fallback");
	return judge(&r, list, model, e);
}
