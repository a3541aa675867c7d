// nbdkit plugin over BrokenDisk: `nbdkit broken_plugin.so mode=no-flush file=IMAGE size=8M`.
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <string>

#include "tests/crash/broken_disk.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

namespace {

using tlog::crash::Breakage;
using tlog::crash::BrokenDisk;

struct Parameters {
  Breakage mode = Breakage::kSound;
  std::string file;
  std::int64_t size = 0;
};

// One process serves one disk; nbdkit gives its plugins no other place for their state.
std::unique_ptr<Parameters> parameters;
std::unique_ptr<BrokenDisk> disk;
std::atomic<std::uint64_t> connections{0};

struct Connection {
  std::uint64_t number;
};

std::uint64_t number_of(void* handle) {
  return static_cast<Connection*>(handle)->number;
}

void load() {
  parameters = std::make_unique<Parameters>();
}

void unload() {
  disk.reset();
  parameters.reset();
}

int config(const char* key, const char* value) {
  if (std::strcmp(key, "mode") == 0) {
    if (tlog::crash::parse_breakage(value, parameters->mode)) return 0;
    nbdkit_error("unknown mode: %s", value);
    return -1;
  }
  if (std::strcmp(key, "file") == 0) {
    char* const path = nbdkit_absolute_path(value);
    if (path == nullptr) return -1;
    parameters->file = path;
    free(path);
    return 0;
  }
  if (std::strcmp(key, "size") == 0) {
    parameters->size = nbdkit_parse_size(value);
    return parameters->size < 0 ? -1 : 0;
  }
  nbdkit_error("unknown parameter: %s", key);
  return -1;
}

int get_ready() {
  if (parameters->file.empty() || parameters->size <= 0) {
    nbdkit_error("file= and size= are needed");
    return -1;
  }
  disk = std::make_unique<BrokenDisk>(parameters->mode, parameters->file,
                                      static_cast<std::uint64_t>(parameters->size));
  if (disk->load()) return 0;
  nbdkit_error("%s: %m", parameters->file.c_str());
  return -1;
}

void* open_connection(int) {
  return new Connection{connections.fetch_add(1)};
}
void close_connection(void* handle) {
  delete static_cast<Connection*>(handle);
}
std::int64_t get_size(void*) {
  return static_cast<std::int64_t>(disk->size());
}
int yes(void*) {
  return 1;
}
int can_fua(void*) {
  return NBDKIT_FUA_NATIVE;
}

int pread_disk(void*, void* into, std::uint32_t count, std::uint64_t offset, std::uint32_t) {
  disk->read(into, count, offset);
  return 0;
}

int pwrite_disk(void* handle, const void* data, std::uint32_t count, std::uint64_t offset,
                std::uint32_t flags) {
  disk->write(number_of(handle), data, count, offset, (flags & NBDKIT_FLAG_FUA) != 0);
  return 0;
}

int zero_disk(void* handle, std::uint32_t count, std::uint64_t offset, std::uint32_t flags) {
  disk->zero(number_of(handle), count, offset, (flags & NBDKIT_FLAG_FUA) != 0);
  return 0;
}

int flush_disk(void* handle, std::uint32_t) {
  disk->flush(number_of(handle));
  return 0;
}

nbdkit_plugin create_plugin() {
  nbdkit_plugin plugin = {};
  plugin.name = "broken";
  plugin.longname = "a disk that breaks one promise";
  plugin.load = load;
  plugin.unload = unload;
  plugin.config = config;
  plugin.get_ready = get_ready;
  plugin.open = open_connection;
  plugin.close = close_connection;
  plugin.get_size = get_size;
  plugin.can_write = yes;
  plugin.can_flush = yes;
  plugin.can_trim = yes;
  plugin.can_multi_conn = yes;
  plugin.can_fua = can_fua;
  plugin.can_zero = yes;
  plugin.pread = pread_disk;
  plugin.pwrite = pwrite_disk;
  plugin.zero = zero_disk;
  plugin.trim = zero_disk;
  plugin.flush = flush_disk;
  return plugin;
}

nbdkit_plugin plugin = create_plugin();

}  // namespace

NBDKIT_REGISTER_PLUGIN(plugin)
