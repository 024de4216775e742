/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct err;
struct json;

/* Does the hosted model of a gateway section ("gateway" of a manifest or a lockfile) answer? Its
 * list of models is asked for, with its key and its CA file, and nothing of a client's is sent. 0:
 * yes, or there is no fallback. ERR_UNREACHABLE: no answer, or none in TLS that can be trusted.
 * ERR_SPEC: another answer than a list with the model in it, with what to change. */
int fallback_check(const struct json *gateway, struct err *e);
