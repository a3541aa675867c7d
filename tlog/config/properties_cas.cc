#include "tlog/config/property_access.h"

// Contents and names that a tlogserver keeps and serves over gRPC, and the logs that are put there.
namespace tlog::config {
namespace {

Target add_publish(Target target, std::string name) {
  CasPublish& publish = std::get<Cas*>(target)->publish.emplace_back();
  publish.vdisk = std::move(name);
  return &publish;
}

const Section& publish_section() {
  static const Section section{
      "The vdisks of this file whose log is published under the name `vdisk/NAME`, as REMOTE-LOG "
      "has it. A single value stands for `embed`.",
      {
          {.key = "embed",
           .type = Type::kText,
           .description = "How many of the newest aggregations stand in the page itself, for who "
                          "has no content-addressed store: all, none or last N.",
           .default_text = "last 5",
           .set = assign<&CasPublish::embed_text>},
          {.key = "to",
           .type = Type::kAddress,
           .description = "Another service (gRPC) that takes the contents and the name.",
           .default_note = "the `directory` of this server",
           .example = "\"192.0.2.1:17500\"",
           .set = assign<&CasPublish::to>},
          {.key = "tokenFile",
           .type = Type::kPath,
           .description = "The token that the other service wants, one line, mode 0600.",
           .default_note = "none",
           .example = "cas.token",
           .set = assign<&CasPublish::token_file>},
          {.key = "tls",
           .type = Type::kBoolean,
           .description = "Talk TLS to the other service.",
           .default_text = "false",
           .default_note = "true with a caFile, else false",
           .set = assign<&CasPublish::tls>},
          {.key = "caFile",
           .type = Type::kPath,
           .description = "Who signs the other service's certificate (PEM).",
           .default_note = "the system's authorities",
           .example = "cas-ca.pem",
           .set = assign<&CasPublish::ca_file>},
          {.key = "serverName",
           .type = Type::kText,
           .description = "The name in its certificate.",
           .default_note = "the host in `to`",
           .example = "cas.example.org",
           .set = assign<&CasPublish::server_name>},
      },
      {},
      {},
      "embed"};
  return section;
}

}  // namespace

const Section& cas_section() {
  static const Section section{
      "Contents and names (REMOTE-LOG) that a tlogserver serves with --grpc, and the logs of "
      "vdisks "
      "that it publishes.",
      {
          {.key = "directory",
           .type = Type::kPath,
           .description = "Where contents and names are kept.",
           .default_note = "none, which will do when all that is published goes elsewhere",
           .example = "/srv/cas",
           .set = assign<&Cas::directory>},
          {.key = "publish",
           .type = Type::kNamed,
           .description = publish_section().description,
           .example = "vm1",
           .sample = "publish: {vm1: {embed: last 5}}",
           .maximum = kVdisksMax,
           .section = &publish_section(),
           .enter = add_publish},
      },
      {},
      {"directory", "publish"}};
  return section;
}

}  // namespace tlog::config
