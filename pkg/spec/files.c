/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/files.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"

char *spec_beside(const char *dir, const char *path) {
	if (*path == '/' || !*dir || !strcmp(dir, "."))
		return mem_strdup(path);
	return mem_printf("%s/%s", strcmp(dir, "/") ? dir : "", path);
}

char *spec_dir_of(const char *path) {
	const char *slash = strrchr(path, '/');

	if (!slash)
		return mem_strdup(".");
	return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t) (slash - path));
}

char *spec_read_named(const struct yaml_node *n, const char *path, const char *dir, size_t limit,
		      struct diagnostics *c) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(limit);
	const char *name = yaml_scalar(n, NULL);
	char shown[YAML_SHOWN];
	struct err why = {0};

	if (!name || !*name)
		return NULL;
	char *file CLEANUP(freep) = spec_beside(dir, name);
	(void) yaml_show(name, shown);
	if (fs_read_user(file, &text, &why))
		diagnostics_add(c, yaml_pos(n), "'%s': %s", path, why.msg);
	else if (!text_is_utf8(buf_str(&text), text.len) || memchr(buf_str(&text), 0, text.len))
		diagnostics_add(c, yaml_pos(n), "'%s' in '%s' is not UTF-8 text", shown, path);
	else if (!text.len)
		diagnostics_add(c, yaml_pos(n), "'%s' in '%s' is an empty file", shown, path);
	else
		return buf_steal(&text);
	return NULL;
}
