/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "haproxy/haproxy.h"

/* The two kinds of process: a container, and a daemon of the installed program. process.c
 * chooses. */

int process_docker_inspect(const struct haproxy *h, struct process *out, struct err *e);
int process_docker_start(const struct haproxy *h, struct err *e);
int process_docker_keep(const struct haproxy *h, struct err *e);
int process_docker_take_over(const struct haproxy *h, const char *digest, struct err *e);
int process_docker_drift(const struct haproxy *h, haproxy_found *found, void *ctx, struct err *e);
int process_docker_sweep(const struct haproxy *h, bool all, struct err *e);
void process_docker_log_tail(const struct haproxy *h, struct buf *out);
int process_docker_check(const struct haproxy *h, bool *fine, struct buf *said, struct err *e);
int process_docker_check_sweep(const struct haproxy *h, struct err *e);

int process_host_inspect(const struct haproxy *h, struct process *out, struct err *e);
int process_host_master(const struct haproxy *h); /* 0: none */
int process_host_start(const struct haproxy *h, struct err *e);
int process_host_stop(const struct haproxy *h, struct err *e);
void process_host_log_tail(const struct haproxy *h, struct buf *out);
int process_host_check(const struct haproxy *h, bool *fine, struct buf *said, struct err *e);
