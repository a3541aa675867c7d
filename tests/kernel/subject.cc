#include "tests/kernel/subject.h"

#include <fmt/core.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/crash/process.h"
#ifdef TLOG_TLOGPLAY
#include "ctl/control_client.h"
#include "tests/crash/tlogdisk_disk.h"
#include "tests/support/redis_server.h"
#endif

namespace tlog::kernel {
namespace {

constexpr unsigned kRestoreMs = 180'000;

// A server that keeps its disk in {dir}/disk.img, and no log.
class PlainServer final : public Subject {
 public:
  PlainServer(const std::string& plugin, const std::string& directory)
      : server_({.command = "nbdkit -f -i 127.0.0.1 -p {port} " + plugin,
                 .export_name = "vm1",
                 .directory = directory,
                 .tcp = true}) {
    const std::string image = directory + "/disk.img";
    std::ofstream(image).close();
    std::filesystem::resize_file(image, kSubjectMib * kMiB);
  }
  crash::Server& server() override { return server_; }
  Result<bool> restore(const std::string&) override { return false; }

 private:
  crash::Server server_;
};

#ifdef TLOG_TLOGPLAY
class Tlogdisk : public Subject {
 public:
  explicit Tlogdisk(const testing::SiteOptions& options = site_options())
      : site_(options), server_(server_options(site_)) {}
  crash::Server& server() override { return server_; }
  Result<bool> restore(const std::string& image) override {
    TLOG_TRY(server_.terminate(kRestoreMs));
    const std::string command =
        crash::expand(crash::tlogdisk_restore_command(site_), {{"image", image}});
    TLOG_TRY(crash::run_command(
        {.command = command, .log_path = site_.file("restore.log"), .directory = ""}, kRestoreMs));
    return true;
  }

 protected:
  static testing::SiteOptions site_options() {
    testing::SiteOptions options = crash::crash_site_options();
    options.vdisks[0].size_mib = kSubjectMib;
    return options;
  }
  const testing::Site& site() const { return site_; }

 private:
  static crash::ServerOptions server_options(const testing::Site& site) {
    crash::ServerOptions options = crash::tlogdisk_server(site);
    options.command = crash::expand(options.command, {{"socket", "-"}});
    const auto at = options.command.find("-U -");
    options.command.replace(at, 4, "-i 127.0.0.1 -p {port}");
    options.tcp = true;
    return options;
  }

  testing::Site site_;
  crash::Server server_;
};

struct Clusters {
  testing::RedisFleet primary{3};
  testing::RedisFleet standby{3};
};

std::string cluster_text(const std::string& name, const testing::RedisFleet& fleet) {
  std::string text = fmt::format("  {}:\n    servers:\n", name);
  for (const std::string& address : fleet.addresses())
    text += fmt::format("      - {{address: \"{}\"}}\n", address);
  return text;
}

class TlogdiskWithStandby final : private Clusters, public Tlogdisk {
 public:
  TlogdiskWithStandby() : Tlogdisk(options_on(*this)) {}

  Status lose_blocks() override {
    const std::string socket = site().file("control.sock");
    TLOG_TRY(control::ask(
        socket,
        {.command = control::Command::kWaitSlaveSync, .vdisk = "vm1", .timeout_ms = kRestoreMs},
        kRestoreMs));
    for (std::size_t i = 0; i < primary.size(); ++i) primary[i].kill();
    const bool has_gone_over = testing::wait_until(
        [&] {
          const auto reply = control::ask(
              socket, {.command = control::Command::kStatus, .vdisk = "vm1"}, kRestoreMs);
          return reply && !reply->vdisks.empty() && reply->vdisks[0].standby &&
                 reply->vdisks[0].standby->active == "standby";
        },
        testing::Milliseconds(kRestoreMs));
    if (has_gone_over) return {};
    return fail(Code::kTimeout, "the vdisk has not gone over to its standby");
  }

 private:
  static testing::SiteOptions options_on(const Clusters& clusters) {
    testing::SiteOptions options = site_options();
    options.clusters = "  local: {directories: [log/0, log/1, log/2, log/3, log/4, log/5]}\n" +
                       cluster_text("primary", clusters.primary) +
                       cluster_text("standby", clusters.standby);
    options.vdisks[0].storage = "{cluster: primary}";
    options.vdisks[0].more =
        ", slaveStorage: {cluster: standby, failoverAfter: 1s}, tlog: {slaveSync: true}";
    return options;
  }
};
#endif

}  // namespace

std::vector<SubjectKind> subject_kinds() {
  std::vector<SubjectKind> kinds = {
      {"NbdkitFile", [](const std::string& directory) -> std::unique_ptr<Subject> {
         return std::make_unique<PlainServer>("file {dir}/disk.img", directory);
       }}};
#ifdef TLOG_TLOGPLAY
  kinds.push_back({"Tlogdisk", [](const std::string&) -> std::unique_ptr<Subject> {
                     return std::make_unique<Tlogdisk>();
                   }});
#endif
  return kinds;
}

std::vector<SubjectKind> standby_subject_kinds() {
#ifdef TLOG_TLOGPLAY
  return {{"TlogdiskWithStandby", [](const std::string&) -> std::unique_ptr<Subject> {
             return std::make_unique<TlogdiskWithStandby>();
           }}};
#else
  return {};
#endif
}

SubjectKind broken_subject_kind() {
  return {"Broken", [](const std::string& directory) -> std::unique_ptr<Subject> {
            const char* const plugin = std::getenv("BROKEN_PLUGIN");
            return std::make_unique<PlainServer>(
                fmt::format("{} mode=no-sync file={{dir}}/disk.img size={}M",
                            plugin == nullptr ? "" : plugin, kSubjectMib),
                directory);
          }};
}

}  // namespace tlog::kernel
