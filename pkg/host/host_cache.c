/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "host/host.h"
#include "host/measure.h"
#include "json/json.h"

#define NAME "host.json"

int host_cache_write(int root, const struct host_facts *h, const struct host_measure *m,
		     int64_t unix_seconds, struct err *e) {
	struct json *o CLEANUP(json_freep) = json_object();
	struct buf text CLEANUP(buf_done) = BUF_INIT(4096);
	char when[CLOCK_STAMP];

	clock_stamp(unix_seconds, when);
	json_set_str(o, "kind", "HostMeasurement");
	json_set_str(o, "measured_at", when);
	json_set_str(o, "cpu", h->cpu);
	json_set_int(o, "cpus", h->cpus);
	json_set_int(o, "bytes_per_second", (int64_t) m->bytes_per_second);
	json_set_int(o, "buffer_bytes", (int64_t) m->buffer_bytes);
	json_print(o, &text);
	(void) buf_puts(&text, "\n");
	return fs_write(EFFECT_HOST_NOTE, root, NAME, text.data, text.len, 0644, e);
}

static int damaged(struct err *e) {
	return err_set(
		e, ERR_INTEGRITY,
		"'%s' in the root cannot be read: 'llmdeploy host --measure' writes it again",
		NAME);
}

int host_cache_read(int root, struct host_facts *h, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(4096);
	struct json *o CLEANUP(json_freep) = NULL;
	struct err none = {0};
	int64_t rate, cpus;
	bool found;

	if (fs_read_if(root, NAME, &text, &found, e))
		return -1;
	if (!found)
		return 0;
	if (json_parse(buf_str(&text), text.len, &o, &none) || !json_is_object(o) ||
	    !json_str(o, "cpu") || !json_str(o, "measured_at") ||
	    !json_int(o, "bytes_per_second", &rate) || !json_int(o, "cpus", &cpus) || rate <= 0)
		return damaged(e);
	if (strcmp(json_str(o, "cpu"), h->cpu) != 0 || cpus != (int64_t) h->cpus)
		return 0;
	h->bandwidth = (uint64_t) rate;
	(void) snprintf(h->bandwidth_source, sizeof h->bandwidth_source, "measured %.30s",
			json_str(o, "measured_at"));
	return 0;
}
