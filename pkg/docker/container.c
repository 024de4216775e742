/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "docker/internal.h"

static const int absent[] = {404, 0};
static const int absent_or_conflict[] = {404, 409, 0};

/* A request that was sent whole is carried out, though nobody waits for its answer: a stop is not
 * cancelled with its connection in any Engine from 20.10 on. */
enum { MOMENT_MS = 5 };

/* A request about one container without a body or an answer worth reading. */
static int act(struct docker *d, enum effect as, const char *verb, const char *method,
	       const char *name, const char *path, uint64_t deadline_ms, const int *results,
	       struct answer *a, struct err *e) {
	struct call c = {verb,
			 name,
			 method,
			 path,
			 as,
			 .deadline_ms = deadline_ms,
			 .results = results,
			 .again = as == EFFECT_CONTAINER_START || as == EFFECT_CONTAINER_REMOVE ||
				 (as == EFFECT_CONTAINER_STOP && deadline_ms > MOMENT_MS)};

	return docker_call(d, &c, a, e);
}

int docker_container_start(struct docker *d, const char *name, struct err *e) {
	struct answer a CLEANUP(docker_answer_done) = {0};
	char *path CLEANUP(freep) = docker_path("/containers/", name, "/start");

	d->outages_at_start = d->outages;
	return act(d, EFFECT_CONTAINER_START, "start container", "POST", name, path, d->slow_ms,
		   NULL, &a, e);
}

int docker_container_stop(struct docker *d, const char *name, uint64_t grace_ms, struct err *e) {
	struct answer a CLEANUP(docker_answer_done) = {0};
	char *path CLEANUP(freep) = docker_path("/containers/", name, "/stop");

	docker_query_int(&path, "t", (int64_t) ((grace_ms + 999) / 1000));
	return act(d, EFFECT_CONTAINER_STOP, "stop container", "POST", name, path,
		   d->slow_ms + grace_ms, absent, &a, e);
}

int docker_container_stop_begin(struct docker *d, const char *name, uint64_t grace_ms,
				struct err *e) {
	struct answer a CLEANUP(docker_answer_done) = {0};
	char *path CLEANUP(freep) = docker_path("/containers/", name, "/stop");
	uint64_t begun = clock_mono_ms();
	struct err failure;

	docker_query_int(&path, "t", (int64_t) ((grace_ms + 999) / 1000));
	if (!act(d, EFFECT_CONTAINER_STOP, "stop container", "POST", name, path, MOMENT_MS, absent,
		 &a, &failure) ||
	    docker_ran_out(&failure, begun, MOMENT_MS))
		return 0;
	return docker_pass(&failure, e);
}

int docker_container_kill(struct docker *d, const char *name, const char *signal, struct err *e) {
	struct answer a CLEANUP(docker_answer_done) = {0};
	char *path CLEANUP(freep) = docker_path("/containers/", name, "/kill");

	docker_query(&path, "signal", signal);
	return act(d, EFFECT_CONTAINER_KILL, "kill container", "POST", name, path, d->slow_ms,
		   absent_or_conflict, &a, e);
}

/* Someone else is removing it already: wait for them. */
static int await_absence(struct docker *d, const char *name, const char *said, struct err *e) {
	for (uint64_t until = clock_mono_ms() + d->quick_ms; clock_mono_ms() < until;
	     clock_sleep_ms(50)) {
		struct docker_container c CLEANUP(docker_container_done) = {0};
		bool found;
		if (interrupt_check(e) ||
		    docker_container_inspect(d, name, &found, &c, e))
			return -1;
		if (!found)
			return 0;
	}
	return err_set(e, ERR_SYS, "docker: remove container '%s': 409 Conflict: %s", name, said);
}

int docker_container_remove(struct docker *d, const char *name, bool force, struct err *e) {
	struct answer a CLEANUP(docker_answer_done) = {0};
	char *path CLEANUP(freep) = docker_path("/containers/", name,
						force ? "?v=1&force=1" : "?v=1");

	/* By force, a conflict can only mean that its removal is in progress. */
	if (act(d, EFFECT_CONTAINER_REMOVE, "remove container", "DELETE", name, path, d->slow_ms,
		force ? absent_or_conflict : absent, &a, e))
		return -1;
	return a.status == 409 ? await_absence(d, name, a.said, e) : 0;
}

int docker_container_rename(struct docker *d, const char *name, const char *to, bool *taken,
			    struct err *e) {
	static const int conflict[] = {409, 0};
	struct answer a CLEANUP(docker_answer_done) = {0};
	char *path CLEANUP(freep) = docker_path("/containers/", name, "/rename");

	docker_query(&path, "name", to);
	if (act(d, EFFECT_CONTAINER_RENAME, "rename container", "POST", name, path, d->quick_ms,
		conflict, &a, e))
		return -1;
	*taken = a.status == 409;
	return 0;
}

static const char *without_slash(const char *name) {
	return *name == '/' ? name + 1 : name;
}

int docker_container_inspect(struct docker *d, const char *name, bool *found,
			     struct docker_container *out, struct err *e) {
	struct answer a CLEANUP(docker_answer_done) = {0};
	char *path CLEANUP(freep) = docker_path("/containers/", name, "/json");
	struct call c = {"inspect container", name,
			 .path = path,        .deadline_ms = d->quick_ms,
			 .results = absent,   .wants_json = true};

	if (docker_call(d, &c, &a, e))
		return -1;
	*found = a.status != 404;
	if (!*found)
		return 0;
	if (!json_str(a.json, "Id") || !docker_object(a.json, "State"))
		return docker_misshapen(&c, "a container", e);
	struct json *raw = STEAL(a.json), *state = json_get(raw, "State");
	*out = (struct docker_container){
		.raw = raw,
		.id = docker_text(raw, "Id"),
		.name = without_slash(docker_text(raw, "Name")),
		.image = docker_digest(docker_text(raw, "Image")),
		.state = docker_text(state, "Status"),
		.running = json_true(state, "Running"),
		.oom_killed = json_true(state, "OOMKilled"),
		.exit_code = json_int_or(state, "ExitCode", -1),
		.pid = json_int_or(state, "Pid", 0),
		.restarts = json_int_or(raw, "RestartCount", 0),
		.error = docker_text(state, "Error"),
		.started_at = docker_text(state, "StartedAt"),
		.finished_at = docker_text(state, "FinishedAt"),
		.restart = docker_text(raw, "HostConfig.RestartPolicy.Name"),
		.labels = docker_object(raw, "Config.Labels"),
		.tty = json_truth(json_path(raw, "Config.Tty")),
	};
	return 0;
}

void docker_container_done(struct docker_container *c) {
	json_free(c->raw);
	*c = (struct docker_container){0};
}

int docker_container_list(struct docker *d, const char *const *labels,
			  struct docker_containers *out, struct err *e) {
	struct answer a CLEANUP(docker_answer_done) = {0};
	char *path CLEANUP(freep) = mem_strdup("/containers/json?all=1");
	struct call c = {"list containers", .deadline_ms = d->quick_ms, .wants_json = true};

	docker_query_labels(&path, labels);
	c.path = path;
	if (docker_call(d, &c, &a, e))
		return -1;
	if (!docker_all_have(a.json, "Id"))
		return docker_misshapen(&c, "a list of containers", e);
	*out = (struct docker_containers){.raw = STEAL(a.json)};
	out->at = mem_zalloc(json_count(out->raw) + 1, sizeof *out->at);
	for (const struct json *i = json_first(out->raw); i; i = json_next(i))
		out->at[out->n++] = (struct docker_container_entry){
			.id = docker_text(i, "Id"),
			.name = without_slash(docker_text(i, "Names.0")),
			.image = docker_digest(docker_text(i, "ImageID")),
			.state = docker_text(i, "State"),
			.labels = docker_object(i, "Labels"),
			.created = json_int_or(i, "Created", 0),
		};
	return 0;
}

void docker_containers_done(struct docker_containers *l) {
	json_free(l->raw);
	free(l->at);
	*l = (struct docker_containers){0};
}

int docker_container_wait(struct docker *d, const char *name, enum docker_until until,
			  uint64_t timeout_ms, bool *ended, int64_t *status, struct err *e) {
	static const char *const conditions[] = {"not-running", "next-exit", "removed"};
	struct answer a CLEANUP(docker_answer_done) = {0};
	char *path CLEANUP(freep) = docker_path("/containers/", name, "/wait");
	struct call c = {"wait for container",
			 name,
			 "POST",
			 .effect = EFFECT_NONE,
			 .deadline_ms = timeout_ms,
			 .results = absent,
			 .wants_json = true};
	uint64_t begun = clock_mono_ms();
	struct err failure;

	docker_query(&path, "condition", conditions[until]);
	c.path = path;
	if (docker_call(d, &c, &a, &failure)) {
		if (!docker_ran_out(&failure, begun, timeout_ms))
			return docker_pass(&failure, e);
		*ended = false;
		return 0;
	}
	*ended = true;
	*status = json_int_or(a.json, "StatusCode", -1);
	return 0;
}
