/* SPDX-License-Identifier: Apache-2.0 */
#include "haproxy/haproxy.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"

/* Design: a worker that finishes ends by itself when nobody is connected any more. But it is its
 * own client, too: what it logs goes through `counts` to its counters, for as long as it lives. So
 * where only that is left it is ended from outside, by the next command that comes along. */

static int clients_of(const struct haproxy *h, const struct socket_worker *w, uint64_t *n,
		      bool *gone, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(8 << 20);
	struct socket_table t;

	*n = 0;
	if (socket_worker_ask(EFFECT_NONE, h->dir, w, "show stat -1 1 -1", &text, gone, e))
		return -1;
	if (*gone)
		return 0;
	if (!text.data || socket_table_begin(&t, text.data, e))
		return -1;
	while (socket_table_row(&t))
		if (strcmp(socket_table_text(&t, "pxname"), "counts") != 0)
			*n += socket_table_number(&t, "scur");
	return 0;
}

int worker_reaper_is_idle(const struct haproxy *h, const char *socket, bool *idle, struct err *e) {
	struct socket_workers all;
	uint64_t n;
	bool gone;

	*idle = true;
	if (socket_workers(h->dir, &all, e))
		return -1;
	for (size_t i = 0; i < all.n && *idle; i++) {
		if (strcmp(all.at[i].socket, socket) != 0)
			continue;
		if (clients_of(h, &all.at[i], &n, &gone, e))
			return -1;
		*idle = gone || !n;
	}
	return 0;
}

/* The number that a process of ours has in its own namespace: the last one of
 * "NSpid:\t27110\t8". */
static int inner_pid(int pid) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(64 << 10);
	char *path CLEANUP(freep) = mem_printf("/proc/%d/status", pid);
	struct err ignored = {0};
	int inner = 0;

	if (fs_read_user(path, &text, &ignored))
		return 0;
	const char *line = strstr(buf_str(&text), "\nNSpid:");
	if (!line || !strstr(buf_str(&text), "Name:\thaproxy\n"))
		return 0;
	const char *end = line + 1 + strcspn(line + 1, "\n"), *last = end;
	while (last > line && last[-1] != '\t')
		last--;
	return sscanf(last, "%d", &inner) == 1 ? inner : 0;
}

/* Of the master's children the one with this number; the Engine may be in another namespace of
 * processes than we are: then none. */
static int outer_pid(int master, int inner) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(64 << 10);
	char *path CLEANUP(freep) = mem_printf("/proc/%d/task/%d/children", master, master);
	struct err ignored = {0};
	int pid, used;

	if (fs_read_user(path, &text, &ignored))
		return 0;
	for (const char *at = buf_str(&text); sscanf(at, "%d%n", &pid, &used) == 1; at += used)
		if (inner_pid(pid) == inner)
			return pid;
	return 0;
}

int worker_reaper_run(const struct haproxy *h, int master, struct err *e) {
	struct socket_workers all;
	uint64_t n;
	bool gone;

	if (master < 1)
		return 0;
	if (socket_workers(h->dir, &all, e))
		return -1;
	for (size_t i = 0; i < all.n; i++) {
		const struct socket_worker *w = &all.at[i];
		if (!w->finishing || strcmp(w->socket, SOCKET_MASTER) != 0)
			continue;
		if (clients_of(h, w, &n, &gone, e))
			return -1;
		int pid = gone || n ? 0 : outer_pid(master, w->pid);
		if (!pid)
			continue;
		if (failpoint_begin_call(EFFECT_GATEWAY_RELOAD) ||
		    (kill(pid, SIGTERM), failpoint_end(EFFECT_GATEWAY_RELOAD, 0)))
			return err_sys(e, "cannot end process %d, which has finished", pid);
	}
	return 0;
}
