// nbdkit plugin over ForgetfulDisk: `nbdkit forgetful.so file=IMAGE land=none|random|tear seed=N`.
// Pulling the plug is SIGKILL.
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <cstring>
#include <memory>
#include <string>

#include "tests/crash/forgetful/forgetful_disk.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

namespace {

using tlog::crash::ForgetfulDisk;
using tlog::crash::Landing;

struct Parameters {
  std::string file;
  Landing landing = Landing::kNone;
  std::uint64_t seed = 1;
};

// One process serves one disk; nbdkit gives its plugins no other place for their state.
std::unique_ptr<Parameters> parameters;
std::unique_ptr<ForgetfulDisk> disk;

void load() {
  parameters = std::make_unique<Parameters>();
}

void unload() {
  disk.reset();
  parameters.reset();
}

int set_landing(const std::string& value) {
  if (value == "none") {
    parameters->landing = Landing::kNone;
  } else if (value == "random") {
    parameters->landing = Landing::kRandom;
  } else if (value == "tear") {
    parameters->landing = Landing::kTear;
  } else {
    nbdkit_error("land=%s: expected none, random or tear", value.c_str());
    return -1;
  }
  return 0;
}

int config(const char* key, const char* value) {
  if (std::strcmp(key, "land") == 0) return set_landing(value);
  if (std::strcmp(key, "seed") == 0) return nbdkit_parse_uint64_t("seed", value, &parameters->seed);
  if (std::strcmp(key, "file") == 0) {
    char* const path = nbdkit_absolute_path(value);
    if (path == nullptr) return -1;
    parameters->file = path;
    free(path);
    return 0;
  }
  nbdkit_error("unknown parameter: %s", key);
  return -1;
}

int get_ready() {
  disk = std::make_unique<ForgetfulDisk>(parameters->file, parameters->landing, parameters->seed);
  if (disk->load()) return 0;
  nbdkit_error("%s: %m", parameters->file.c_str());
  return -1;
}

void* open_connection(int) {
  return NBDKIT_HANDLE_NOT_NEEDED;
}
std::int64_t get_size(void*) {
  return static_cast<std::int64_t>(disk->size());
}
int yes(void*) {
  return 1;
}
int can_fua(void*) {
  return NBDKIT_FUA_EMULATE;
}

// pread, pwrite and flush of the system set errno where they fail.
int pread_disk(void*, void* into, std::uint32_t count, std::uint64_t offset, std::uint32_t) {
  return disk->read(into, count, offset) ? 0 : -1;
}

int pwrite_disk(void*, const void* data, std::uint32_t count, std::uint64_t offset, std::uint32_t) {
  return disk->write(data, count, offset) ? 0 : -1;
}

int flush_disk(void*, std::uint32_t) {
  return disk->flush() ? 0 : -1;
}

nbdkit_plugin create_plugin() {
  nbdkit_plugin plugin = {};
  plugin.name = "forgetful";
  plugin.longname = "a disk with a volatile cache";
  plugin.errno_is_preserved = 1;
  plugin.load = load;
  plugin.unload = unload;
  plugin.config = config;
  plugin.get_ready = get_ready;
  plugin.open = open_connection;
  plugin.get_size = get_size;
  plugin.can_write = yes;
  plugin.can_flush = yes;
  plugin.can_multi_conn = yes;
  plugin.can_fua = can_fua;
  plugin.pread = pread_disk;
  plugin.pwrite = pwrite_disk;
  plugin.flush = flush_disk;
  return plugin;
}

nbdkit_plugin plugin = create_plugin();

}  // namespace

NBDKIT_REGISTER_PLUGIN(plugin)
