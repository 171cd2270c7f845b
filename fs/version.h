/* SPDX-License-Identifier: MIT */
#pragma once

#define IMAPFS_VERSION "0.1.0"
