/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/internal.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "crypto/pem.h"
#include "fs/fs.h"
#include "root/root.h"

#define PEM_CAP ((size_t) 16 << 20)

static bool is_secret(enum haproxy_file_use use) {
	return use == HAPROXY_API_KEY || use == HAPROXY_CERTIFICATE;
}

/* By mode alone: who reaches a file must be able to pass each directory above it. */
static int check_way(const char *path, unsigned uid, struct err *e) {
	struct stat st;

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		char *dir CLEANUP(freep) = mem_strndup(path, (size_t) (slash - path));
		if (stat(dir, &st))
			return err_set(e, ERR_SPEC, "the gateway needs '%s': %s", path,
				       strerror(errno));
		unsigned pass = st.st_uid == uid ? 0100 : st.st_gid == uid ? 010 : 01;
		if (uid && !(st.st_mode & pass))
			return err_set(e, ERR_SPEC,
				       "'%s' cannot be reached by the gateway, which runs as uid "
				       "%u: '%s' is closed to it; put the file "
				       "elsewhere, or chmod +x it",
				       path, uid, dir);
	}
	return 0;
}

static int check_file(const struct gateway *g, const struct haproxy_file *f, struct err *e) {
	unsigned uid = (unsigned) g->o.root->instance_uid;
	struct stat st;

	if (stat(f->path, &st))
		return err_set(e, ERR_SPEC, "the gateway needs '%s': %s", f->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_SPEC, "the gateway needs '%s', which is not a file", f->path);
	if (is_secret(f->use) && st.st_mode & 077)
		return err_set(e, ERR_SPEC,
			       "'%s' holds a key and can be read by others: chmod 600 it", f->path);
	if (is_secret(f->use) ? st.st_uid != uid : !(st.st_mode & 04) && st.st_uid != uid)
		return err_set(
			e, ERR_SPEC,
			"'%s' cannot be read by the gateway, which runs as uid %u: chown %u it",
			f->path, uid, uid);
	if (uid && !(st.st_mode & (st.st_uid == uid ? 0400 : 04)))
		return err_set(
			e, ERR_SPEC,
			"'%s' cannot be read by the gateway, which runs as uid %u: chmod u+r it",
			f->path, uid);
	return check_way(f->path, uid, e);
}

/* "SHA256 NAME" a line; HAProxy would take anything, and let nobody in. */
static int check_hashes(const char *path, const struct buf *text, struct err *e) {
	unsigned line = 1;

	if (text->len && memchr(buf_str(text), 0, text->len))
		return err_set(e, ERR_SPEC, "'%s' is no text: it has a byte of value 0", path);
	for (const char *at = buf_str(text); at < buf_str(text) + text->len; line++) {
		size_t n = strcspn(at, "\n"), hex = strspn(at, "0123456789abcdef"), name = 0;
		if (n > SHA256_HEX && hex == SHA256_HEX - 1)
			name = strcspn(at + hex + strspn(at + hex, " \t"), " \t\r\n");
		if (*at != '#' && strspn(at, " \t\r") < n && (!name || !strchr(" \t", at[hex])))
			return err_set(e, ERR_SPEC,
				       "line %u of '%s' is no key: 64 lower-case hex digits (the "
				       "SHA-256 of the key), a blank, and a name",
				       line, path);
		at += n + 1;
	}
	return 0;
}

int preflight_file(const struct gateway *g, const struct haproxy_file *f, struct buf *bytes,
		   struct err *e) {
	if (check_file(g, f, e) ||
	    fs_read_user(f->path, bytes, e))
		return -1;
	if (f->use == HAPROXY_KEY_HASHES)
		return check_hashes(f->path, bytes, e);
	if (f->use == HAPROXY_API_KEY)
		return 0;
	return pem_check(f->path, buf_str(bytes), bytes->len, f->use == HAPROXY_CERTIFICATE, e);
}

int preflight_files(const struct gateway *g, const struct gateway_state *s, struct err *e) {
	struct haproxy_file *files CLEANUP(freep) = NULL;
	size_t n = haproxy_files(gateway_state_routes(s), &files);

	for (size_t i = 0; i < n; i++) {
		struct buf bytes CLEANUP(buf_done) = BUF_INIT(PEM_CAP);
		if (preflight_file(g, &files[i], &bytes, e))
			return -1;
	}
	return 0;
}

/* Ports below this one are for those with a capability, which the gateway does not have. */
static unsigned first_free_port(void) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(64);
	struct err ignored = {0};
	unsigned port = 1024;

	if (!fs_read_user("/proc/sys/net/ipv4/ip_unprivileged_port_start", &text, &ignored))
		(void) sscanf(buf_str(&text), "%u", &port);
	return port;
}

/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080" */
static int split(const char *listen, char host[128], char port[8]) {
	const char *colon = strrchr(listen, ':');
	size_t n = colon ? (size_t) (colon - listen) : 0;
	bool brackets = n > 1 && *listen == '[' && listen[n - 1] == ']';

	if (!colon || n - 2 * brackets >= 128 || strlen(colon + 1) >= 8)
		return -1;
	(void) snprintf(host, 128, "%.*s", (int) (n - 2 * brackets), listen + brackets);
	(void) snprintf(port, 8, "%s", colon + 1);
	return 0;
}

/* A taken port is the manifest's to change: no engine, registry or mirror was asked for
 * anything. */
static int try_address(const char *field, const char *where, const struct addrinfo *a,
		       struct err *e) {
	int fd CLEANUP(closep) = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		return 0; /* HAProxy will say what it thinks of the family */
	(void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (a->ai_family == AF_INET6)
		(void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (!bind(fd, a->ai_addr, a->ai_addrlen) && !listen(fd, 1))
		return 0;
	if (errno == EADDRINUSE)
		return err_set(e, ERR_SPEC,
			       "the gateway cannot listen on '%s': another program does; see ss "
			       "-ltnp, or choose another %s",
			       where, field);
	return err_set(e, ERR_SPEC, "the gateway cannot listen on '%s': %s; choose another %s",
		       where, strerror(errno), field);
}

static int check_listen(const char *field, const char *listen, struct err *e) {
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	char host[128], port[8];
	uint64_t number;

	if (split(listen, host, port) || !text_u64(port, &number))
		return err_set(e, ERR_SPEC, "'%s' in %s is not HOST:PORT", listen, field);
	if (number < first_free_port())
		return err_set(e, ERR_SPEC,
			       "the gateway cannot listen on '%s': it has no privilege for ports "
			       "below %u; choose another %s, or "
			       "sysctl net.ipv4.ip_unprivileged_port_start=%s",
			       listen, first_free_port(), field, port);
	int fault = getaddrinfo(*host && strcmp(host, "*") ? host : NULL, port, &hints, &list);
	if (fault)
		return err_set(e, ERR_SPEC, "the gateway cannot listen on '%s' (%s): %s", listen,
			       field, gai_strerror(fault));
	int r = 0;
	for (const struct addrinfo *a = list; a && !r; a = a->ai_next)
		r = try_address(field, listen, a, e);
	freeaddrinfo(list);
	return r;
}

struct address {
	const char *route, *field, *at;
};

static size_t addresses(const struct gateway_state *s, struct address **out) {
	size_t n = s ? gateway_state_count(s) : 0;
	struct address *list = mem_zalloc(2 * n + 1, sizeof *list);

	for (size_t i = 0; i < n; i++) {
		const struct haproxy_route *r = gateway_state_at(s, i);
		list[2 * i] = (struct address){r->name, "gateway.listen", r->frontend.listen};
		list[2 * i + 1] = (struct address){r->name, "gateway.metrics", r->frontend.metrics};
	}
	*out = list;
	return 2 * n;
}

static bool is_listened(const struct address *list, size_t n, const char *at) {
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].at, at))
			return true;
	return false;
}

/* Two spellings of one address, or one within the other: the second listener would fail, in a
 * process of ours. */
static int check_overlap(const struct address *a, const struct address *list, size_t n,
			 struct err *e) {
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].at, a->at) && address_overlaps(list[i].at, a->at))
			return err_set(e, ERR_SPEC,
				       "'%s' in %s of route '%s' overlaps with '%s', the %s of "
				       "route '%s': use the same address, or choose another "
				       "port",
				       a->at, a->field, a->route, list[i].at, list[i].field,
				       list[i].route);
	return 0;
}

int preflight_ports(const struct gateway *g, const struct gateway_state *running,
		    const struct gateway_state *wanted, struct err *e) {
	struct address *old CLEANUP(freep) = NULL, *new CLEANUP(freep) = NULL;
	size_t n_old = addresses(running, &old), n_new = addresses(wanted, &new);

	(void) g;
	for (size_t i = 0; i < n_new; i++) {
		if (is_listened(old, n_old, new[i].at))
			continue;
		if (check_overlap(&new[i], new, n_new, e) ||
		    check_overlap(&new[i], old, n_old, e))
			return -1;
		if (check_listen(new[i].field, new[i].at, e))
			return -1;
	}
	return 0;
}
