/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "docker/internal.h"
#include "fs/fs.h"

static const char *env(const char *name) {
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

static bool is_socket(const char *path) {
	struct stat st;

	return !stat(path, &st) && S_ISSOCK(st.st_mode);
}

/* `from` says who named it: "DOCKER_HOST", "docker context 'x'". */
static int socket_path(const char *host, const char *from, char **out, struct err *e) {
	const char *path = text_starts(host, "unix://") ? host + strlen("unix://") : host;
	struct sockaddr_un limit;

	if (*path != '/' && strstr(host, "://") && path == host)
		return err_set(e, ERR_UNREACHABLE,
			       "Docker address '%.120s' (%s) is not a Unix socket: Docker must run "
			       "on this machine, because it "
			       "mounts models from this file system; set "
			       "DOCKER_HOST=unix:///var/run/docker.sock",
			       host, from);
	if (*path != '/')
		return err_set(
			e, ERR_UNREACHABLE,
			"Docker address '%.120s' (%s) is not 'unix://' and an absolute path, as "
			"in unix:///var/run/docker.sock",
			host, from);
	if (strlen(path) >= sizeof limit.sun_path)
		return err_set(e, ERR_UNREACHABLE,
			       "Docker socket '%.200s' (%s) has a path of %zu bytes, a socket's "
			       "may have %zu",
			       path, from, strlen(path), sizeof limit.sun_path - 1);
	*out = mem_strdup(path);
	return 0;
}

/* *out is NULL when there is no such file. */
static int read_json(const char *path, struct json **out, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct stat st;

	*out = NULL;
	if (stat(path, &st))
		return 0;
	if (fs_read_user(path, &text, e))
		return err_wrap(e, "docker's configuration '%s'", path);
	/* As the docker command does it: nothing but blanks is as good as no file. */
	if (!buf_str(&text)[strspn(buf_str(&text), " \t\r\n")])
		return 0;
	if (json_parse(buf_str(&text), text.len, out, e))
		return err_wrap(e, "docker's configuration '%s'", path);
	return 0;
}

/* A context keeps its address in contexts/meta/SHA256-OF-NAME/meta.json. */
static int context_host(const char *dir, const char *name, char **out, struct err *e) {
	char digest[SHA256_HEX];
	struct json *meta CLEANUP(json_freep) = NULL;

	sha256_of(name, strlen(name), digest);
	char *path CLEANUP(freep) = mem_printf("%s/contexts/meta/%s/meta.json", dir, digest);
	if (read_json(path, &meta, e))
		return -1;
	const char *host = json_text(json_path(meta, "Endpoints.docker.Host"));
	if (!host)
		return err_set(
			e, ERR_UNREACHABLE,
			"docker context '%.80s' has no address in '%s/contexts'; see 'docker "
			"context ls', or set DOCKER_HOST",
			name, dir);
	char *from CLEANUP(freep) = mem_printf("docker context '%.80s'", name);
	return socket_path(host, from, out, e);
}

/* *out stays NULL when no context is chosen. */
static int from_context(char **out, struct err *e) {
	const char *home = env("HOME"), *name = env("DOCKER_CONTEXT"),
		   *config = env("DOCKER_CONFIG");
	struct json *j CLEANUP(json_freep) = NULL;

	if (!config && !home)
		return 0;
	char *dir CLEANUP(freep) = config ? mem_strdup(config) : mem_printf("%s/.docker", home);
	char *path CLEANUP(freep) = mem_printf("%s/config.json", dir);
	if (!name) {
		if (read_json(path, &j, e))
			return -1;
		name = json_str(j, "currentContext");
	}
	return !name || !*name || !strcmp(name, "default") ? 0 : context_host(dir, name, out, e);
}

int docker_find_host(const char *host, char **out, struct err *e) {
	char *found CLEANUP(freep) = NULL;
	const char *run = env("XDG_RUNTIME_DIR");

	if (host)
		return socket_path(host, "as configured", out, e);
	if (env("DOCKER_HOST"))
		return socket_path(env("DOCKER_HOST"), "DOCKER_HOST", out, e);
	if (from_context(&found, e))
		return -1;
	if (!found && run) {
		char *rootless CLEANUP(freep) = mem_printf("%s/docker.sock", run);
		found = is_socket(rootless) ? STEAL(rootless) : NULL;
	}
	*out = found ? STEAL(found) : mem_strdup("/var/run/docker.sock");
	return 0;
}
