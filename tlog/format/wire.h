// File: tlog/format/wire.h
// What the codecs of this folder share. Included by .cc files only.
#pragma once

#include "tlog/format/capnp_border.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "tlog/format/tlog.capnp.h"
#pragma GCC diagnostic pop
