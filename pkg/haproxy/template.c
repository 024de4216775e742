/* SPDX-License-Identifier: Apache-2.0 */
#include "haproxy/template.h"

#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/embed.h"

/* haproxy.cfg: blocks that begin with a line "@@ NAME". */
extern const char haproxy_template[], haproxy_template_end[], haproxy_lua[], haproxy_lua_end[];
extern const char haproxy_answers[], haproxy_answers_end[], haproxy_counters[],
	haproxy_counters_end[];
EMBED(haproxy_template, "templates/haproxy/haproxy.cfg");
EMBED(haproxy_lua, "templates/haproxy/llmdeploy.lua");
EMBED(haproxy_answers, "templates/haproxy/answers.lua");
EMBED(haproxy_counters, "templates/haproxy/counters.lua");

/* First byte behind the line "@@ NAME", and the end of its block. */
static const char *find(const char *block, const char **end) {
	size_t n = strlen(block);

	for (const char *p = haproxy_template; p; p = strstr(p, "\n@@ ")) {
		p += *p == '\n';
		if (strncmp(p + 3, block, n) || p[3 + n] != '\n')
			continue;
		const char *from = p + 3 + n, *to = strstr(from, "\n@@ ");
		*end = to ? to + 1 : haproxy_template_end;
		return from + 1;
	}
	return NULL;
}

/* Length of @NAME@ at p with its two signs; 0: there is none. */
static size_t name_at(const char *p, const char *end) {
	size_t n = 1;

	while (p + n < end && (isupper((unsigned char) p[n]) || p[n] == '_'))
		n++;
	return n > 1 && p + n < end && p[n] == '@' ? n + 1 : 0;
}

static const char *value_of(const struct haproxy_fill *f, const char *name, size_t n) {
	for (; f->name; f++)
		if (strlen(f->name) == n && !strncmp(f->name, name, n))
			return f->value;
	return NULL;
}

static void fill(const char *p, const char *end, const struct haproxy_fill *fills,
		 struct buf *out) {
	while (p < end) {
		size_t n = *p == '@' ? name_at(p, end) : 0;
		if (!n) {
			(void) buf_putc(out, *p++);
			continue;
		}
		const char *value = value_of(fills, p + 1, n - 2);
		assert(value);
		(void) buf_puts(out, value);
		p += n;
	}
}

void haproxy_block(const char *block, const struct haproxy_fill *fills, struct buf *out) {
	const char *end = NULL, *p = find(block, &end);

	assert(p);
	fill(p, end, fills, out);
}

/* The first line of each text is its license, which is not written. */
static const char *content(const char *text) {
	return strchr(text, '\n') + 1;
}

void haproxy_put_lua(const struct haproxy_fill *fills, struct buf *out) {
	fill(content(haproxy_lua), haproxy_lua_end, fills, out);
	fill(content(haproxy_answers), haproxy_answers_end, fills, out);
	fill(content(haproxy_counters), haproxy_counters_end, fills, out);
}
