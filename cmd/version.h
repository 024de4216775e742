/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The one place that has the version. Packages and `make lint` read the line below; lockfiles and
 * journals name TOOL. */
#define TOOL_VERSION "0.1.0"
#define TOOL "llmdeploy " TOOL_VERSION
