#include "ctl/status_table.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ctl/standby_text.h"

namespace tlog::ctl {
namespace {

using control::VdiskReport;

std::string share(std::uint64_t used, std::uint64_t total) {
  if (total == 0) return human_bytes(used);
  double percent = 100.0 * static_cast<double>(used) / static_cast<double>(total);
  return fmt::format("{} of {} ({:.0f}%)", human_bytes(used), human_bytes(total), percent);
}

class Rates {
 public:
  Rates(Sample now, Sample earlier) : now_(now), earlier_(earlier) {
    if (earlier.report == nullptr || now.monotonic_ns <= earlier.monotonic_ns) return;
    seconds_ = static_cast<double>(now.monotonic_ns - earlier.monotonic_ns) / 1e9;
  }
  bool known() const { return seconds_ > 0; }
  // A server that was started anew in between counts from 0.
  double of(std::uint64_t VdiskReport::*field) const {
    std::uint64_t before = earlier_.report->*field;
    std::uint64_t after = now_.report->*field;
    return after < before ? 0 : static_cast<double>(after - before) / seconds_;
  }

 private:
  const Sample now_;
  const Sample earlier_;
  double seconds_ = 0;
};

void row(std::string& text, std::string_view name, std::string_view value) {
  text += table_row(name, value);
}

// One kind of request: how many, how much, and how fast.
void traffic(std::string& text, std::string_view name, std::uint64_t VdiskReport::*count,
             std::uint64_t VdiskReport::*bytes, const VdiskReport& vdisk, const Rates& rates) {
  std::string value = fmt::format("{}", vdisk.*count);
  if (bytes != nullptr) value += fmt::format(", {}", human_bytes(vdisk.*bytes));
  if (rates.known()) {
    value += fmt::format("; {:.0f}/s", rates.of(count));
    if (bytes != nullptr) {
      value += fmt::format(", {}/s", human_bytes(static_cast<std::uint64_t>(rates.of(bytes))));
    }
  }
  row(text, name, value);
}

void watermark(std::string& text, std::string_view name, Sequence VdiskReport::*field,
               const VdiskReport& vdisk, const Rates& rates) {
  std::string value = fmt::format("{}", vdisk.*field);
  if (rates.known()) value += fmt::format("; {:.0f}/s", rates.of(field));
  row(text, name, value);
}

// Which configuration is in effect, and why not a newer one.
void configuration(std::string& text, const VdiskReport& vdisk) {
  if (vdisk.config_generation == 0) return;
  row(text, "config",
      fmt::format("generation {} since {}, {}", vdisk.config_generation,
                  utc_text(vdisk.config_loaded_ns), vdisk.config_source));
  if (vdisk.config_error.empty()) return;
  text += fmt::format("    not taken over, {}:\n", utc_text(vdisk.config_error_ns));
  for (std::size_t at = 0; at < vdisk.config_error.size();) {
    const std::size_t end = std::min(vdisk.config_error.find('\n', at), vdisk.config_error.size());
    text += fmt::format("    {}\n", vdisk.config_error.substr(at, end - at));
    at = end + 1;
  }
}

// One line for each kind: how it goes or when it comes, and what the last one found.
void background_scrub(std::string& text, std::string_view name,
                      const control::BackgroundScrubReport& scrub) {
  if (scrub.next_ns == 0 && scrub.began_ns == 0 && scrub.finished_ns == 0) return;
  auto counts = [](std::uint64_t missing, std::uint64_t wrong, std::uint64_t unreachable,
                   std::uint64_t mended) {
    return fmt::format("{} missing, {} wrong, {} mended, {} not reachable", missing, wrong, mended,
                       unreachable);
  };
  std::string value;
  if (scrub.began_ns != 0) {
    value = fmt::format("{} since {}, aggregation {}{}, {}",
                        scrub.running ? "running" : "interrupted", utc_text(scrub.began_ns),
                        scrub.done, scrub.last == 0 ? "" : fmt::format(" of {}", scrub.last),
                        counts(scrub.missing, scrub.wrong, scrub.unreachable, scrub.mended));
  } else {
    value = scrub.next_ns == 0 ? "no next one" : "next " + utc_text(scrub.next_ns);
  }
  if (scrub.finished_ns != 0) {
    value += fmt::format("; last {}: {}", utc_text(scrub.finished_ns),
                         counts(scrub.finished_missing, scrub.finished_wrong,
                                scrub.finished_unreachable, scrub.finished_mended));
  }
  row(text, name, value);
}

// Whose turn it is.
void lease(std::string& text, const VdiskReport& vdisk) {
  if (vdisk.lease.empty()) return;
  std::string value = vdisk.lease;
  if (!vdisk.lease_holder.empty()) value += ", host " + vdisk.lease_holder;
  if (vdisk.lease_ends_in_ms > 0) {
    value += fmt::format(", ends in {} unless it is renewed", seconds_text(vdisk.lease_ends_in_ms));
  }
  if (!vdisk.lease_reason.empty()) value += ": " + vdisk.lease_reason;
  row(text, "lease", value);
}

// A store's state in the table; why, and what to do about it, in a line of its own.
void stores(std::string& text, std::string_view title,
            const std::vector<control::StoreReport>& all) {
  if (all.empty()) return;
  std::size_t width = title.size();
  std::size_t state_width = 5;
  for (const control::StoreReport& store : all) {
    width = std::max(width, store.name.size());
    state_width = std::max(state_width, state_of(store).size());
  }
  text += fmt::format("  {:<{}}  {:<{}}  {:>9}  {:>9}  {:>9}  {:>6}\n", title, width, "state",
                      state_width, "put", "got", "queued", "errors");
  for (const control::StoreReport& store : all) {
    const std::string_view state = state_of(store);
    text += fmt::format("  {:<{}}  {:<{}}  {:>9}  {:>9}  {:>9}  {:>6}\n", store.name, width, state,
                        state_width, human_bytes(store.put_bytes), human_bytes(store.get_bytes),
                        human_bytes(store.queued_bytes), store.errors);
    if (!store.condition.empty() && store.condition != state) {
      text += fmt::format("    {}\n", store.condition);
    }
    if (store.left != 0) {
      text += fmt::format("    {} shards to be looked up or made anew\n", store.left);
    }
    if (!store.warning.empty()) text += fmt::format("    warning: {}\n", store.warning);
  }
}

std::string title_of(const control::LogServerReport& server) {
  if (server.stripe.empty()) return server.address;
  return fmt::format("{} (stripe {})", server.address, server.stripe);
}

// The tlogservers, and how far each has come.
void log_servers(std::string& text, const std::vector<control::LogServerReport>& all) {
  if (all.empty()) return;
  std::size_t width = 10;
  std::size_t state_width = 5;
  for (const control::LogServerReport& server : all) {
    width = std::max(width, title_of(server).size());
    state_width = std::max(state_width, server.state.size());
  }
  text += fmt::format("  {:<{}}  {:<{}}  {:>12}  {:>12}  {:>12}  {:>9}\n", "tlogserver", width,
                      "state", state_width, "sent", "received", "stored", "ms");
  for (const control::LogServerReport& server : all) {
    text += fmt::format("  {:<{}}  {:<{}}  {:>12}  {:>12}  {:>12}  {:>9.1f}\n", title_of(server),
                        width, server.state, state_width, server.sent, server.received,
                        server.stored, static_cast<double>(server.round_trip_us) / 1000);
    if (!server.reason.empty()) text += fmt::format("    {}\n", server.reason);
  }
}

}  // namespace

std::string utc_text(std::uint64_t wall_ns) {
  const auto seconds = static_cast<std::time_t>(wall_ns / 1'000'000'000);
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(seconds));
}

std::string seconds_text(std::uint64_t ms) {
  return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000);
}

std::string table_row(std::string_view name, std::string_view value) {
  return fmt::format("  {:<10} {}\n", name, value);
}

std::string_view state_of(const control::StoreReport& store) {
  if (!store.state.empty()) return store.state;
  return store.usable ? "up" : "down";
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < kKiB) return fmt::format("{}B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  // 1023.95 would be shown as 1024.0.
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f}{}", value, kUnits[unit]);
}

std::string status_table(Sample now, Sample earlier) {
  const VdiskReport& vdisk = *now.report;
  const Rates rates(now, earlier);
  std::string text =
      fmt::format("vdisk {}: {}, {}", vdisk.name, vdisk.state, human_bytes(vdisk.size));
  if (vdisk.state == "closed" || vdisk.state == "standby") {
    text += fmt::format("\n  {}\n", vdisk.reason);
    lease(text, vdisk);
    configuration(text, vdisk);
    return text;
  }
  text += fmt::format(", epoch {}, {}\n", vdisk.epoch, vdisk.uuid);
  if (!vdisk.reason.empty()) row(text, "reason", vdisk.reason);
  watermark(text, "appended", &VdiskReport::appended, vdisk, rates);
  watermark(text, "durable", &VdiskReport::durable, vdisk, rates);
  watermark(text, "stored", &VdiskReport::stored, vdisk, rates);
  watermark(text, "applied", &VdiskReport::applied, vdisk, rates);
  row(text, "journal", share(vdisk.journal_bytes_used, vdisk.journal_bytes_total));
  row(text, "arena", share(vdisk.arena_bytes_used, vdisk.arena_bytes_total));
  row(text, "overlay", fmt::format("{} extents", vdisk.overlay_extents));
  if (vdisk.log_servers.empty()) {
    row(text, "log",
        fmt::format("{} aggregations committed, {} in flight, {} shards missing, {} buffered, {} "
                    "hinted",
                    vdisk.committed, vdisk.in_flight, vdisk.missing_shards,
                    human_bytes(vdisk.buffered_bytes), human_bytes(vdisk.hinted_bytes)));
  }
  if (vdisk.scrub_runs > 0) {
    row(text, "scrub",
        fmt::format("{}{}, aggregation {} of {}, {} missing, {} wrong, {} not reachable",
                    vdisk.scrub_running ? "running" : "ended", vdisk.scrub_deep ? " (deep)" : "",
                    vdisk.scrub_done, vdisk.scrub_last, vdisk.scrub_missing, vdisk.scrub_wrong,
                    vdisk.scrub_unreachable));
  }
  background_scrub(text, "lightscrub", vdisk.light_scrub);
  background_scrub(text, "deepscrub", vdisk.deep_scrub);
  if (!vdisk.background_scrub_waiting.empty()) {
    text += fmt::format("    scrubs in the background: {}\n", vdisk.background_scrub_waiting);
  }
  lease(text, vdisk);
  if (vdisk.standby) text += standby_rows(*vdisk.standby);
  for (const std::string& alarm : vdisk.alarms) row(text, "ALARM", alarm);
  if (!vdisk.waiting_for.empty()) row(text, "waiting", vdisk.waiting_for);
  traffic(text, "reads", &VdiskReport::reads, &VdiskReport::read_bytes, vdisk, rates);
  traffic(text, "writes", &VdiskReport::writes, &VdiskReport::write_bytes, vdisk, rates);
  traffic(text, "flushes", &VdiskReport::flushes, nullptr, vdisk, rates);
  row(text, "stalls", fmt::format("{}, {} slowed down", vdisk.stalls, vdisk.slowed));
  configuration(text, vdisk);
  stores(text, "store", vdisk.stores);
  log_servers(text, vdisk.log_servers);
  stores(text, "blocks on", vdisk.block_servers);
  if (vdisk.standby) stores(text, "standby on", vdisk.standby->servers);
  return text;
}

}  // namespace tlog::ctl
