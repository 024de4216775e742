/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what a hub or another server says: a page of a list of files, a Link, an address,
 * and a body in place of a file. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/http.h"
#include "hub/hub.h"
#include "hub/internal.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok) {
	if (!ok)
		abort();
}

/* What is listed is clean, counted, and picked from what is usable. */
static void list(const char *text, size_t n) {
	struct json *j CLEANUP(json_freep) = NULL;
	struct hub_repo r CLEANUP(hub_repo_done) = {0};
	struct err e = {0};
	size_t rows, picks[HUB_PICKS], parts = 0;

	if (json_parse(text, n, &j, &e) ||
	    hub_take_page(j, &r, &e))
		return;
	struct hub_model *models CLEANUP(freep) = hub_models(&r, &rows);
	bool *usable CLEANUP(freep) = mem_zalloc(rows + 1, sizeof *usable);
	for (size_t i = 0; i < rows; i++) {
		parts += models[i].parts;
		usable[i] = i % 2;
		must(strlen(models[i].label) < sizeof models[i].label &&
		     *models[i].file->path != '/' && !strstr(models[i].file->path, "//"));
	}
	must(parts == r.n);
	size_t count = hub_pick(models, rows, usable, picks);
	must(count <= HUB_PICKS);
	for (size_t i = 0; i < count; i++)
		must(picks[i] < rows && usable[picks[i]] && models[picks[i]].kind == HUB_MODEL &&
		     (!i || picks[i] > picks[i - 1]));
}

/* The next page is one of the hub that was asked. */
static void link_to(const char *text) {
	char *next CLEANUP(freep) = hub_next_page(text, "https://hub.example");

	must(!next || text_starts(next, "https://hub.example/api/models/"));
}

static void address(const char *text) {
	struct hub_address a CLEANUP(hub_address_done) = {0};
	struct err e = {0};

	if (hub_address_parse(text, &a, &e)) {
		must(e.code == ERR_USAGE && !a.repo);
		return;
	}
	char *again CLEANUP(freep) = mem_printf("hf://%s%s%s%s%s", a.repo, a.revision ? "@" : "",
						a.revision ? a.revision : "", a.file ? "/" : "",
						a.file ? a.file : "");
	must(!strncmp(again, text, strlen(again)));
}

static void body(const char *text, size_t n) {
	struct http_response r = {.status = 400 + (long) (n % 120)};
	struct buf out CLEANUP(buf_done) = BUF_INIT(4096), what CLEANUP(buf_done) = BUF_INIT(4096);

	r.body = (struct buf) BUF_INIT(65536);
	(void) buf_add(&r.body, text, n);
	bool known = http_unexpected(n % 2 ? &r : NULL, "https://a.example/b?c", text, n, &out);
	must(known == (out.len > 0) && !out.cut);
	http_refused(&r, "https://a.example/b?Signature=c", n % 3, n % 5, &what);
	must(!what.cut && text_starts(buf_str(&what), "answered ") &&
	     !strstr(buf_str(&what), "Signature=c"));
	for (size_t i = 0; i < what.len; i++)
		must((unsigned char) what.data[i] >= 0x20);
	http_response_done(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *text CLEANUP(freep) = mem_strndup((const char *) data, size);

	list((const char *) data, size);
	link_to(text);
	address(text);
	body((const char *) data, size);
	return 0;
}
