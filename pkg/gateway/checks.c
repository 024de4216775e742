#include "gateway/internal.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "crypto/pem.h"
#include "fs/fs.h"
#include "root/root.h"

#define PEM_CAP ((size_t) 16 << 20)

static bool is_secret(enum gateway_file_use use) {
	return use == GATEWAY_API_KEY || use == GATEWAY_CERTIFICATE;
}

static int check_file(const struct gateway *g, const struct gateway_file *f, struct err *e) {
	unsigned uid = (unsigned) g->o.root->engine_uid;
	struct stat st;

	if (stat(f->path, &st))
		return err_set(e, ERR_SPEC, "the gateway needs '%s': %s", f->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_SPEC, "the gateway needs '%s', which is not a file", f->path);
	if (is_secret(f->use) && st.st_mode & 077)
		return err_set(e, ERR_SPEC, "'%s' holds a key and can be read by others: chmod 600 it", f->path);
	if (is_secret(f->use) ? st.st_uid != uid : !(st.st_mode & 04) && st.st_uid != uid)
		return err_set(e, ERR_SPEC, "'%s' cannot be read by the gateway, which runs as uid %u: chown %u it", f->path, uid, uid);
	return 0;
}

/* HAProxy would not come up with it, when the switch has begun. */
static int check_pem(const struct gateway_file *f, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(PEM_CAP);

	if (f->use != GATEWAY_CERTIFICATE && f->use != GATEWAY_CA)
		return 0;
	return fs_read_user(f->path, &text, e) || pem_check(f->path, buf_str(&text), text.len, f->use == GATEWAY_CERTIFICATE, e) ? -1 : 0;
}

int checks_files(const struct gateway *g, const struct gateway_state *s, struct err *e) {
	struct gateway_file *files CLEANUP(freep) = NULL;
	size_t n = gateway_files(s, &files);

	for (size_t i = 0; i < n; i++)
		if (check_file(g, &files[i], e) || check_pem(&files[i], e))
			return -1;
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

static int try_address(const char *where, const struct addrinfo *a, struct err *e) {
	int fd CLEANUP(closep) = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		return 0; /* HAProxy will say what it thinks of the family */
	(void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (a->ai_family == AF_INET6)
		(void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (!bind(fd, a->ai_addr, a->ai_addrlen) && !listen(fd, 1))
		return 0;
	if (errno == EADDRINUSE)
		return err_set(e, ERR_UNREACHABLE, "the gateway cannot listen on '%s': another program does; see ss -ltnp, or choose another "
			"gateway.listen", where);
	return err_set(e, ERR_UNREACHABLE, "the gateway cannot listen on '%s': %s", where, strerror(errno));
}

static int check_listen(const char *listen, struct err *e) {
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	char host[128], port[8];
	uint64_t number;

	if (split(listen, host, port) || !text_u64(port, &number))
		return err_set(e, ERR_SPEC, "'%s' is not HOST:PORT", listen);
	if (number < first_free_port())
		return err_set(e, ERR_SPEC, "the gateway cannot listen on '%s': it has no rights, and ports below %u want some; choose another, or "
			"sysctl net.ipv4.ip_unprivileged_port_start=%s", listen, first_free_port(), port);
	int fault = getaddrinfo(*host && strcmp(host, "*") ? host : NULL, port, &hints, &list);
	if (fault)
		return err_set(e, ERR_SPEC, "the gateway cannot listen on '%s': %s", listen, gai_strerror(fault));
	int r = 0;
	for (const struct addrinfo *a = list; a && !r; a = a->ai_next)
		r = try_address(listen, a, e);
	freeaddrinfo(list);
	return r;
}

static bool has_address(const struct gateway_state *s, const char *listen) {
	for (size_t i = 0; s && i < gateway_state_count(s); i++) {
		const struct gateway_door *d = &gateway_state_at(s, i)->door;
		if (!strcmp(d->listen, listen) || !strcmp(d->metrics, listen))
			return true;
	}
	return false;
}

int checks_ports(const struct gateway *g, const struct gateway_state *running, const struct gateway_state *wanted, struct err *e) {
	(void) g;
	for (size_t i = 0; i < gateway_state_count(wanted); i++) {
		const struct gateway_door *d = &gateway_state_at(wanted, i)->door;
		const char *both[] = {d->listen, d->metrics};
		for (size_t k = 0; k < 2; k++)
			if (both[k] && *both[k] && !has_address(running, both[k]) && check_listen(both[k], e))
				return -1;
	}
	return 0;
}
