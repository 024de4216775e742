/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer was that is not what was asked for, in words, and what to do about it. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/http.h"
#include "json/json.h"

enum {
	SHOWN = 100,    /* of a server's own words */
	POINTER = 1024, /* no Git LFS pointer is longer (git-lfs, docs/spec.md) */
	PLACE = 60,
};

struct body {
	const char *text;
	size_t n;
};

/* ---- the words of a body ---- */

/* One line without control characters, cut at a character. */
static void show(const char *text, size_t n, char out[SHOWN + 1]) {
	size_t len = 0;

	for (size_t i = 0; i < n && len < SHOWN; i++) {
		unsigned char c = (unsigned char) text[i];
		bool blank = isspace(c) || iscntrl(c);
		if (blank && (!len || out[len - 1] == ' '))
			continue;
		out[len++] = blank ? ' ' : (char) c;
	}
	while (len && (out[len - 1] == ' ' || !text_is_utf8(out, len)))
		len--;
	out[len] = 0;
}

/* Some servers repeat the address, and with it what permits its use. */
static bool tells_secret(const char *words) {
	static const char *const marks[] = {"signature=",   "sig=",    "token=", "credential=",
					    "accesskeyid=", "bearer ", "hf_"};

	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
		if (strcasestr(words, marks[i]))
			return true;
	return false;
}

/* Text between <NAME ...> and </NAME>, without markup; "" where there is none. */
static void element(struct body b, const char *name, char out[SHOWN + 1]) {
	char *open CLEANUP(freep) = mem_printf("<%s", name);
	const char *from = NULL, *end = b.text + b.n;

	out[0] = 0;
	for (const char *p = b.text; p < end && !from; p++)
		if ((size_t) (end - p) > strlen(open) && !strncasecmp(p, open, strlen(open)) &&
		    strchr("> \t\r\n", p[strlen(open)]))
			from = memchr(p, '>', (size_t) (end - p));
	if (!from)
		return;
	const char *to = memchr(from, '<', (size_t) (end - from));
	show(from + 1, (size_t) ((to ? to : end) - from - 1), out);
}

/* "error", "message" or "detail" of a JSON object, also one level deeper; "" where there is
 * none. */
static void json_words(struct body b, char out[SHOWN + 1]) {
	static const char *const keys[] = {"error", "message", "detail", "error_description"};
	struct json *j CLEANUP(json_freep) = NULL;
	struct err ignored = {0};

	out[0] = 0;
	if (json_parse(b.text, b.n, &j, &ignored))
		return;
	for (size_t i = 0; i < sizeof keys / sizeof *keys && !out[0]; i++) {
		const struct json *v = json_get(j, keys[i]);
		const char *text = json_is_object(v) ? json_str(v, "message") : json_text(v);
		if (text)
			show(text, strlen(text), out);
	}
}

static bool begins(struct body b, const char *prefix) {
	return b.n >= strlen(prefix) && !strncasecmp(b.text, prefix, strlen(prefix));
}

static struct body trimmed(const void *head, size_t n) {
	struct body b = {head, n < HTTP_HEAD ? n : HTTP_HEAD};

	if (b.n >= 3 && !memcmp(b.text, "\xef\xbb\xbf", 3))
		b = (struct body){b.text + 3, b.n - 3};
	while (b.n && isspace((unsigned char) *b.text))
		b = (struct body){b.text + 1, b.n - 1};
	return b;
}

static bool is_html(struct body b) {
	return begins(b, "<!doctype html") || begins(b, "<html") || begins(b, "<head") ||
		begins(b, "<body") || begins(b, "<script") || begins(b, "<meta") ||
		begins(b, "<title");
}

static bool is_xml(struct body b) {
	return begins(b, "<?xml") || begins(b, "<Error>");
}

/* "AccessDenied: Request has expired"; XHTML is a page anyway. */
static void xml_words(struct body b, char out[2 * SHOWN + 4]) {
	char code[SHOWN + 1], message[SHOWN + 1];

	element(b, "Code", code);
	element(b, "Message", message);
	(void) snprintf(out, 2 * SHOWN + 4, "%s%s%s", code, *code && *message ? ": " : "", message);
	if (tells_secret(out))
		out[0] = 0;
}

/* What a server says of its own refusal, "" where it says nothing that is fit to be shown. */
static void words_of(struct body b, char out[2 * SHOWN + 4]) {
	char text[SHOWN + 1];

	if (is_xml(b)) {
		xml_words(b, out);
		return;
	}
	if (is_html(b))
		element(b, "title", text);
	else if (begins(b, "{"))
		json_words(b, text);
	else
		show(b.text, text_is_utf8(b.text, b.n) && b.n < POINTER ? b.n : 0, text);
	(void) snprintf(out, 2 * SHOWN + 4, "%s", tells_secret(text) ? "" : text);
}

/* ---- addresses ---- */

/* "host/path" of where a redirect led, "" without one. */
static void place_of(const struct http_response *r, char out[PLACE + 1]) {
	const char *to = r ? r->redirected : "", *host = strstr(to, "://");
	const char *from = host ? host + 3 : to;
	const char *at = memchr(from, '@', strcspn(from, "/?#"));

	from = at ? at + 1 : from;
	(void) snprintf(out, PLACE + 1, "%.*s", (int) strcspn(from, "?#"), from);
}

/* An address whose query is its permission: of S3, GCS, Azure, CloudFront. */
static bool is_signed(const char *url) {
	static const char *const marks[] = {
		"X-Amz-Signature=", "X-Goog-Signature=", "Signature=", "sig=",
		"AWSAccessKeyId=",  "Key-Pair-Id=",      "Expires="};
	const char *query = strchr(url, '?');

	for (size_t i = 0; query && i < sizeof marks / sizeof *marks; i++)
		if (strcasestr(query, marks[i]))
			return true;
	return false;
}

/* What to write in place of the address of a page about a file. */
static const char *page_advice(const struct http_response *r, const char *url) {
	char place[PLACE + 1];

	place_of(r, place);
	if (strstr(url, "/blob/") && strstr(url, "github"))
		return "write /raw/ instead of /blob/ in its address";
	if (strstr(url, "/blob/") || strstr(url, "/tree/"))
		return "write /resolve/ instead of /blob/ in its address";
	if (*place)
		return "give an address that needs no login; behind a network's sign-in page, sign "
		       "in first";
	return "give the address of the file itself; behind a login or a network's sign-in page, "
	       "sign in first";
}

/* ---- kinds ---- */

static void say_page(const struct http_response *r, const char *url, struct body b,
		     struct buf *out) {
	char title[SHOWN + 1], place[PLACE + 1];

	element(b, "title", title);
	place_of(r, place);
	(void) buf_puts(out, "an HTML page");
	if (*title)
		(void) buf_printf(out, " ('%.60s')", title);
	(void) buf_puts(out, r ? " came" : " is there");
	if (*place)
		(void) buf_printf(out, " from '%s'", place);
	(void) buf_printf(out, " instead of the file: %s", page_advice(r, url));
}

static void say_pointer(bool local, struct body b, struct buf *out) {
	char *text CLEANUP(freep) = mem_strndup(b.text, b.n);
	const char *oid = strstr(text, "oid sha256:"), *size = strstr(text, "\nsize ");
	uint64_t bytes = size ? strtoull(size + 6, NULL, 10) : 0;
	char shown[TEXT_BYTES];

	text_format_bytes(bytes, shown);
	(void) buf_puts(out, "a Git LFS pointer");
	if (oid && bytes)
		(void) buf_printf(out, " to %s (sha256 %.12s...)", shown,
				  oid + strlen("oid sha256:"));
	(void) buf_printf(out, " %s instead of the file: %s", local ? "is there" : "came",
			  local ? "run git lfs pull"
				: "give the address of the file itself (/resolve/ on the hub, "
				  "media.githubusercontent.com)");
}

struct packing {
	const char *magic;
	size_t n;
	const char *name, *coding; /* coding: its name in Content-Encoding; NULL: none */
};

static const struct packing packings[] = {
	{"\x1f\x8b", 2, "gzip", "gzip"},
	{"\x28\xb5\x2f\xfd", 4, "zstd", "zstd"},
	{"\xfd"
	 "7zXZ",
	 5, "xz", NULL},
	{"BZh", 3, "bzip2", NULL},
	{"PK\x03\x04", 4, "ZIP", NULL},
};

static bool is_archive_name(const char *url) {
	static const char *const ends[] = {".gz",  ".tgz", ".zst", ".xz",
					   ".txz", ".bz2", ".zip", ".whl"};
	char *path CLEANUP(freep) = mem_strndup(url, strcspn(url, "?#"));

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (text_ends(path, ends[i]))
			return true;
	return false;
}

/* A body that the server packed for the way, though it was asked not to; or a file that is
 * packed. */
static bool say_packed(const struct http_response *r, const char *url, struct body b,
		       struct buf *out) {
	const char *coding = r ? r->encoding : "";

	if (*coding && strcasecmp(coding, "identity") != 0) {
		(void) buf_printf(out,
				  "a body that the server packed for the way (Content-Encoding: "
				  "%.20s) came instead of the file: "
				  "give another address, or fetch it with curl --compressed and "
				  "name that file",
				  coding);
		return true;
	}
	for (size_t i = 0; i < sizeof packings / sizeof *packings; i++) {
		const struct packing *k = &packings[i];
		if (b.n < k->n || memcmp(b.text, k->magic, k->n) != 0)
			continue;
		if (is_archive_name(url))
			return false; /* the file that was asked for, with other bytes */
		(void) buf_printf(out,
				  "a %s file %s instead of the file: name the member, as "
				  "ADDRESS#MEMBER, or unpack it",
				  k->name, r ? "came" : "is there");
		return true;
	}
	return false;
}

/* An object that says what went wrong, with a status that says that all is well. */
static bool say_document(struct body b, struct buf *out) {
	char words[2 * SHOWN + 4];
	bool xml = is_xml(b);

	if (!xml && !begins(b, "{"))
		return false;
	words_of(b, words);
	if (!*words)
		return false; /* some JSON or XML file */
	(void) buf_printf(out, "%s error came instead of the file: '%.150s'",
			  xml ? "an XML" : "a JSON", words);
	return true;
}

/* A page that begins in another way, by its own word; a server that says so of a model is wrong
 * about it. */
static bool is_said_html(const struct http_response *r, struct body b) {
	return r &&
		(text_starts(r->content_type, "text/html") ||
		 text_starts(r->content_type, "application/xhtml")) &&
		begins(b, "<") && text_is_utf8(b.text, b.n < 64 ? b.n : 1);
}

/* A few words in place of a file: "Access denied". */
static bool say_text(const struct http_response *r, struct body b, struct buf *out) {
	char words[SHOWN + 1];

	if (!r || !text_starts(r->content_type, "text/") || b.n >= POINTER ||
	    !text_is_utf8(b.text, b.n))
		return false;
	show(b.text, b.n, words);
	if (!*words || tells_secret(words))
		return false;
	(void) buf_printf(out, "a text came instead of the file: '%.90s'", words);
	return true;
}

bool http_unexpected(const struct http_response *r, const char *url, const void *head, size_t n,
		     struct buf *out) {
	struct body raw = {head, n}, b = trimmed(head, n);

	if (!n)
		return false;
	if (begins(b, "version https://git-lfs.github.com/spec/") && n < POINTER) {
		say_pointer(!r, b, out);
		return true;
	}
	if (say_packed(r, url, raw, out))
		return true;
	if (is_html(b) || (is_xml(b) && memmem(b.text, b.n, "<html", 5)) || is_said_html(r, b)) {
		say_page(r, url, b, out);
		return true;
	}
	return say_document(b, out) || say_text(r, b, out);
}

/* ---- statuses ---- */

/* What is known of the reason, and the way out; NULL: nothing. */
static const char *known_refusal(const struct http_response *r, const char *url, const char *words,
				 bool token) {
	long s = r->status;
	bool denied = s == 400 || s == 401 || s == 403;

	if (denied &&
	    (strcasestr(words, "expired") || strcasestr(words, "time frame") ||
	     strstr(words, "RequestTimeTooSkewed")))
		return "the signed address has expired: get a new one";
	if (denied &&
	    (strstr(words, "SignatureDoesNotMatch") || strstr(words, "AuthenticationFailed")))
		return "the address's signature is wrong: copy it whole, with every character of "
		       "its query";
	if (!strcmp(r->error_code, "GatedRepo"))
		return token ? "the repository is gated, and the token in HF_TOKEN has no access: "
			       "ask for it on the repository's page"
			     : "the repository is gated: accept its terms on its page, then set "
			       "HF_TOKEN";
	if (!strcmp(r->error_code, "RevisionNotFound"))
		return "there is no such revision in the repository";
	if (!strcmp(r->error_code, "EntryNotFound"))
		return "there is no such file at that revision";
	if (!strcmp(r->error_code, "RepoNotFound"))
		return token
			? "there is no such repository, or the token in HF_TOKEN may not see it"
			: "there is no such repository, or it is private: then set HF_TOKEN";
	if (denied && s != 400 && is_signed(url))
		return "no access: a signed address expires, get a new one";
	if (s == 401 || s == 403)
		return token ? "no access with the token in HF_TOKEN" : "no access";
	if (s == 404 || s == 410)
		return "it does not exist";
	if (s == 407)
		return "the proxy needs a user and a password: write them into https_proxy";
	if (s == 451)
		return "it is withheld for legal reasons";
	if (s == 511)
		return "the network requires a sign-in first";
	return NULL;
}

void http_refused(const struct http_response *r, const char *url, bool token, bool ranged,
		  struct buf *out) {
	struct body b = trimmed(buf_str(&r->body), r->body.len);
	char words[2 * SHOWN + 4];

	words_of(b, words);
	if (!*words)
		show(r->error_message, strlen(r->error_message), words);
	if (tells_secret(words))
		words[0] = 0;
	const char *why = known_refusal(r, url, words, token);
	(void) buf_printf(out, "answered %ld", r->status);
	if (why)
		(void) buf_printf(out, ": %s", why);
	else if (r->status == 400 || r->status == 416)
		(void) buf_printf(out, ": the server does not take a plain request for %s",
				  ranged ? "a part of it" : "the whole of it");
	else if (r->status >= 300 && r->status < 400)
		(void) buf_puts(out, ": it redirects without an address");
	if (*words)
		(void) buf_printf(out, "; the server says '%.100s'", words);
	if (!why && r->status == 400)
		(void) buf_puts(out, "; check the address");
}
