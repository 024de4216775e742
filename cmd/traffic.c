#include "traffic.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "context.h"
#include "json/json.h"
#include "lock/lock.h"

void traffic_done(struct traffic *t) {
	free(t->gateway);
	free(t->servers);
	free(t->fallback);
	json_free(t->json);
	*t = (struct traffic){0};
}

static struct json *server_json(const struct gateway_server *sv) {
	struct json *o = json_object();

	json_set_str(o, "version", sv->version);
	json_set_str(o, "want", sv->want);
	json_set_str(o, "have", sv->have);
	json_set_bool(o, "up", sv->up);
	json_set_int(o, "in_flight", (int64_t) sv->in_flight);
	json_set_int(o, "queued", (int64_t) sv->queued);
	return o;
}

static void add_server(struct buf *b, const struct gateway_server *sv) {
	if (!*sv->id)
		return;
	(void) buf_printf(b, "%s'%s' %s", b->len ? "; " : "", sv->version, sv->want);
	if (sv->in_flight)
		(void) buf_printf(b, ", %llu in flight", (unsigned long long) sv->in_flight);
	if (sv->queued)
		(void) buf_printf(b, ", %llu waiting", (unsigned long long) sv->queued);
	if (!sv->up && strcmp(sv->want, "maint"))
		(void) buf_printf(b, " (%s)", *sv->have ? sv->have : "no answer from the gateway");
}

static void show_servers(const struct gateway_route_view *v, struct traffic *out) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(4096);
	struct json *list = json_array();

	for (size_t i = 0; i < 2; i++) {
		add_server(&b, &v->servers[i]);
		if (*v->servers[i].id)
			json_push(list, server_json(&v->servers[i]));
	}
	if (v->canary_percent)
		(void) buf_printf(&b, "; %u %% of the clients go to the canary", v->canary_percent);
	json_set(out->json, "servers", list);
	json_set_int(out->json, "canary_percent", v->canary_percent);
	out->servers = b.len ? buf_steal(&b) : mem_strdup("no release has a server");
}

/* The trade-off is on record: how often an answer came from elsewhere, and why. */
static void show_fallback(const struct gateway_route_view *v, const struct lock *active, struct traffic *out) {
	struct json *o = json_object();

	json_set_int(o, "requests", (int64_t) v->fallback_requests);
	json_set_int(o, "down", (int64_t) v->fallback_down);
	json_set_int(o, "queue", (int64_t) v->fallback_queue);
	json_set_int(o, "asked", (int64_t) v->fallback_asked);
	json_set(out->json, "fallback", o);
	if (active && json_path(active->tree, "gateway.fallback"))
		out->fallback = mem_printf("%llu requests: %llu as the release was down, %llu as its queue was full, %llu asked for it",
			(unsigned long long) v->fallback_requests, (unsigned long long) v->fallback_down, (unsigned long long) v->fallback_queue,
			(unsigned long long) v->fallback_asked);
}

void traffic_open(const struct context *c, struct traffic_source *out) {
	*out = (struct traffic_source){0};
	if (!c->gateway || !gateway_present(c->gateway) || gateway_sight_take(c->gateway, &out->sight, &out->fault))
		return;
	gateway_sight_process(out->sight, &out->process);
}

void traffic_close(struct traffic_source *s) {
	gateway_sight_free(s->sight);
}

void traffic_look(const struct traffic_source *s, const char *route, const struct lock *active, struct traffic *out) {
	const struct gateway_view g = s->process;
	struct gateway_route_view v;
	struct err why = s->fault;

	if (!s->sight && !why.code)
		return;
	if (!s->sight || gateway_sight_route(s->sight, route, &v, &why)) {
		out->gateway = mem_printf("unknown: %s", why.msg);
		return;
	}
	out->json = json_object();
	json_set_bool(out->json, "running", g.running);
	json_set_bool(out->json, "known", v.known);
	if (!v.known) {
		out->gateway = mem_strdup("does not know the route");
		return;
	}
	json_set_str(out->json, "listen", v.listen);
	json_set_str(out->json, "version", g.version);
	json_set_int(out->json, "processes", g.workers);
	out->gateway = g.running ? mem_printf("%s, HAProxy %s, %u process%s", v.listen, g.version, g.workers, g.workers == 1 ? "" : "es")
				 : mem_printf("%s, not running: llmdeploy recover %s starts it", v.listen, route);
	show_servers(&v, out);
	show_fallback(&v, active, out);
}
