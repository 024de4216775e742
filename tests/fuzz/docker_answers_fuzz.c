/* SPDX-License-Identifier: Apache-2.0 */
/* The Engine's JSON answers, over a real connection: the first byte says which call is asked, the
 * rest is the body of the answer. A server in this process answers; it and the client live as long
 * as the target. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "docker/docker.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct docker_server {
	struct docker *client;
	pthread_t server;
	int listener;
	const uint8_t *body; /* of the next answer */
	size_t n;
};

static void must(bool ok) {
	if (!ok)
		abort();
}

static void put(int fd, const void *data, size_t n) {
	for (const char *at = data; n;) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		at += sent;
		n -= (size_t) sent;
	}
}

/* Requests here have no body: one ends with its empty line. */
static bool take_request(int fd, char *text, size_t size) {
	size_t n = 0;

	for (;;) {
		ssize_t got = recv(fd, text + n, size - 1 - n, 0);
		if (got <= 0)
			return false;
		n += (size_t) got;
		text[n] = 0;
		if (strstr(text, "\r\n\r\n"))
			return true;
	}
}

static void answer(struct docker_server *g, int fd) {
	char head[192];
	/* The client may be done, and the input gone, as soon as the last byte is sent: of an empty
	 * body that is the head's. */
	size_t n = g->n;
	void *copy CLEANUP(freep) = mem_strndup((const char *) g->body, n);

	(void) snprintf(head, sizeof head,
			"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: "
			"application/json\r\nContent-Length: %zu\r\n\r\n",
			n);
	put(fd, head, strlen(head));
	put(fd, copy, n);
}

static void *serve(void *ctx) {
	struct docker_server *g = ctx;

	for (;;) {
		int fd = accept(g->listener, NULL, NULL);
		char request[4096];
		if (fd < 0)
			return NULL;
		while (take_request(fd, request, sizeof request))
			answer(g, fd);
		(void) close(fd);
	}
}

static void begin(struct docker_server *g) {
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/docker_answers_fuzz.XXXXXX";
	struct err e;

	g->body = (const uint8_t *) "OK";
	g->n = 2;
	must(mkdtemp(dir) != NULL);
	(void) snprintf(at.sun_path, sizeof at.sun_path, "%s/s", dir);
	g->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(g->listener >= 0 && !bind(g->listener, (const struct sockaddr *) &at, sizeof at) &&
	     !listen(g->listener, 4));
	must(!pthread_create(&g->server, NULL, serve, g));
	struct docker_options o = {.host = at.sun_path, .quick_ms = 60000};
	must(!docker_open(&o, &g->client, &e));
	/* The connection stays; nothing is left on the disk. */
	(void) unlink(at.sun_path);
	(void) rmdir(dir);
}

static void ask_for_containers(struct docker *d, struct err *e) {
	static const char *const none[] = {NULL};
	struct docker_containers l = {0};

	if (!docker_container_list(d, none, &l, e))
		for (size_t i = 0; i < l.n; i++)
			must(*l.at[i].id && l.at[i].name && l.at[i].image && l.at[i].state &&
			     (!l.at[i].labels || json_is_object(l.at[i].labels)));
	docker_containers_done(&l);
}

static void ask_for_container(struct docker *d, struct err *e) {
	struct docker_container c = {0};
	bool found = false;

	if (!docker_container_inspect(d, "x", &found, &c, e))
		must(found && *c.id && c.name && c.image && c.state && c.restart && c.error &&
		     (!c.labels || json_is_object(c.labels)));
	docker_container_done(&c);
}

static void ask_for_image(struct docker *d, struct err *e) {
	struct docker_image i = {0};
	bool found = false;

	if (!docker_image_inspect(d, "x:y", &found, &i, e)) {
		must(found && *i.id && (!i.labels || json_is_object(i.labels)));
		for (size_t k = 0; k < i.n_layers; k++)
			must(i.layers[k] != NULL);
	}
	docker_image_done(&i);
}

static void ask_for_images(struct docker *d, struct err *e) {
	static const char *const none[] = {NULL};
	struct docker_images l = {0};

	if (!docker_image_list(d, none, &l, e))
		for (size_t i = 0; i < l.n; i++)
			must(l.at[i].id && (!l.at[i].labels || json_is_object(l.at[i].labels)));
	docker_images_done(&l);
}

static void ask_for_networks(struct docker *d, struct err *e) {
	static const char *const none[] = {NULL};
	struct json *names = NULL;

	if (!docker_network_list(d, none, &names, e))
		for (const struct json *i = json_first(names); i; i = json_next(i))
			must(json_text(i) != NULL);
	json_free(names);
}

static void ask_for_state(struct docker *d, struct err *e) {
	struct docker_info i = {0};

	if (!docker_info(d, &i, e))
		must(i.version && i.os && i.root_dir && i.storage_driver && i.cgroup_driver &&
		     i.cgroup_version);
	docker_info_done(&i);
}

static void ask_for_memory(struct docker *d, struct err *e) {
	uint64_t bytes = 0;

	(void) docker_container_memory(d, "x", &bytes, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static void (*const calls[])(struct docker * d, struct err * e) = {
		ask_for_containers, ask_for_container, ask_for_image,  ask_for_images,
		ask_for_networks,   ask_for_state,     ask_for_memory,
	};
	static struct docker_server g;
	struct err e = {0};

	if (!size)
		return 0;
	if (!g.client)
		begin(&g);
	g.body = data + 1;
	g.n = size - 1;
	calls[data[0] % (sizeof calls / sizeof *calls)](g.client, &e);
	must(!e.code || e.code == ERR_SYS);
	return 0;
}
