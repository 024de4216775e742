#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: docker28_test.sh [BUILD_DIR]   what depends on the container engine, on Docker 28.5 with containerd's image store. TAP.
exec "$(dirname "$0")/engines_all.sh" "${1:-build}" docker28c docker_live kind reboot docker_restart
