/* SPDX-License-Identifier: Apache-2.0 */
#include "debian/release.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/text.h"

struct text {
	const char *at;
	size_t n;
};

/* The next line, without its end; false at the end. */
static bool next_line(struct text *rest, struct text *line) {
	if (!rest->n)
		return false;
	const char *end = memchr(rest->at, '\n', rest->n);
	size_t n = end ? (size_t) (end - rest->at) : rest->n;

	*line = (struct text){rest->at, n};
	rest->at += n + (end != NULL);
	rest->n -= n + (end != NULL);
	return true;
}

/* The value of "Key: value", without blanks around it. */
static bool field(struct text line, const char *key, struct text *value) {
	size_t n = strlen(key);

	if (line.n <= n || strncasecmp(line.at, key, n) != 0 || line.at[n] != ':')
		return false;
	line.at += n + 1;
	line.n -= n + 1;
	while (line.n && (*line.at == ' ' || *line.at == '\t'))
		line.at++, line.n--;
	while (line.n && strchr(" \t\r", line.at[line.n - 1]))
		line.n--;
	*value = line;
	return true;
}

static bool copy(struct text value, char *out, size_t size) {
	if (!value.n || value.n >= size || memchr(value.at, 0, value.n))
		return false;
	memcpy(out, value.at, value.n);
	out[value.n] = 0;
	return true;
}

/* "Fri, 30 Oct 2026 08:08:01 UTC" (RFC 2822, always UTC or +0000). */
static bool date(struct text value, int64_t *out) {
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char s[64], month[4], zone[6];
	struct tm t = {0};
	int used = 0;

	if (!copy(value, s, sizeof s) ||
	    sscanf(s, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d %5s%n", &t.tm_mday, month,
		   &t.tm_year, &t.tm_hour, &t.tm_min, &t.tm_sec, zone, &used) != 7 ||
	    s[used])
		return false;
	const char *m = strstr(months, month);
	if (!m || (m - months) % 3 || strlen(month) != 3 || t.tm_year < 1990)
		return false;
	if (strcmp(zone, "UTC") != 0 && strcmp(zone, "GMT") != 0 && strcmp(zone, "+0000") != 0)
		return false;
	t.tm_mon = (int) (m - months) / 3;
	t.tm_year -= 1900;
	*out = timegm(&t);
	return true;
}

/* The lines that continue a field: they begin with a blank. */
static struct text continued(struct text *rest) {
	struct text all = {rest->at, 0}, line;

	while (rest->n && (*rest->at == ' ' || *rest->at == '\t') && next_line(rest, &line))
		all.n = (size_t) (rest->at - all.at);
	return all;
}

static int bad(struct err *e, const char *name, const char *key) {
	return err_set(e, ERR_INTEGRITY,
		       "'%s' is not a usable index: its field %s is missing or malformed", name,
		       key);
}

int release_parse(const char *name, const char *text, size_t n, struct release *out,
		  struct err *e) {
	struct text rest = {text, n}, line, value;
	struct release r = {0};

	while (next_line(&rest, &line)) {
		if (field(line, "SHA256", &value)) {
			struct text files = continued(&rest);
			r.files = files.at;
			r.n_files = files.n;
		} else if (field(line, "Suite", &value)) {
			if (!copy(value, r.suite, sizeof r.suite))
				return bad(e, name, "Suite");
		} else if (field(line, "Codename", &value)) {
			if (!copy(value, r.codename, sizeof r.codename))
				return bad(e, name, "Codename");
		} else if (field(line, "Date", &value)) {
			if (!date(value, &r.date))
				return bad(e, name, "Date");
		} else if (field(line, "Valid-Until", &value)) {
			if (!date(value, &r.valid_until))
				return bad(e, name, "Valid-Until");
		} else if (field(line, "Acquire-By-Hash", &value)) {
			r.by_hash = value.n == 3 && !strncasecmp(value.at, "yes", 3);
		}
	}
	if (!r.suite[0] && !r.codename[0])
		return bad(e, name, "Suite");
	if (!r.date)
		return bad(e, name, "Date");
	if (!r.n_files)
		return bad(e, name, "SHA256");
	*out = r;
	return 0;
}

bool release_find(const struct release *r, const char *path, char sha256[65], uint64_t *size) {
	struct text rest = {r->files, r->n_files}, line;
	size_t want = strlen(path);

	while (next_line(&rest, &line)) {
		char s[512], digest[65], bytes[21], file[384];
		uint64_t n;

		if (line.n <= want || memcmp(line.at + line.n - want, path, want) != 0 ||
		    !copy(line, s, sizeof s))
			continue;
		if (sscanf(s, " %64s %20s %383s", digest, bytes, file) != 3 ||
		    strcmp(file, path) != 0)
			continue;
		if (!text_is_sha256(digest) || !text_u64(bytes, &n))
			return false;
		memcpy(sha256, digest, sizeof digest);
		*size = n;
		return true;
	}
	return false;
}
