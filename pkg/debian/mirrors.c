/* SPDX-License-Identifier: Apache-2.0 */
#include "debian/mirrors.h"

#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/text.h"
#include "debian/debian.h"

const char *mirror_archive(const char *archive) {
	return archive ? archive : "debian";
}

bool mirror_serves(const struct debian_mirror *m, const char *archive) {
	return !strcmp(mirror_archive(m->archive), mirror_archive(archive));
}

/* Without slashes at the end; "file:///x" is "file:/x". */
static char *root(const struct debian_mirror *m) {
	char *url = text_starts(m->url, "file:///")
		? mem_printf("file:%s", m->url + strlen("file://"))
		: mem_strdup(m->url);

	for (size_t n = strlen(url); n && url[n - 1] == '/'; n--)
		url[n - 1] = 0;
	return url;
}

char *mirror_url(const struct debian_mirror *m, const char *path) {
	char *at CLEANUP(freep) = root(m);

	return mem_printf("%s/%s", at, path);
}

char *mirror_snapshot_url(const struct debian_mirror *m, int64_t when, const char *path) {
	char *at CLEANUP(freep) = root(m);
	time_t seconds = (time_t) when;
	char stamp[32];
	struct tm t;

	(void) gmtime_r(&seconds, &t);
	(void) strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &t);
	return mem_printf("%s/%s/%s", at, stamp, path);
}
